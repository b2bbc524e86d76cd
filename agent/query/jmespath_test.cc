#include "agent/query/jmespath.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

// The text; "null", "other" or "error" in angle brackets for anything else.
std::string Found(std::string_view json, std::string_view expression,
                  const JmespathLimits& limits = {}) {
  const Result<JmespathResult> result = JmespathSearch(json, expression, limits);
  if (!result.ok()) return result.error().code() == ErrorCode::kTooLarge ? "<limit>" : "<error>";
  if (result->kind == JmespathResult::Kind::kText) return std::string(result->text.Reveal());
  return result->kind == JmespathResult::Kind::kNull ? "<null>" : "<other>";
}

struct Row {
  std::string json, expression, want;
};

TEST_CASE("jmespath: an expression selects what go-jmespath selects") {
  const Row rows[] = {
      {R"({"a":"x"})", "a", "x"},
      {R"({"a":"x"})", " \ta\n ", "x"},
      {R"({"a":{"b":"x"}})", "a . b", "x"},
      {R"({"a":{"b":null}})", "a.b", "<null>"},
      {R"({"a":"x"})", "b", "<null>"},
      {R"({"a":1})", "a", "<other>"},
      {R"({"a":true})", "a", "<other>"},
      {R"({"a":"x"})", "@", "<other>"},
      {R"("text")", "@", "text"},
      {R"({"a-b":"v"})", "\"a-b\"", "v"},
      {R"({"a":"x"})", R"("\u0061")", "x"},
      {R"({"é":"x"})", "\"é\"", "x"},
      {R"({"let":"x"})", "let", "x"},
      {R"({"_a1":"x"})", "_a1", "x"},
      {R"({"a":"\u00e9"})", "a", "é"},
      {R"({"a":"x","a":"y"})", "a", "y"},
      {R"({"a":["x","y"]})", "a[-1]", "y"},
      {R"({"a":["x","y"]})", "a[0:1] | [0]", "x"},
      {R"({"a":["x","y","z"]})", "a[::-1] | [0]", "z"},
      {R"({"a":[["x"]]})", "a[][] | [0]", "x"},
      {R"({"a":[{"n":"x","v":"1"},{"n":"y","v":"2"}]})", "a[?n=='y'].v | [0]", "2"},
      {R"({"a":"b"})", "'a,b'", "a,b"},
      {R"({"a":"b"})", R"('it\'s')", "it's"},
      {R"({"a":"b"})", R"('\\n')", R"(\\n)"},
      {R"({"a":"b"})", "`\"x\"`", "x"},
      {R"({"a":"b"})", "`{\"a\":\"y\"}`.a", "y"},
      {R"({"a":"b"})", "b || a", "b"},
      {R"({"a":"b"})", "b && a", "<null>"},
      {R"({"a":"b"})", "a == 'b' && 'yes' || 'no'", "yes"},
      {R"({"a":"b"})", "{x: a}.x", "b"},
      {R"({"a":"b"})", "[a, a] | join('-', @)", "b-b"},
      {R"({"a":{"b":"x"}})", "(a).b", "x"},
      {R"({"a":"5"})", "type(to_number(a))", "number"},
      {R"({"a":"x"})", "type(to_number(a))", "null"},
      {R"({"a":"éb"})", "reverse(a)", "bé"},
      {R"({"a":[{"k":"2"},{"k":"1"}]})", "sort_by(a, &k)[0].k", "1"},
      {R"({"a":[{"k":"2"},{"k":"1"}]})", "max_by(a, &k).k", "2"},
      {R"({"a":"x"})", "map(&a, [@])[0]", "x"},
      {R"({"a":"x"})", "merge(@, `{\"a\":\"y\"}`).a", "y"},
      {R"({"a":"x"})", "not_null(b, a)", "x"},
      {R"({"a":"x"})", "to_array(a)[0]", "x"},
      {R"({"a":"xyz"})", "a[0:1]", "<null>"},
  };
  for (const Row& row : rows) {
    INFO(row.json << " " << row.expression);
    CHECK(Found(row.json, row.expression) == row.want);
  }
}

TEST_CASE("jmespath: to_string writes numbers as float64 and JSON as Go does") {
  const Row rows[] = {
      {R"({"a":1.50})", "to_string(a)", "1.5"},
      {R"({"a":1.50})", "to_string (`1.50`)", "1.5"},
      {R"({"a":"x"})", "to_string(a)", "x"},
      {R"({"a":12345678901234567890})", "to_string(a)", "12345678901234567000"},
      {R"({"a":100000000000000000000})", "to_string(a)", "100000000000000000000"},
      {R"({"a":1e21})", "to_string(a)", "1e+21"},
      {R"({"a":0.0000001})", "to_string(a)", "1e-7"},
      {R"({"a":-0})", "to_string(a)", "-0"},
      {R"({"a":{"b":"<&>","a":1.50}})", "to_string(a)", R"({"a":1.5,"b":"\u003c\u0026\u003e"})"},
      {R"({"a":null})", "to_string(a)", "null"},
      {R"({"a":true})", "to_string(b)", "null"},
      {R"({"a":true})", "to_string(a)", "true"},
      {R"({"a":[1.0,2]})", "to_string(a)", "[1,2]"},
      {R"({"a":"éb"})", "to_string(length(a))", "2"},
      {R"({"a":"1e3"})", "to_string(to_number(a))", "1000"},
      {R"({"a":"-5.50"})", "to_string(to_number(a))", "-5.5"},
      {R"({"a":[3,1]})", "to_string(sort(a))", "[1,3]"},
      {R"({"a":[3,1]})", "to_string(max(a))", "3"},
      {R"({"a":[]})", "to_string(max(a))", "null"},
      {R"({"a":[]})", "to_string(sum(a))", "0"},
      {R"({"a":1})", "to_string(sum([a, a, `0.5`]))", "2.5"},
      {R"({"a":1})", "to_string(abs(`-2`))", "2"},
      {R"({"a":1})", "to_string(abs(`-9223372036854775808`))", "9223372036854776000"},
      {R"({"b":[{"a":1},{"a":2}]})", "to_string(b[].a)", "[1,2]"},
      {R"({"b":[{"a":1},{"a":2}]})", "to_string(b[?a>`1`] | [0].a)", "2"},
      {R"({"to_string":"x"})", "to_string", "x"},
  };
  for (const Row& row : rows) {
    INFO(row.json << " " << row.expression);
    CHECK(Found(row.json, row.expression) == row.want);
  }
}

TEST_CASE("jmespath: what go-jmespath refuses is refused") {
  for (const char* expression : {"",
                                 "a.",
                                 "a |",
                                 "a[",
                                 "a[0",
                                 "a-b",
                                 "-1",
                                 "a + a",
                                 "a / a",
                                 "$",
                                 "$.a",
                                 "let $x = a in $x",
                                 "a # c",
                                 "é",
                                 "`x`",
                                 "a=`1`",
                                 "a, a",
                                 "a) || (a",
                                 "\"length\"(a)",
                                 "items(@)",
                                 "upper(a)",
                                 "split(' ', a)",
                                 "foo(a)",
                                 "nodekeep_to_string(a)",
                                 "nodekeep_result(a)",
                                 "length(b)",
                                 "to_string(a, a)",
                                 "to_string()",
                                 "join(`,`, a)",
                                 "a[::0]",
                                 "'a",
                                 "a\\'"}) {
    INFO(expression);
    CHECK(Found(R"({"a":["x"]})", expression) == "<error>");
  }
  CHECK(Found(R"({"a":"x"} y)", "a") == "<error>");
  CHECK(Found("", "@") == "<error>");
  CHECK(Found("\xef\xbb\xbf{}", "@") == "<error>");
  CHECK(Found(R"({"a":1e400})", "a") == "<error>");
}

std::string Repeated(int count, std::string_view text, std::string_view separator) {
  std::string repeated;
  for (int i = 0; i < count; ++i) {
    if (i > 0) repeated += separator;
    repeated += text;
  }
  return repeated;
}

TEST_CASE("jmespath: an expression cannot take more than the limits") {
  const std::string list = "[" + Repeated(60, "0", ",") + "]";
  const std::string document = R"({"a":")" + std::string(1000, 'x') + "\"}";
  struct Hostile {
    std::string name, expression;
  };
  const Hostile rows[] = {
      {"doubling", Repeated(300, "[@,@]", "|")},
      {"doubling, compared", Repeated(300, "[@,@]", "|") + " == " + Repeated(300, "[@,@]", "|")},
      {"doubling by keys", Repeated(100, "{a:@,b:@}", "|")},
      {"loops over lists of its own",
       Repeated(10, "`" + list + "`[?", "") + "@" + Repeated(10, "]", "")},
      {"smallest of the smallest",
       Repeated(10, "max_by(`" + list + "`,&", "") + "@" + Repeated(10, ")", "")},
      {"quotes in quotes", Repeated(100, "to_string([@])", "|")},
      {"brackets", std::string(60, '(') + "a" + std::string(60, ')')},
      {"long", std::string(5000, 'a')},
  };
  for (const Hostile& row : rows) {
    INFO(row.name);
    CHECK(Found(document, row.expression) == "<limit>");
  }
  CHECK(Found(document, "a", {.document_bytes = 1000}) == "<limit>");
  CHECK(Found(document, "a", {.text_bytes = 999}) == "<limit>");
  CHECK(Found(document, "a", {.text_bytes = 1000}).size() == 1000);
  CHECK(Found(document, Repeated(300, "[@]", "|")) != "<limit>");
}

}  // namespace
}  // namespace nodekeep

#include "agent/template/template.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/template/function.h"
#include "agent/template/signature.h"
#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using go::Map;
using go::Type;
using go::Value;

const TemplateEnvironment& Environment() {
  static const FakeClock clock;
  static const TemplateEnvironment environment{
      clock, [](std::size_t size) { return SecretBytes::OfSize(size); }};
  return environment;
}

// What upstream gives to templates: a map of texts.
Value Texts() {
  return Value::MapOf(Type::kStringMap, {{"a", Value::Text("A")},
                                         {"b", Value::Text("B")},
                                         {"binary", Value::Text("\xFF\x01z")},
                                         {"dash-key", Value::Text("D")}});
}

// A map of values of many types, as fromJson makes them.
Value Values() {
  Map inner = {{"y", Value::Float(1)}, {"n", Value()}};
  inner["l"] = Value::List({Value::Int(1), Value::Text("two"), Value()});
  return Value::MapOf({{"x", Value::MapOf(std::move(inner))},
                       {"s", Value::Text("text")},
                       {"i", Value::Int(3)},
                       {"i64", Value::Int64(3)},
                       {"f", Value::Float(1234567)},
                       {"t", Value::Bool(true)},
                       {"empty", Value::List({})},
                       {"strings", Value::Strings({"a", "b"})}});
}

std::string Render(std::string_view text, const Value& dot, const TemplateOptions& options = {}) {
  const Result<Template> parsed = Template::Parse("t", text, options);
  if (!parsed.ok()) return parsed.error().message();
  const Result<SecretBytes> out = parsed->Execute(Environment(), dot);
  return out.ok() ? std::string(out->Reveal()) : out.error().message();
}

struct Row {
  std::string text, want;
};

TEST_CASE("template: actions print what Go prints") {
  const Row rows[] = {
      {"a{{ .a }}b", "aAb"},
      {"{{ .binary }}", "\xFF\x01z"},
      {R"({{ index . "dash-key" }}{{ index . "none" }})", "D"},
      {"{{ . }}", "map[a:A b:B binary:\xFF\x01z dash-key:D]"},
      {"{{ .a | }}", "A"},
      {"{{ print nil 1 2 \"a\" \"b\" 3 4 }}", "<nil> 1 2ab3 4"},
      {"{{ println 1 \"a\" }}", "1 a\n"},
      {"{{ 1000000.0 }} {{ 123456789.0 }} {{ 100000.0 }} {{ 0.00001 }}",
       "1e+06 1.23456789e+08 100000 1e-05"},
      {"{{ 0x1E }} {{ -0x1E }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ 'a' }}",
       "30 -30 3 15 15 1000 97"},
      {"{{ html nil \"a<\\x00\" }} {{ js \"'x'=\" }} {{ urlquery \"a b&\" }}",
       "&lt;no value&gt;a&lt;\xEF\xBF\xBD \\'x\\'\\u003D a+b%26"},
      {R"({{ len .a }}{{ len . }} {{ not .a }} {{ and 1 0 2 }} {{ or 0 "" "x" }})", "14 false 0 x"},
      {R"({{ and 0 (index nil 1) }}{{ or 1 (index nil 1) }})", "01"},
      {"{{ 3 | and 0 }}{{ 3 | and 1 }}", "03"},
      {R"({{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le "a" "a" }} {{ gt 2.5 1.5 }} {{ ge 1 2 }})",
       "true true true true true false"},
      {R"({{ eq (index "abc" 0) 97 }} {{ index "abc" 0 }} {{ eq nil nil }} {{ eq nil 1 }})",
       "true 97 true false"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Render(row.text, Texts()) == row.want);
  }
}

TEST_CASE("template: if, with, range, template and block run as in Go") {
  const Row rows[] = {
      {"{{ if 0 }}a{{ else if \"\" }}b{{ else if .a }}c{{ else }}d{{ end }}", "c"},
      {"{{ with 0 }}{{ else with 5 }}{{ . }}{{ else }}e{{ end }}", "5"},
      {"{{ with $x := .a }}{{ $x }}{{ . }}{{ end }}", "AA"},
      {"{{ range $i := 3 }}{{ $i }}{{ end }}{{ range 0 }}{{ else }}none{{ end }}", "012none"},
      {"{{ range $k, $v := . }}{{ $k }};{{ end }}", "a;b;binary;dash-key;"},
      {"{{ range $v := . }}{{ len $v }}{{ end }}", "1131"},
      {"{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ . }}{{ if eq . 3 }}{{ break }}"
       "{{ end }}{{ end }}",
       "023"},
      {"{{ range 2 }}{{ range 0 }}{{ else }}x{{ break }}{{ end }}y{{ end }}", "xyxy"},
      {"{{ range 2 }}{{ range 0 }}{{ else }}x{{ continue }}{{ end }}y{{ end }}", "xx"},
      {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
      {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"},
      {"{{ $v := 0 }}{{ range $v = 3 }}{{ end }}{{ $v }}", "2"},
      {"{{ define \"x\" }}[{{ . }}{{ $ }}]{{ end }}{{ template \"x\" .a }}{{ template \"x\" }}",
       "[AA][<no value><no value>]"},
      {"{{ template \"x\" $y := .a }}{{ define \"x\" }}{{ end }}{{ $y }}", "A"},
      {"{{ block \"x\" .b }}{{ . }}{{ end }}{{ define \"x\" }} {{/* c */}} {{ end }}", "B"},
      {"{{ define \"t\" }}aa{{ end }}", "aa"},
      {"{{ define \"x\" }}{{ end }}{{ define \"x\" }}b{{ end }}{{ template \"x\" }}", "b"},
      {"a \n{{- /* c */ -}}\n b {{- 1 -}} c", "ab1c"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Render(row.text, Texts()) == row.want);
  }
}

TEST_CASE("template: errors of parsing have Go's texts") {
  const Row rows[] = {
      {"{{ foo }}", R"(function "foo" not defined)"},
      {"{{ $y }}", R"(undefined variable "$y")"},
      {"{{ if .a }}", "unexpected EOF"},
      {"{{ end }}", "unexpected {{end}}"},
      {"{{ else }}", "unexpected {{else}}"},
      {"{{ end 1 }}", R"(unexpected "1" in end)"},
      {"{{ if }}{{ end }}", "missing value for if"},
      {"{{ () }}", "missing value for parenthesized pipeline"},
      {"{{ . | . }}", "non executable command in pipeline stage 2"},
      {"{{ | }}", R"(unexpected "|" in command)"},
      {"{{ .a, }}", R"(unexpected "," in operand)"},
      {"{{ print (1)(2) }}", R"(unexpected "(" in operand)"},
      {"{{ nil.x }}", R"(unexpected . after term "nil")"},
      {"{{ break }}", "{{break}} outside {{range}}"},
      {"{{ range 3 }}{{ block \"x\" . }}{{ continue }}{{ end }}{{ end }}",
       "{{continue}} outside {{range}}"},
      {"{{ range 3 }}{{ break 1 }}{{ end }}", R"(unexpected "1" in {{break}})"},
      {"{{ range $a, $b, $c := . }}{{ end }}", "too many declarations in range"},
      {"{{ $a, $b := . }}", "too many declarations in command"},
      {"{{ range $a, 1 := . }}{{ end }}", "range can only initialize variables"},
      {"{{ range 3 }}{{ else if 1 }}{{ end }}", "unexpected <if> in input"},
      {"{{ if 1 }}{{ else with 2 }}{{ end }}", "unexpected <with> in input"},
      {"{{ if 1 }}{{ else }}{{ else }}{{ end }}", "expected end; found {{else}}"},
      {"{{ if 1 }}{{ define \"x\" }}{{ end }}{{ end }}", "unexpected <define> in command"},
      {"{{ define x }}{{ end }}", R"(unexpected "x" in define clause)"},
      {"{{ define \"x\" }}{{ else }}{{ end }}", "unexpected {{else}} in define clause"},
      {"{{ define \"x\" }}a{{ end }}{{ define \"x\" }}b{{ end }}",
       R"(template: multiple definition of template "x")"},
      {"{{ define \"t\" }}a{{ end }}b", R"(template: multiple definition of template "t")"},
      {"{{ template x }}", R"(unexpected "x" in template clause)"},
      {"{{ 08 }}", R"(integer overflow: "08")"},
      {"{{ 18446744073709551616 }}", R"(integer overflow: "18446744073709551616")"},
      {"{{ 1e400 }}", R"(illegal number syntax: "1e400")"},
      {"{{ 1__0 }}", R"(illegal number syntax: "1__0")"},
      {"{{ 'ab' }}", "malformed character constant: 'ab'"},
      {"{{ \"\\q\" }}", "invalid syntax"},
      {"{{ (.a }}", "unclosed left paren"},
      {"{{ print abcdefghijklm\"", "bad character U+0022 '\"'"},
      {"{{ if \"abcdefghijklmno\" \"x\" := }}", R"(unexpected ":=" in operand)"},
      {"{{ 1i }}", "complex numbers are not supported"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Render(row.text, Texts()) == "template: t:1: " + row.want);
  }
  CHECK(Render("a\n\n{{ if .a }}\n", Texts()) == "template: t:4: unexpected EOF");
  CHECK(Render("{{ .a\n\n", Texts()) == "template: t:3: unclosed action started at t:1");
  CHECK(Render("{{ .a\n\"b", Texts()) ==
        "template: t:2: unterminated quoted string in action started at t:1");
}

TEST_CASE("template: errors of execution have Go's texts and places") {
  const Row rows[] = {
      {"{{ .none }}", R"(1:3: executing "t" at <.none>: map has no entry for key "none")"},
      {"a\nb{{ $.a.b }}",
       R"(2:5: executing "t" at <$.a.b>: can't evaluate field b in type string)"},
      {"{{ (.a).b }}", R"(1:4: executing "t" at <.a>: can't evaluate field b in type string)"},
      {"{{ .a 3 }}", R"(1:3: executing "t" at <.a>: a is not a method but has arguments)"},
      {"{{ 3 | .a }}", R"(1:7: executing "t" at <.a>: a is not a method but has arguments)"},
      {"{{ 3 4 }}", R"(1:3: executing "t" at <3>: can't give argument to non-function 3)"},
      {"{{ (1) 3 }}", R"(1:3: executing "t" at <(1) 3>: can't give argument to non-function 1)"},
      {"{{ nil }}", R"(1:3: executing "t" at <nil>: nil is not a command)"},
      {"{{ template \"x\" }}",
       R"(1:12: executing "t" at <{{template "x"}}>: template "x" not defined)"},
      {"{{ define \"x\" }}{{ .q }}{{ end }}{{ template \"x\" .a }}",
       R"(1:19: executing "x" at <.q>: can't evaluate field q in type string)"},
      {"{{ define \"x\" }}{{ .q }}{{ end }}{{ template \"x\" }}",
       R"(1:19: executing "x" at <.q>: nil data; no entry for key "q")"},
      {"{{ $y = 1 }}", R"(1:8: executing "t" at <1>: undefined variable: $y)"},
      {"{{ len }}", R"(1:3: executing "t" at <len>: wrong number of args for len: want 1 got 0)"},
      {"{{ printf }}",
       R"(1:3: executing "t" at <printf>: wrong number of args for printf: want at least 1 got 0)"},
      {"{{ printf 1 }}", R"(1:10: executing "t" at <1>: expected string; found 1)"},
      {"{{ printf nil }}", R"(1:10: executing "t" at <nil>: cannot assign nil to string)"},
      {"{{ 1 | printf }}",
       R"(1:7: executing "t" at <printf>: wrong type for value; expected string; got int)"},
      {"{{ printf (index . \"a\" | len) }}",
       R"(1:25: executing "t" at <len>: wrong type for value; expected string; got int)"},
      {"{{ 9223372036854775808 }}",
       R"(1:3: executing "t" at <9223372036854775808>: 9223372036854775808 overflows int)"},
      {"{{ len   nil }}",
       R"(1:3: executing "t" at <len nil>: error calling len: reflect: call of reflect.Value.Type on zero Value)"},
      {"{{ index \"abc\" 3 }}",
       R"(1:3: executing "t" at <index "abc" 3>: error calling index: reflect: string index out of range)"},
      {"{{ index \"abc\" 4 }}",
       R"(1:3: executing "t" at <index "abc" 4>: error calling index: index out of range: 4)"},
      {"{{ index nil 1 }}",
       R"(1:3: executing "t" at <index nil 1>: error calling index: index of untyped nil)"},
      {"{{ index . 3 }}",
       R"(1:3: executing "t" at <index . 3>: error calling index: value has type int; should be string)"},
      {"{{ .a | call }}",
       R"(1:8: executing "t" at <call>: error calling call: non-function A of type string)"},
      {"{{ call .a 1 }}",
       R"(1:3: executing "t" at <call .a 1>: error calling call: non-function .a of type string)"},
      {"{{ eq 1 \"x\" }}",
       R"(1:3: executing "t" at <eq 1 "x">: error calling eq: incompatible types for comparison: int and string)"},
      {"{{ eq 1 }}",
       R"(1:3: executing "t" at <eq 1>: error calling eq: missing argument for comparison)"},
      {"{{ eq . . }}",
       R"(1:3: executing "t" at <eq . .>: error calling eq: non-comparable type map[a:A b:B binary:)"
       "\xFF\x01z dash-key:D]: map[string]string"},
      {"{{ lt nil 1 }}",
       R"(1:3: executing "t" at <lt nil 1>: error calling lt: invalid type for comparison)"},
      {"{{ range $i, $x := 3 }}{{ end }}",
       R"(1:19: executing "t" at <3>: can't use 3 to iterate over more than one variable)"},
      {"{{ range .a }}{{ end }}", R"(1:9: executing "t" at <.a>: range can't iterate over A)"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Render(row.text, Texts()) == "template: t:" + row.want);
  }
}

TEST_CASE("template: members of maps and lists of any type are interfaces") {
  const Row rows[] = {
      {"{{ .x.y }} {{ .x.n }} {{ .f }}", "1 <no value> 1.234567e+06"},
      {"{{ .x.l }} {{ .empty }} {{ .strings }}", "[1 two <nil>] [] [a b]"},
      {"{{ index .x \"l\" 1 }} {{ index .x.l 2 }} {{ index . \"zz\" }}",
       "two <no value> <no value>"},
      {"{{ range .x.l }}{{ . }};{{ end }}", "1;two;<no value>;"},
      {"{{ range $i, $e := .strings }}{{ $i }}{{ $e }}{{ end }}", "0a1b"},
      {"{{ range .i }}{{ . }}{{ end }}{{ range .i64 }}{{ . }}{{ end }}", "012012"},
      {"{{ eq .i .i64 }} {{ eq .empty nil }} {{ with .x }}{{ .y }}{{ end }}", "true false 1"},
      {"{{ .x.n.z }}",
       R"(template: t:1:5: executing "t" at <.x.n.z>: nil pointer evaluating interface {}.z)"},
      {"{{ (.x.n).z }}",
       R"(template: t:1:6: executing "t" at <.x.n>: nil data; no entry for key "z")"},
      {"{{ .i.z }}",
       R"(template: t:1:5: executing "t" at <.i.z>: can't evaluate field z in type interface {})"},
      {"{{ printf .x.n }}",
       R"(template: t:1:12: executing "t" at <.x.n>: wrong type for value; expected string; got interface {})"},
      {"{{ printf .i }}",
       R"(template: t:1:10: executing "t" at <.i>: wrong type for value; expected string; got int)"},
      {"{{ index . \"zz\" \"b\" }}",
       R"(template: t:1:3: executing "t" at <index . "zz" "b">: error calling index: index of nil pointer)"},
      {"{{ eq .i .f }}",
       R"(template: t:1:3: executing "t" at <eq .i .f>: error calling eq: incompatible types for comparison: int and float64)"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Render(row.text, Values()) == row.want);
  }
}

TEST_CASE("template: without the option a missing key is no value") {
  TemplateOptions options;
  options.missing_key_is_error = false;
  CHECK(Render("{{ .none }}{{ .none.a }}{{ (index . \"a\") }}", Texts(), options) ==
        "<no value><no value>A");
}

TEST_CASE("template: delimiters may be any text") {
  TemplateOptions options;
  options.left = "@@";
  options.right = "@@";
  CHECK(Render("{{ @@ .a @@ }}", Texts(), options) == "{{ A }}");
}

TEST_CASE("template: a percent sign in the name garbles errors as in Go") {
  const Result<Template> parsed = Template::Parse("100%", "{{ .x }}");
  REQUIRE(parsed.ok());
  const Result<SecretBytes> out = parsed->Execute(Environment(), Texts());
  REQUIRE_FALSE(out.ok());
  CHECK(out.error().message() ==
        "template: 100%!:(string=x)1:3: executing \"100%\" at <.x>: map has no entry for key "
        "%!q(MISSING)");
}

std::string Times(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST_CASE("template: a hostile template ends with an error of its limit") {
  struct Hostile {
    std::string name, text, want;
  };
  const std::string recursion =
      R"({{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" }})";
  const Hostile rows[] = {
      {"parentheses", "{{ " + Times("(", 5000) + "1" + Times(")", 5000) + " }}",
       "max expression depth exceeded"},
      {"blocks", Times("{{ if 1 }}", 5000) + Times("{{ end }}", 5000),
       "blocks are nested more than 200 deep"},
      {"else if", "{{ if 0 }}" + Times("{{ else if 0 }}", 5000) + "{{ end }}",
       "blocks are nested more than 200 deep"},
      {"recursion", recursion, "exceeded maximum template depth (100000)"},
      {"recursion in blocks",
       "{{ define \"x\" }}" + Times("{{ if 1 }}", 180) + "{{ template \"x\" }}" +
           Times("{{ end }}", 180) + "{{ end }}{{ template \"x\" }}",
       "exceeded maximum template depth (100000)"},
      {"long range", "{{ range 1000000000000 }}{{ end }}", "takes more than 1000000 steps"},
      {"nested ranges",
       "{{ range 10000 }}{{ range 10000 }}{{ range 10000 }}{{ end }}{{ end }}{{ end }}",
       "takes more than 1000000 steps"},
      {"much output", "{{ range 1000000 }}" + std::string(100, 'a') + "{{ end }}",
       "output of this template takes more than 4194304 bytes"},
      {"wide padding", "{{ range 1000 }}{{ $x := printf \"%1000000d\" 1 }}{{ end }}",
       "values made by this template take more than 67108864 bytes"},
      {"copies", R"({{ $x := "0123456789" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }})",
       "values made by this template take more than 67108864 bytes"},
      {"operand printed often",
       "{{ $x := printf \"%100000d\" 1 }}{{ $y := printf \"" + Times("%[1]s", 10000) + "\" $x }}",
       "values made by this template take"},
      {"long text read often",
       "{{ $x := printf \"%1000000d\" 1 }}{{ range 100000 }}{{ $y := sha256sum $x }}{{ end }}",
       "takes more than 1000000 steps"},
      {"long list read often",
       R"({{ $x := repeat 50000 "," | splitList "," }}{{ range 100000 }}{{ $y := compact $x }}{{ end }})",
       "takes more than 1000000 steps"},
      {"text too long", std::string((1 << 20) + 1, 'a'), "at most 1048576 are allowed"},
      {"many variables",
       [] {
         std::string text;
         for (int i = 0; i < 20000; ++i) text += "{{$v" + std::to_string(i) + ":=1}}";
         return text + Times("{{$v0}}", 20000);
       }(),
       "takes more than 1000000 steps"},
  };
  for (const Hostile& row : rows) {
    INFO(row.name);
    CHECK(Render(row.text, Texts()).find(row.want) != std::string::npos);
  }
}

TEST_CASE("template: a text that almost matches everywhere is searched in linear time") {
  const std::string texts =
      R"({{ $s := repeat 2000000 "a" }}{{ $p := print (repeat 1000000 "a") "b" }})";
  CHECK(Render(texts + "{{ contains $p $s }}", Texts()) == "false");
  CHECK(Render(texts + "{{ replace $p \"\" $s | len }}", Texts()) == "2000000");
  CHECK(Render(texts + "{{ splitList $p $s | len }}", Texts()) == "1");
}

TEST_CASE("template: nesting up to the limit is executed") {
  CHECK(Render("{{ " + Times("(", 190) + "1" + Times(")", 190) + " }}", Texts()) == "1");
  CHECK(Render(Times("{{ if 1 }}", 190) + "x" + Times("{{ end }}", 190), Texts()) == "x");
}

TEST_CASE("template: ReadFields names the keys that may be read") {
  struct Case {
    std::string text;
    std::vector<std::string> names;
    bool all = false;
  };
  const Case rows[] = {
      {"text", {}},
      {"{{ .a }}{{ .b | print }}{{ $.c }}", {"a", "b", "c"}},
      {"{{ .a.x }}{{ print (.b) (print .c) }}", {"a", "b", "c"}},
      {R"({{ index . "a-b" }}{{ index $ "c" "d" }})", {"a-b", "c"}},
      {"{{ index . .a }}", {"a"}, true},
      {"{{ . }}", {}, true},
      {"{{ print $ }}", {}, true},
      {"{{ range . }}{{ .x }}{{ end }}", {}, true},
      {"{{ len . }}", {}, true},
      {"{{ . | print }}", {}, true},
      {"{{ with .a }}{{ .x }}{{ $.b }}{{ else }}{{ .c }}{{ end }}", {"a", "b", "c"}},
      {"{{ range .a }}{{ .x }}{{ . }}{{ end }}", {"a"}},
      {"{{ $x := . }}{{ $x.a }}", {"a"}},
      {"{{ $x := .a }}{{ $x.b }}", {"a"}},
      {"{{ $x := .a }}{{ range 2 }}{{ $x.b }}{{ $x = $ }}{{ end }}", {"a", "b"}},
      {"{{ define \"x\" }}{{ .b }}{{ end }}{{ template \"x\" . }}", {"b"}},
      {"{{ define \"x\" }}{{ .b }}{{ . }}{{ end }}{{ template \"x\" .a }}", {"a"}},
      {"{{ define \"x\" }}{{ .b }}{{ end }}", {}},
      {"{{ (.).a }}{{ ($).b }}", {"a", "b"}},
      {"{{ if . }}{{ end }}", {}, true},
      {"{{ and . 1 }}", {}, true},
  };
  for (const Case& row : rows) {
    INFO(row.text);
    const Result<Template> parsed = Template::Parse("t", row.text);
    REQUIRE(parsed.ok());
    const Template::Fields fields = parsed->ReadFields();
    CHECK(fields.names == row.names);
    CHECK(fields.all == row.all);
  }
}

TEST_CASE("template: the parameters of all functions and methods are known types") {
  for (const go::FunctionGroup& group : go::FunctionGroups()) {
    for (const go::Function& function : group.functions) {
      INFO(function.name);
      CHECK(go::ParseSignature(function.parameters).has_value());
    }
  }
  for (const auto methods : {go::TimeMethods(), go::VersionMethods(), go::CertificateMethods()}) {
    for (const go::Method& method : methods) {
      INFO(method.function.name);
      CHECK(go::ParseSignature(method.function.parameters).has_value());
    }
  }
}

TEST_CASE("template: parameters are written as in Go") {
  const std::optional<go::Signature> signature =
      go::ParseSignature("a, b string, c map[string]any, d ...any");
  REQUIRE(signature.has_value());
  CHECK(signature->fixed() == 3);
  CHECK(signature->variadic);
  CHECK(signature->TypeAt(0) == Type::kString);
  CHECK(signature->TypeAt(1) == Type::kString);
  CHECK(signature->TypeAt(2) == Type::kMap);
  CHECK(signature->TypeAt(9) == std::nullopt);
  CHECK_FALSE(go::ParseSignature("a unknown").has_value());
  CHECK_FALSE(go::ParseSignature("a").has_value());
}

}  // namespace
}  // namespace nodekeep

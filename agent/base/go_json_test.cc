#include "agent/base/go_json.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>

namespace nodekeep {
namespace {

TEST_CASE("go json: strings are escaped as by encoding/json") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"empty", "", R"("")"},
      {"plain", "secret/data", R"("secret/data")"},
      {"quote and backslash", "a\"b\\c", R"("a\"b\\c")"},
      {"html", "<a>&</a>", R"("\u003ca\u003e\u0026\u003c/a\u003e")"},
      {"named controls", "\b\f\n\r\t", R"("\b\f\n\r\t")"},
      {"other controls", std::string("\0\x01\x1f", 3), R"("\u0000\u0001\u001f")"},
      {"del stays", "\x7f", "\"\x7f\""},
      {"non-ascii stays", "z\xC3\xBC\xF0\x9F\x94\x91", "\"z\xC3\xBC\xF0\x9F\x94\x91\""},
      {"line separators", "\xE2\x80\xA8\xE2\x80\xA9", R"("\u2028\u2029")"},
      {"close to a line separator", "\xE2\x80\xAA", "\"\xE2\x80\xAA\""},
      {"each invalid byte", "a\xFF\xC0z", R"("a\ufffd\ufffdz")"},
      {"truncated at the end", "a\xE2\x80", R"("a\ufffd\ufffd")"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(GoJsonString(row.text) == row.want);
    SecretBytes appended("x");
    AppendGoJsonString(row.text, appended);
    CHECK(appended.Reveal() == "x" + row.want);
  }
}

TEST_CASE("go json: float64 values are written as by encoding/json") {
  struct Row {
    double value;
    std::string want;
  };
  const Row rows[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {1.5, "1.5"},
      {-2.25, "-2.25"},
      {0.1, "0.1"},
      {100, "100"},
      {123456789012345680, "123456789012345680"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1.5e300, "1.5e+300"},
      {0.000001, "0.000001"},
      {0.0000001, "1e-7"},
      {1.25e-10, "1.25e-10"},
      {std::numeric_limits<double>::infinity(), "null"},
      {std::numeric_limits<double>::quiet_NaN(), "null"},
  };
  for (const Row& row : rows) {
    INFO(row.want);
    CHECK(GoJsonNumber(row.value) == row.want);
  }
}

TEST_CASE("go json: an object has its members in the order of the calls") {
  CHECK(GoJsonObject().Finish().Reveal() == "{}");
  const std::string texts[] = {"x", "<y>"};
  GoJsonObject object;
  object.String("b", "1 & 2").Number("a", -7).Bool("c", true).Strings("d", texts).Raw("e", "[1,2]");
  CHECK(object.Finish().Reveal() ==
        R"({"b":"1 \u0026 2","a":-7,"c":true,"d":["x","\u003cy\u003e"],"e":[1,2]})");
}

}  // namespace
}  // namespace nodekeep

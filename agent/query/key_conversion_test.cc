#include "agent/query/key_conversion.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "agent/query/secret_map_test.h"

namespace nodekeep {
namespace {

SecretMap MapOf(const std::vector<std::string>& keys) {
  SecretMap values;
  for (const std::string& key : keys) values.emplace(key, SecretBytes("value of " + key));
  return values;
}

TEST_CASE("keys: characters that a Secret does not allow are replaced") {
  struct Row {
    std::string key, standard, unicode;
  };
  const Row rows[] = {
      {"a/b", "a_b", "a_U002f_b"},
      {"a b", "a_b", "a_U0020_b"},
      {"ä.b-c_d", "ä.b-c_d", "ä.b-c_d"},
      {"½²Ⅷ", "½²Ⅷ", "½²Ⅷ"},
      {"日本", "日本", "日本"},
      {"𝒳", "𝒳", "𝒳"},
      {"ª_1", "ª_1", "ª_1"},
      {"a\xff"
       "b",
       "a_b", "a_Ufffd_b"},
      {"😀", "_", "_U1f600_"},
      {"a\u0301", "a_", "a_U0301_"},
      {"\u200b", "_", "_U200b_"},
      {"\U00100000", "_", "_U100000_"},
      {"", "", ""},
  };
  for (const Row& row : rows) {
    INFO(row.key);
    CHECK(ConvertedKey(ParseKeyConversion("Default"), row.key) == row.standard);
    CHECK(ConvertedKey(ParseKeyConversion(""), row.key) == row.standard);
    CHECK(ConvertedKey(ParseKeyConversion("Unicode"), row.key) == row.unicode);
  }
  CHECK(ConvertedKey(ParseKeyConversion("default"), "a/b\xff") == "a/b\ufffd");
}

TEST_CASE("keys: two keys that become the same one are an error") {
  CHECK(Text(ConvertKeys(KeyConversion::kDefault, MapOf({"a/b", "c"}))) ==
        "a_b=value of a/b c=value of c");
  CHECK(Text(ConvertKeys(KeyConversion::kDefault, MapOf({"a/b", "a_b"}))) ==
        "secret name collision during conversion: a_b");
  CHECK(Text(ConvertKeys(KeyConversion::kUnicode, MapOf({"a/b", "a_b"}))) ==
        "a_U002f_b=value of a/b a_b=value of a_b");
  CHECK(Text(ReverseUnicodeKeys(MapOf({"_U0041_", "A"}))) ==
        "secret name collision during conversion: A");
}

TEST_CASE("keys: what the Unicode conversion made is reversed for a push") {
  struct Row {
    std::string key, want;
  };
  const Row rows[] = {
      {"_U0041_", "A"},         {"_U0041_U0042_", "AU0042_"},
      {"_U0041__U0042_", "AB"}, {"_U0xxx_x_U005b_", "_U0xxx_x["},
      {"_U1f600_", "😀"},        {"_Ud800_", "\ufffd"},
      {"_U041_", "_U041_"},     {"_U100000_", "_U100000_"},
      {"_U0041", "_U0041"},     {"x_U00e4_y", "xäy"},
      {"_U_U0041_", "_UA"},     {"_UABCD_", "ꯍ"},
      {"_U00", "_U00"},
  };
  for (const Row& row : rows) {
    INFO(row.key);
    CHECK(UnicodeReversedKey(row.key) == row.want);
  }
}

TEST_CASE("keys: only what a Secret allows passes the validation") {
  struct Row {
    std::string name, key, want;
  };
  const std::string longest(253, 'k');
  const Row rows[] = {
      {"plain", "tls.crt_1-a", "tls.crt_1-a=value of tls.crt_1-a"},
      {"letters of any script", "ключ½", "ключ½=value of ключ½"},
      {"nothing", "", ""},
      {"the longest", longest, longest + "=value of " + longest},
      {"too long", longest + "x",
       "key has length 254 but max is 253: (following is truncated): " + longest},
      {"a slash", "a/b",
       "key has invalid character /, only alphanumeric, '-', '.' and '_' are allowed: a/b"},
      {"no UTF-8", "a\xff",
       "key has invalid character \ufffd, only alphanumeric, '-', '.' and '_' are allowed: "
       "a\xff"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Text(ValidateKeys(MapOf({row.key}))) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep

#include "agent/base/closest.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {

TEST_CASE("closest: two wrong letters still find the word, three do not") {
  struct Row {
    std::string name, word, want;
  };
  const Row rows[] = {
      {"the word itself", "objectName", "objectName"},
      {"other letter case", "OBJECTNAME", "objectName"},
      {"a letter left out", "objctName", "objectName"},
      {"a letter too many", "objectNames", "objectName"},
      {"two letters changed", "obyectNane", "objectName"},
      {"three letters changed", "obyectNand", ""},
      {"the nearer of two", "secretKeys", "secretKey"},
      {"something else", "colour", ""},
      {"too short to be sure", "me", ""},
      {"half of a short word", "made", "mode"},
      {"two letters that changed places", "secretKye", "secretKey"},
      {"two swaps", "secretaPht", "secretPath"},
      {"dashes and underscores", "secret_path", "secretPath"},
      {"a dash, and a letter left out", "secret-pat", "secretPath"},
      {"nothing", "", ""},
      {"far too long", std::string(100, 'a'), ""},
  };
  constexpr std::string_view kKnown[] = {"objectName", "secretPath", "secretKey", "mode"};
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ClosestTo(row.word, kKnown) == row.want);
  }
}

TEST_CASE("closest: an error suggests the closest word, or lists all words") {
  constexpr std::string_view kKnown[] = {"base64", "hex"};
  CHECK(SuggestOrList("bse64", kKnown) == "did you mean base64?");
  CHECK(SuggestOrList("gzip", kKnown) == "they are base64, hex");
  CHECK(SuggestOrList("gzip", kKnown, "the encodings are") == "the encodings are base64, hex");
}

}  // namespace nodekeep

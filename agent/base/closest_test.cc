#include "agent/base/closest.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {

TEST_CASE("closest: a slip of two letters finds its word, anything further finds none") {
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
      {"nothing", "", ""},
      {"far too long", std::string(100, 'a'), ""},
  };
  constexpr std::string_view kKnown[] = {"objectName", "secretPath", "secretKey", "mode"};
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ClosestTo(row.word, kKnown) == row.want);
  }
}

}  // namespace nodekeep

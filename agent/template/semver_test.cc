#include "agent/template/semver.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep::go {
namespace {

TEST_CASE("versions are read leniently") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"v1", "1.0.0"},
      {"1.2", "1.2.0"},
      {"1.2.3-beta.1+meta", "1.2.3-beta.1+meta"},
      {"", "invalid semantic version"},
      {"1.2.3.4", "invalid semantic version"},
      {"1.2.3-01", "version segment starts with 0"},
      {"99999999999999999999.1.1",
       "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value "
       "out of range"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<Version> version = ParseVersion(row.text);
    CHECK((version.ok() ? version->Text() : version.error().message()) == row.want);
  }
}

TEST_CASE("constraints select versions as Masterminds/semver does") {
  struct Row {
    std::string constraint, version;
    bool want;
  };
  const Row rows[] = {
      {"^1.2, != 1.3.0", "1.4.5", true},
      {"^1.2, != 1.3.0", "1.3.0", false},
      {"~1.2.3", "1.3.0", false},
      {">=1.0 <2 || >=3", "2.0.0", false},
      {"1.2 - 1.4.5", "1.3.0", true},
      {"^0.2.3", "0.3.0", false},
      {"*", "1.2.3-beta", false},
      {">=1.2-0", "1.2.3-beta", true},
      {">1", "1.3.0", false},
      {"1.x", "1.9.9", true},
  };
  for (const Row& row : rows) {
    INFO(row.constraint << " | " << row.version);
    const Result<Version> version = ParseVersion(row.version);
    REQUIRE(version.ok());
    const Result<bool> satisfied = SatisfiesConstraint(*version, row.constraint);
    REQUIRE(satisfied.ok());
    CHECK(*satisfied == row.want);
  }
}

}  // namespace
}  // namespace nodekeep::go

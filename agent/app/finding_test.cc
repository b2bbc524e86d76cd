#include "agent/app/finding.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("finding: line and column of a YAML error become those of the finding") {
  const Finding placed =
      FindingOf("f.yaml", Error(ErrorCode::kInvalid, "line 12, column 3: a key must be a scalar"));
  CHECK(placed ==
        Finding{.source = "f.yaml", .line = 12, .column = 3, .message = "a key must be a scalar"});
  const Finding whole = FindingOf("f.yaml", Error(ErrorCode::kTooLarge, "line of text too long"));
  CHECK(whole == Finding{.source = "f.yaml", .message = "line of text too long"});
}

TEST_CASE("finding: its text omits unknown parts") {
  CHECK(Finding{.source = "f", .message = "bad"}.Text() == "f: bad");
  CHECK(Finding{.source = "f", .line = 2, .message = "bad", .fix = "mend it"}.Text() ==
        "f:2: bad; mend it");
  CHECK(Finding{.source = "f", .line = 2, .column = 3, .field = "a.b", .message = "bad"}.Text() ==
        "f:2:3: a.b: bad");
  CHECK(Finding{.source = "f", .line = 2, .object = "Thing x", .field = "a", .message = "bad"}
            .Text() == "f:2: Thing x: a: bad");
}

}  // namespace
}  // namespace nodekeep

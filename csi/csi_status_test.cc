#include "csi/csi_status.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {

TEST_CASE("csi status: a message survives being used as a format string") {
  struct Row {
    std::string message, want;
  };
  const Row rows[] = {
      {"read /Team A/ü/db: 404", "read /Team A/ü/db: 404"},
      {"read Team%20A", "read Team\\x2520A"},
      {"100%", "100\\x25"},
      {"%d of %%", "\\x25d of \\x25\\x25"},
  };
  for (const Row& row : rows) {
    INFO(row.message);
    const grpc::Status status = CsiStatusOf(Error(ErrorCode::kTransient, row.message));
    CHECK(status.error_message() == row.want);
    CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    CHECK(CsiStatus(grpc::StatusCode::UNAVAILABLE, Error(ErrorCode::kTransient, row.message))
              .error_message() == row.want);
  }
  // Truncated afterwards, so that the header has its limit.
  const std::string percents(4000, '%');
  CHECK(CsiStatusOf(Error(ErrorCode::kInvalid, percents)).error_message().size() <= 4099);
}

}  // namespace nodekeep

#include "agent/rpc/status.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {

TEST_CASE("rpc status: error codes are mapped to gRPC codes and back") {
  struct Row {
    ErrorCode code;
    grpc::StatusCode status;
    ErrorCode back;
    bool may_come_from_stop;
  };
  const Row rows[] = {
      {ErrorCode::kNotFound, grpc::StatusCode::NOT_FOUND, ErrorCode::kNotFound, false},
      {ErrorCode::kDenied, grpc::StatusCode::PERMISSION_DENIED, ErrorCode::kDenied, false},
      {ErrorCode::kAuthExpired, grpc::StatusCode::UNAUTHENTICATED, ErrorCode::kAuthExpired, false},
      {ErrorCode::kThrottled, grpc::StatusCode::RESOURCE_EXHAUSTED, ErrorCode::kTooLarge, true},
      {ErrorCode::kTransient, grpc::StatusCode::UNAVAILABLE, ErrorCode::kTransient, true},
      {ErrorCode::kConflict, grpc::StatusCode::ABORTED, ErrorCode::kInternal, true},
      {ErrorCode::kInvalid, grpc::StatusCode::INVALID_ARGUMENT, ErrorCode::kInvalid, false},
      {ErrorCode::kPrecondition, grpc::StatusCode::FAILED_PRECONDITION, ErrorCode::kPrecondition,
       true},
      {ErrorCode::kTooLarge, grpc::StatusCode::INVALID_ARGUMENT, ErrorCode::kInvalid, false},
      {ErrorCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED,
       ErrorCode::kDeadlineExceeded, true},
      {ErrorCode::kCancelled, grpc::StatusCode::CANCELLED, ErrorCode::kCancelled, true},
      {ErrorCode::kShuttingDown, grpc::StatusCode::UNAVAILABLE, ErrorCode::kTransient, false},
      {ErrorCode::kInternal, grpc::StatusCode::INTERNAL, ErrorCode::kInternal, false},
  };
  for (const Row& row : rows) {
    INFO(ErrorCodeName(row.code));
    CHECK(GrpcCodeOf(row.code) == row.status);
    CHECK(ErrorCodeOf(row.status) == row.back);
    CHECK(MayComeFromStop(row.code) == row.may_come_from_stop);
    const grpc::Status status = GrpcStatusOf(Error(row.code, "the words"));
    CHECK(status.error_code() == row.status);
    CHECK(status.error_message() == "the words");
  }
}

TEST_CASE("rpc status: a message is truncated to 4,096 header bytes, between characters") {
  struct Row {
    std::string name, character;
    std::size_t kept;
  };
  const Row rows[] = {
      {"plain", "a", 4096},
      {"a percent sign takes three", "%", 1365},
      {"two bytes take six", "\xc3\xa9", 682},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    std::string whole;
    for (std::size_t i = 0; i < row.kept; ++i) whole += row.character;
    CHECK(MakeStatus(grpc::StatusCode::INTERNAL, whole).error_message() == whole);
    const std::string longer = whole + row.character + "more";
    CHECK(MakeStatus(grpc::StatusCode::INTERNAL, longer).error_message() == whole + "...");
  }
}

}  // namespace nodekeep

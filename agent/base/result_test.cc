#include "agent/base/result.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>

#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

TEST_CASE("result: holds a value or an error") {
  Result<std::unique_ptr<int>> value = std::make_unique<int>(7);
  REQUIRE(value.ok());
  CHECK(**value == 7);
  const std::unique_ptr<int> taken = *std::move(value);
  CHECK(*taken == 7);

  const Result<int> error = Error(ErrorCode::kDenied, "no");
  CHECK_FALSE(error.ok());
  CHECK(error.error().code() == ErrorCode::kDenied);
  CHECK(Status().ok());
  CHECK_FALSE(Status(error.error()).ok());
}

TEST_CASE("result: Prepend adds context and keeps code and Retry-After") {
  const Error error = Error::Format(ErrorCode::kThrottled, "read {}: {}", "a/b", 429)
                          .WithRetryAfter(std::chrono::seconds(3));
  const Error outer = error.Prepend("object \"{}\"", "db").Prepend("vault");
  CHECK(outer.message() == "vault: object \"db\": read a/b: 429");
  CHECK(outer.code() == ErrorCode::kThrottled);
  CHECK(outer.retry_after() == std::chrono::seconds(3));
}

TEST_CASE("result: error codes determine what is transient and what is a denial") {
  struct Row {
    ErrorCode code;
    std::string name;
    bool transient, denial;
  };
  const Row rows[] = {
      {ErrorCode::kNotFound, "not_found", false, false},
      {ErrorCode::kDenied, "denied", false, true},
      {ErrorCode::kAuthExpired, "auth_expired", false, true},
      {ErrorCode::kThrottled, "throttled", true, false},
      {ErrorCode::kTransient, "transient", true, false},
      {ErrorCode::kConflict, "conflict", false, false},
      {ErrorCode::kInvalid, "invalid", false, false},
      {ErrorCode::kPrecondition, "precondition", false, false},
      {ErrorCode::kTooLarge, "too_large", false, false},
      {ErrorCode::kDeadlineExceeded, "deadline_exceeded", true, false},
      {ErrorCode::kCancelled, "cancelled", false, false},
      {ErrorCode::kShuttingDown, "shutting_down", false, false},
      {ErrorCode::kInternal, "internal", false, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ErrorCodeName(row.code) == row.name);
    CHECK(Error(row.code, "").IsTransient() == row.transient);
    CHECK(Error(row.code, "").IsDenial() == row.denial);
  }
}

TEST_CASE("result: the middle of a long message is left out, between characters") {
  const std::string longest(8192, 'x');
  CHECK(Error(ErrorCode::kInvalid, longest).message() == longest);
  const Error ascii(ErrorCode::kInvalid, "read: " + std::string(3'600'000, 'x') + ": not found");
  const Error wide(
      ErrorCode::kInvalid, "read: " + [] {
        std::string text;
        for (int i = 0; i < 10'000; ++i) text += "\u20ac";
        return text;
      }() + ": not found");
  const Error outer = ascii.Prepend("pod {}", std::string(100'000, 'p'));
  for (const Error& error : {ascii, wide, outer}) {
    CHECK(error.message().size() <= 8192);
    CHECK(error.message().size() > 8000);
    CHECK(error.message().find(" ... ") != std::string::npos);
    CHECK(error.message().ends_with(": not found"));
    CHECK(FindInvalidUtf8(error.message()) == std::string::npos);
  }
  CHECK(ascii.message().starts_with("read: x"));
  CHECK(outer.message().starts_with("pod p"));
}

}  // namespace
}  // namespace nodekeep

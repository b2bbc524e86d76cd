#include "agent/kube/retry_on_conflict.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace nodekeep {
namespace {

using Codes = std::vector<ErrorCode>;

TEST_CASE("retry on conflict: a conflict is retried up to max_attempts, other errors are not") {
  struct Row {
    std::string name;
    int max_attempts;
    Codes errors;  // of the first attempts; the next one succeeds
    int want_calls;
    bool want_ok;
  };
  const Row rows[] = {
      {"success", 3, {}, 1, true},
      {"one conflict", 3, {ErrorCode::kConflict}, 2, true},
      {"conflicts up to the bound", 2, {ErrorCode::kConflict, ErrorCode::kConflict}, 2, false},
      {"another error", 3, {ErrorCode::kDenied}, 1, false},
      {"a conflict, then another error",
       3,
       {ErrorCode::kConflict, ErrorCode::kCancelled},
       2,
       false},
      {"a bound of one", 1, {ErrorCode::kConflict}, 1, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    int calls = 0;
    const Result<int> result = RetryOnConflict(row.max_attempts, [&]() -> Result<int> {
      const auto at = static_cast<std::size_t>(calls++);
      if (at < row.errors.size()) return Error(row.errors[at], "words");
      return calls;
    });
    CHECK(calls == row.want_calls);
    CHECK(result.ok() == row.want_ok);
    if (!result.ok()) CHECK(result.error().code() == row.errors.back());
  }
}

TEST_CASE("retry on conflict: is_conflict decides by error and attempt") {
  int calls = 0;
  const Status status = RetryOnConflict(
      5,
      [&]() -> Status {
        ++calls;
        return Error(ErrorCode::kInvalid, "words");
      },
      [](const Error&, int attempt) { return attempt == 1; });
  CHECK_FALSE(status.ok());
  CHECK(calls == 2);
}

}  // namespace
}  // namespace nodekeep

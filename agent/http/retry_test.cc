#include "agent/http/retry.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <vector>

#include "tests/fakes/fake_clock.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Thu, 01 Jan 2026 00:00:00 GMT
const WallTime kNewYear = std::chrono::system_clock::from_time_t(1767225600);

}  // namespace

TEST_CASE("retry: the delay is uniform between zero and an exponentially growing maximum") {
  struct Row {
    int attempt;
    double random;
    milliseconds want;
  };
  const Row rows[] = {
      {1, 0.0, milliseconds(0)},     {1, 0.5, milliseconds(100)},  {2, 0.5, milliseconds(200)},
      {3, 0.5, milliseconds(400)},   {5, 0.5, milliseconds(1600)}, {6, 0.5, milliseconds(2500)},
      {90, 0.5, milliseconds(2500)},
  };
  for (const Row& row : rows) {
    INFO(row.attempt << " " << row.random);
    FakeRng rng(row.random);
    CHECK(Backoff(RetryPolicy(), row.attempt, rng) == row.want);
  }
}

TEST_CASE("retry: Retry-After is seconds or a date") {
  struct Row {
    std::string name, header;
    std::optional<Duration> want;
  };
  const Row rows[] = {
      {"seconds", "120", seconds(120)},
      {"zero", "0", seconds(0)},
      {"a number beyond all numbers", "99999999999999999999", seconds(7 * 86400)},
      {"a date", "Thu, 01 Jan 2026 00:00:30 GMT", seconds(30)},
      {"a date of the old form", "Thursday, 01-Jan-26 00:00:30 GMT", seconds(30)},
      {"a date of C's form", "Thu Jan  1 00:00:30 2026", seconds(30)},
      {"a past date", "Wed, 31 Dec 2025 23:59:00 GMT", seconds(0)},
      {"absent", "", std::nullopt},
      {"negative", "-5", std::nullopt},
      {"fraction", "1.5", std::nullopt},
      {"word", "soon", std::nullopt},
      {"number with a unit", "5s", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ParseRetryAfter(row.header, kNewYear) == row.want);
  }
}

TEST_CASE("retry: transient errors are retried, final ones are not") {
  struct Row {
    std::string name;
    std::vector<ErrorCode> failures;
    int want_attempts;
    bool want_ok;
  };
  using enum ErrorCode;
  const Row rows[] = {
      {"succeeds at once", {}, 1, true},
      {"transient once", {kTransient}, 2, true},
      {"throttled, then transient", {kThrottled, kTransient}, 3, true},
      {"an inner deadline, ours is not over", {kDeadlineExceeded}, 2, true},
      {"denied", {kDenied}, 1, false},
      {"not found", {kNotFound}, 1, false},
      {"invalid after transient", {kTransient, kInvalid}, 2, false},
      {"cancelled", {kCancelled}, 1, false},
      {"transient for ever",
       {kTransient, kTransient, kTransient, kTransient, kTransient},
       4,
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    FakeClock clock;
    clock.AdvanceOnWait(true);
    FakeRng rng;
    int attempts = 0;
    Result<int> result = RetryLoop(RetryPolicy(), clock, rng).Run(Context(), [&]() -> Result<int> {
      const std::size_t now = static_cast<std::size_t>(attempts++);
      if (now < row.failures.size()) return Error(row.failures[now], "no luck");
      return 7;
    });
    CHECK(attempts == row.want_attempts);
    CHECK(result.ok() == row.want_ok);
    if (!result.ok()) {
      CHECK(result.error().code() == row.failures[static_cast<std::size_t>(row.want_attempts) - 1]);
      CHECK(result.error().message().starts_with("no luck"));
    }
  }
}

TEST_CASE("retry: delays use the injected clock and start at seconds after throttling") {
  struct Row {
    ErrorCode code;
    std::vector<Duration> want;
  };
  const Row rows[] = {
      {ErrorCode::kTransient,
       {milliseconds(0), milliseconds(100), milliseconds(300), milliseconds(700)}},
      {ErrorCode::kThrottled,
       {milliseconds(0), milliseconds(1000), milliseconds(3000), milliseconds(5500)}},
  };
  for (const Row& row : rows) {
    INFO(ErrorCodeName(row.code));
    FakeClock clock;
    clock.AdvanceOnWait(true);
    FakeRng rng(0.5);
    const SteadyTime start = clock.Now();
    std::vector<Duration> at;
    Status result = RetryLoop(RetryPolicy(), clock, rng).Run(Context(), [&]() -> Status {
      at.push_back(std::chrono::duration_cast<Duration>(clock.Now() - start));
      return Error(row.code, "down");
    });
    CHECK(at == row.want);
    CHECK(result.error().message() == "down (gave up after 4 attempts)");
  }
}

TEST_CASE("retry: only kThrottled uses the longer delay") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  FakeRng rng(0.5);
  const SteadyTime start = clock.Now();
  const ErrorCode failures[] = {ErrorCode::kThrottled, ErrorCode::kTransient};
  std::size_t attempts = 0;
  Status result = RetryLoop(RetryPolicy(), clock, rng).Run(Context(), [&]() -> Status {
    if (attempts == std::size(failures)) return {};
    return Error(failures[attempts++], "no luck");
  });
  CHECK(result.ok());
  CHECK(clock.Now() - start == seconds(1) + milliseconds(200));
}

TEST_CASE("retry: the longer delay does not exceed the context either") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  FakeRng rng(0.9);
  int attempts = 0;
  Status result = RetryLoop(RetryPolicy(), clock, rng)
                      .Run(Context().WithDeadline(clock.Now() + seconds(1)), [&]() -> Status {
                        ++attempts;
                        return Error(ErrorCode::kThrottled, "busy");
                      });
  CHECK(attempts == 1);
  CHECK(result.error().message() ==
        "busy (the next attempt would be in 1.8s, 1s of the time allowed is left)");
}

TEST_CASE("retry: Retry-After is waited out in full, plus the fraction that servers truncate") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  FakeRng rng(0.5);
  const SteadyTime start = clock.Now();
  int attempts = 0;
  Status result = RetryLoop(RetryPolicy(), clock, rng).Run(Context(), [&]() -> Status {
    if (++attempts > 1) return {};
    return Error(ErrorCode::kThrottled, "busy").WithRetryAfter(seconds(30));
  });
  CHECK(result.ok());
  CHECK(clock.Now() - start == seconds(30) + milliseconds(750));
}

TEST_CASE("retry: a Retry-After beyond the context ends the loop at once") {
  FakeClock clock;
  clock.AdvanceOnWait(true);
  FakeRng rng(0.5);
  const SteadyTime start = clock.Now();
  int attempts = 0;
  Status result = RetryLoop(RetryPolicy(), clock, rng)
                      .Run(Context().WithDeadline(start + seconds(10)), [&]() -> Status {
                        ++attempts;
                        return Error(ErrorCode::kThrottled, "busy").WithRetryAfter(seconds(30));
                      });
  CHECK(attempts == 1);
  CHECK(clock.Now() == start);
  CHECK(result.error().code() == ErrorCode::kThrottled);
  CHECK(result.error().retry_after() == seconds(30));
  CHECK(result.error().message() ==
        "busy (the next attempt would be in 30.75s, 10s of the time allowed is left)");
}

TEST_CASE("retry: FitsRetryAfter includes the largest possible addition to a Retry-After") {
  struct Row {
    std::string name;
    std::optional<Duration> retry_after;
    bool fits;
  };
  const Row rows[] = {{"none", {}, true},
                      {"short", seconds(8), true},
                      {"only without the addition", milliseconds(9500), false},
                      {"long", seconds(30), false}};
  FakeClock clock;
  FakeRng rng;
  const RetryLoop retry(RetryPolicy(), clock, rng);
  for (const Row& row : rows) {
    INFO(row.name);
    Error error(ErrorCode::kTransient, "busy");
    if (row.retry_after) error = std::move(error).WithRetryAfter(*row.retry_after);
    CHECK(retry.FitsRetryAfter(Context().WithDeadline(clock.Now() + seconds(10)), error) ==
          row.fits);
  }
}

TEST_CASE("retry: a context that ends during an attempt returns the attempt's error") {
  FakeClock clock;
  FakeRng rng;
  int attempts = 0;
  Status result = RetryLoop(RetryPolicy(), clock, rng)
                      .Run(Context().WithDeadline(clock.Now() + seconds(1)), [&]() -> Status {
                        ++attempts;
                        clock.Advance(seconds(2));
                        return Error(ErrorCode::kDeadlineExceeded, "read x: time is over");
                      });
  CHECK(attempts == 1);
  CHECK(result.error().message() == "read x: time is over");
}

TEST_CASE("retry: a stop during a delay ends the loop at once") {
  FakeClock clock;  // does not advance: only the stop can end the sleep
  FakeRng rng(0.5);
  std::stop_source stop;
  std::jthread leaver;
  Status result = RetryLoop(RetryPolicy(), clock, rng)
                      .Run(Context().WithStop(stop.get_token()), [&]() -> Status {
                        leaver = std::jthread([&] { stop.request_stop(); });
                        return Error(ErrorCode::kTransient, "down");
                      });
  const bool known = result.error().code() == ErrorCode::kCancelled ||
                     result.error().message() == "down";  // stopped before the sleep began
  CHECK(known);
}

}  // namespace nodekeep

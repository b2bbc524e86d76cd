#include "agent/http/retry.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "agent/base/duration.h"

namespace nodekeep {
namespace {

// Longer than any caller waits; prevents overflow with values sent by a server.
constexpr std::chrono::seconds kLongestRetryAfter = std::chrono::hours(24 * 7);

constexpr std::chrono::milliseconds kRestOfSecond{500};

// The same error with `suffix` appended to its text.
Error WithSuffix(const Error& error, const std::string& suffix) {
  Error longer(error.code(), error.message() + suffix);
  if (!error.retry_after()) return longer;
  return std::move(longer).WithRetryAfter(*error.retry_after());
}

}  // namespace

Duration Backoff(const RetryPolicy& policy, int attempt, Rng& rng) {
  Duration ceiling = policy.first;
  for (int i = 1; i < attempt && ceiling < policy.longest; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, policy.longest);
  return Duration(static_cast<Duration::rep>(static_cast<double>(ceiling.count()) * rng.Uniform()));
}

std::optional<Duration> ParseRetryAfter(std::string_view header, WallTime now) {
  if (header.empty()) return std::nullopt;
  if (std::all_of(header.begin(), header.end(),
                  [](unsigned char c) { return std::isdigit(c) != 0; })) {
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(header.data(), header.data() + header.size(), seconds);
    if (parsed.ec != std::errc()) return kLongestRetryAfter;
    return std::min(std::chrono::seconds(seconds), kLongestRetryAfter);
  }
  // All three forms of an HTTP date start with the day's name; curl's parser accepts far more.
  if (std::isalpha(static_cast<unsigned char>(header.front())) == 0) return std::nullopt;
  const std::time_t date = curl_getdate(std::string(header).c_str(), nullptr);
  if (date == -1) return std::nullopt;
  const auto left =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::system_clock::from_time_t(date) - now);
  return std::clamp(left, std::chrono::seconds(0), kLongestRetryAfter);
}

bool RetryLoop::FitsRetryAfter(const Context& context, const Error& error) const {
  return !error.retry_after() ||
         *error.retry_after() + 2 * kRestOfSecond < context.Remaining(clock_);
}

std::optional<Error> RetryLoop::Pause(const Context& context, const Error& error, int made) const {
  if (!error.IsTransient() || !context.Check(clock_).ok()) return error;
  if (made >= policy_.attempts) {
    return made == 1 ? error : WithSuffix(error, fmt::format(" (gave up after {} attempts)", made));
  }
  RetryPolicy policy = policy_;
  if (error.code() == ErrorCode::kThrottled) policy.first = policy.first_throttled;
  Duration delay = Backoff(policy, made, rng_);
  if (error.retry_after()) {
    // Added for two reasons: servers that count down truncate the fraction of a second, even to
    // "0", and all throttled clients get the same delay. Two additions always cover the fraction.
    delay = *error.retry_after() + kRestOfSecond +
            std::chrono::duration_cast<Duration>(kRestOfSecond * rng_.Uniform());
  }
  const Duration left = context.Remaining(clock_);
  if (delay >= left) {
    return WithSuffix(error, fmt::format(" (the next attempt would be in {}, {} of the time "
                                         "allowed is left)",
                                         FormatDuration(delay), FormatDuration(left)));
  }
  context.ReportFailure(error);
  Status slept = Sleep(context, clock_, delay);
  if (!slept.ok()) {
    return Error::Format(slept.error().code(), "{}; before that: {}", slept.error().message(),
                         error.message());
  }
  return std::nullopt;
}

}  // namespace nodekeep

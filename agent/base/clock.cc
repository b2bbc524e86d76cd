#include "agent/base/clock.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <random>

#include "agent/base/mutex.h"

namespace nodekeep {

SteadyTime SystemClock::Now() const { return std::chrono::steady_clock::now(); }

WallTime SystemClock::Wall() const { return std::chrono::system_clock::now(); }

bool SystemClock::WaitUntil(MutexLock& lock, std::condition_variable_any& changed,
                            std::stop_token stop, SteadyTime deadline,
                            const std::function<bool()>& ready) const {
  // wait_until overflows for time_point::max() in some library versions.
  if (deadline == SteadyTime::max()) return changed.wait(lock, stop, ready);
  return changed.wait_until(lock, stop, deadline, ready);
}

double SystemRng::Uniform() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
}

std::string FormatTime(WallTime time) {
  const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const std::time_t whole = seconds.count();
  std::tm parts{};
  gmtime_r(&whole, &parts);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, (since_epoch - seconds).count());
}

WallTime WallTimeAt(std::int64_t seconds) {
  constexpr std::int64_t kFarthest = 200ll * 365 * 24 * 3600;
  return WallTime(std::chrono::seconds(std::clamp(seconds, -kFarthest, kFarthest)));
}

std::optional<WallTime> ParseTime(std::string_view text) {
  const std::string copy(text);
  std::tm parts{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  if (*rest == '.') {
    do ++rest;
    while (*rest >= '0' && *rest <= '9');
  }
  const WallTime local = WallTimeAt(timegm(&parts));
  if (std::string_view(rest) == "Z") return local;
  std::tm offset{};
  if (*rest != '+' && *rest != '-') return std::nullopt;
  const char* end = strptime(rest + 1, "%H:%M", &offset);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const std::chrono::minutes ahead(offset.tm_hour * 60 + offset.tm_min);
  return *rest == '+' ? local - ahead : local + ahead;
}

}  // namespace nodekeep

#include "agent/base/clock.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <set>
#include <thread>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

WallTime At(std::int64_t milliseconds) { return WallTime(std::chrono::milliseconds(milliseconds)); }

TEST_CASE("clock: times are written in UTC with milliseconds") {
  struct Row {
    std::int64_t milliseconds;
    std::string want;
  };
  for (const Row& row :
       {Row{0, "1970-01-01T00:00:00.000Z"}, Row{1'769'860'800'007, "2026-01-31T12:00:00.007Z"},
        Row{-1, "1969-12-31T23:59:59.999Z"}, Row{951'782'400'000, "2000-02-29T00:00:00.000Z"}}) {
    CHECK(FormatTime(At(row.milliseconds)) == row.want);
  }
}

TEST_CASE("clock: a time is parsed to the second") {
  struct Row {
    std::string text;
    std::optional<WallTime> want;
  };
  for (const Row& row : {Row{"2026-01-31T12:00:00Z", At(1'769'860'800'000)},
                         Row{"2026-01-31T12:00:00.987654321Z", At(1'769'860'800'000)},
                         Row{"2026-01-31T14:30:00+02:30", At(1'769'860'800'000)},
                         Row{"2026-01-31T05:00:00-07:00", At(1'769'860'800'000)},
                         Row{"2026-01-31T12:00:00", std::nullopt},
                         Row{"2026-01-31T12:00:00 UTC", std::nullopt},
                         Row{"2026-01-31T12:00:00+02:30x", std::nullopt},
                         Row{"2026-13-31T12:00:00Z", std::nullopt}, Row{"", std::nullopt}}) {
    INFO(row.text);
    CHECK(ParseTime(row.text) == row.want);
  }
}

TEST_CASE("clock: a time out of range is clamped and does not overflow") {
  const WallTime far = At(200ll * 365 * 24 * 3600 * 1000);
  CHECK(ParseTime("9999-12-31T23:59:59Z") == far);
  CHECK(WallTimeAt(std::numeric_limits<std::int64_t>::max()) == far);
  CHECK(WallTimeAt(std::numeric_limits<std::int64_t>::min()) < At(0));
  CHECK(WallTimeAt(1'769'860'800) == At(1'769'860'800'000));
}

TEST_CASE("clock: a wait returns at once when ready, past its deadline or stopped") {
  const SystemClock clock;
  Mutex mutex;
  std::condition_variable_any changed;
  MutexLock lock(mutex);
  CHECK(clock.WaitUntil(lock, changed, {}, SteadyTime::max(), [] { return true; }));
  CHECK_FALSE(clock.WaitUntil(lock, changed, {}, clock.Now(), [] { return false; }));
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(
      clock.WaitUntil(lock, changed, stop.get_token(), SteadyTime::max(), [] { return false; }));
}

TEST_CASE("clock: a wait without a deadline ends on a change or a stop") {
  const SystemClock clock;
  Mutex mutex;
  std::condition_variable_any changed;
  bool ready = false;
  MutexLock lock(mutex);
  {
    const std::jthread other([&] {
      const MutexLock guard(mutex);
      ready = true;
      changed.notify_all();
    });
    CHECK(clock.WaitUntil(lock, changed, {}, SteadyTime::max(), [&] { return ready; }));
    lock.unlock();
  }
  lock.lock();
  std::stop_source stop;
  const std::jthread other([&] { stop.request_stop(); });
  CHECK_FALSE(
      clock.WaitUntil(lock, changed, stop.get_token(), SteadyTime::max(), [] { return false; }));
}

TEST_CASE("clock: random numbers are at least 0, below 1, and differ between draws and threads") {
  SystemRng rng;
  std::set<double> seen;
  const auto draw = [&] {
    const double value = rng.Uniform();
    CHECK(value >= 0.0);
    CHECK(value < 1.0);
    seen.insert(value);
  };
  for (int i = 0; i < 100; ++i) draw();
  double elsewhere = 0;
  std::thread([&] { elsewhere = rng.Uniform(); }).join();
  seen.insert(elsewhere);
  CHECK(seen.size() == 101);
}

}  // namespace
}  // namespace nodekeep

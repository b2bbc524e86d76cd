#include "agent/secrets/single_flight.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>

#include "agent/base/mutex.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using Flights = SingleFlight<std::string, std::string>;
using Results = std::vector<Result<std::string>>;

constexpr Duration kBudget = std::chrono::seconds(30);

// A call that blocks until it is released or cancelled.
class Gate {
 public:
  Results operator()(const Context& context, const std::vector<std::string>& keys) {
    ++calls;
    waiting.count_down();
    MutexLock lock(mutex_);
    const bool open = changed_.wait(lock, context.stop(), [this] { return open_; });
    Results results;
    for (const std::string& key : keys) {
      if (open) {
        results.push_back("value of " + key);
      } else {
        results.push_back(Error(ErrorCode::kCancelled, "stopped"));
      }
    }
    return results;
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  std::atomic<int> calls = 0;
  std::latch waiting{1};

 private:
  Mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
};

Flights::Call CallOf(Gate& gate) {
  return [&gate](const Context& context, const std::vector<std::string>& keys) {
    return gate(context, keys);
  };
}

Flights::Call Answering(std::vector<std::vector<std::string>>* asked = nullptr) {
  return [asked](const Context&, const std::vector<std::string>& keys) {
    if (asked != nullptr) asked->push_back(keys);
    Results results;
    for (const std::string& key : keys) results.push_back("value of " + key);
    return results;
  };
}

}  // namespace

TEST_CASE("single flight: concurrent callers share one call per key") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  Gate gate;
  std::vector<Results> got(50);
  auto callers = RunConcurrently(
      got.size(), [&](std::size_t i) { got[i] = flights.Do(Context(), {"a"}, CallOf(gate)); });
  gate.waiting.wait();
  // Only the first call can have returned; later callers join it or start a new one.
  gate.Open();
  callers.clear();
  for (const Results& results : got) {
    REQUIRE(results.size() == 1);
    REQUIRE(results[0].ok());
    CHECK(*results[0] == "value of a");
  }
}

TEST_CASE("single flight: a call that throws fails all its keys, and the next call works") {
  FakeClock clock;
  std::vector<std::string> reports;
  {
    WorkerPool pool(
        {.name = "calls", .on_exception = [&](std::string_view, std::string_view error) {
           reports.push_back(std::string(error));
         }});
    Flights flights(pool, clock, kBudget);
    const Results thrown = flights.Do(
        Context(), {"a", "b"}, [](const Context&, const std::vector<std::string>&) -> Results {
          throw std::runtime_error("the value of a: canary");
        });
    REQUIRE(thrown.size() == 2);
    for (const Result<std::string>& result : thrown) {
      REQUIRE_FALSE(result.ok());
      CHECK(result.error().code() == ErrorCode::kInternal);
      CHECK(result.error().message().find("canary") == std::string::npos);
    }
    const Results next = flights.Do(Context(), {"a", "b"}, Answering());
    REQUIRE(next[0].ok());
    CHECK(*next[1] == "value of b");
  }
  CHECK(reports == std::vector<std::string>{"the value of a: canary"});
}

TEST_CASE("single flight: keys in progress are joined, the others are fetched by one call") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  Gate gate;
  Results first;
  std::jthread caller([&] { first = flights.Do(Context(), {"a", "b"}, CallOf(gate)); });
  gate.waiting.wait();

  std::vector<std::vector<std::string>> asked;
  Results second;
  std::latch called(1);
  std::jthread other([&] {
    second = flights.Do(Context(), {"c", "a", "d", "c"},
                        [&](const Context& context, const std::vector<std::string>& keys) {
                          Results results = Answering(&asked)(context, keys);
                          called.count_down();
                          return results;
                        });
  });
  called.wait();
  gate.Open();
  caller.join();
  other.join();

  CHECK(asked == std::vector<std::vector<std::string>>{{"c", "d"}});
  CHECK(gate.calls == 1);
  REQUIRE(second.size() == 4);
  const char* want[] = {"value of c", "value of a", "value of d", "value of c"};
  for (std::size_t i = 0; i < second.size(); ++i) {
    REQUIRE(second[i].ok());
    CHECK(*second[i] == want[i]);
  }
}

TEST_CASE("single flight: a key whose call has ended starts a new call") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  std::vector<std::vector<std::string>> asked;
  for (int i = 0; i < 3; ++i) (void)flights.Do(Context(), {"a"}, Answering(&asked));
  CHECK(asked.size() == 3);
}

TEST_CASE("single flight: a caller that times out gets the latest failure of the call") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  Gate gate;
  std::latch failed(1);
  std::jthread first([&] {
    (void)flights.Do(Context(), {"a", "b"},
                     [&](const Context& context, const std::vector<std::string>& keys) {
                       context.ReportFailure(Error(ErrorCode::kTransient, "down"));
                       context.ReportFailure(Error(ErrorCode::kThrottled, "busy"));
                       failed.count_down();
                       return gate(context, keys);
                     });
  });
  failed.wait();
  const Results late = flights.Do(Context().WithDeadline(clock.Now()), {"b"}, CallOf(gate));
  REQUIRE(late.size() == 1);
  CHECK(late[0].error().code() == ErrorCode::kThrottled);
  CHECK(late[0].error().message() == "busy (still retrying when the time allowed was over)");
  gate.Open();
}

TEST_CASE("single flight: each key has its own error") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  Results results =
      flights.Do(Context(), {"good", "bad"}, [](const Context&, const std::vector<std::string>&) {
        return Results{std::string("fine"), Error(ErrorCode::kDenied, "no")};
      });
  REQUIRE(results[0].ok());
  REQUIRE(!results[1].ok());
  CHECK(results[1].error().code() == ErrorCode::kDenied);
}

TEST_CASE("single flight: a waiter that gives up does not cancel the call") {
  struct Row {
    std::string name;
    bool by_deadline;
    ErrorCode want;
  };
  const Row rows[] = {{"its caller went away", false, ErrorCode::kCancelled},
                      {"its time was over", true, ErrorCode::kDeadlineExceeded}};
  for (const Row& row : rows) {
    INFO(row.name);
    FakeClock clock;
    WorkerPool pool({});
    Flights flights(pool, clock, kBudget);
    Gate gate;
    std::stop_source leaving;
    Results left;
    std::jthread leaver([&] {
      const Context context(clock.Now() + std::chrono::seconds(1), leaving.get_token());
      left = flights.Do(context, {"a"}, CallOf(gate));
    });
    gate.waiting.wait();
    if (row.by_deadline) {
      clock.Advance(std::chrono::seconds(2));
    } else {
      leaving.request_stop();
    }
    leaver.join();
    REQUIRE(left.size() == 1);
    REQUIRE(!left[0].ok());
    CHECK(left[0].error().code() == row.want);

    // The next caller joins the call that is still in progress.
    Results joined;
    std::jthread joiner([&] { joined = flights.Do(Context(), {"a"}, Answering()); });
    gate.Open();
    joiner.join();
    REQUIRE(joined[0].ok());
    CHECK(gate.calls == 1);
  }
}

TEST_CASE("single flight: a waiter that gives up gets the results available so far") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  Gate gate;
  std::jthread slow([&] { (void)flights.Do(Context(), {"slow"}, CallOf(gate)); });
  gate.waiting.wait();
  std::latch answered(1);
  Results got;
  std::jthread caller([&] {
    const Context context(clock.Now() + std::chrono::seconds(1), {});
    got = flights.Do(context, {"slow", "quick"},
                     [&](const Context& own, const std::vector<std::string>& keys) {
                       Results results = Answering()(own, keys);
                       answered.count_down();
                       return results;
                     });
  });
  answered.wait();
  // A later call of the same key starts only after the quick result has been returned.
  (void)flights.Do(Context(), {"quick"}, Answering());
  clock.Advance(std::chrono::seconds(2));
  caller.join();
  REQUIRE(got.size() == 2);
  REQUIRE(!got[0].ok());
  CHECK(got[0].error().code() == ErrorCode::kDeadlineExceeded);
  REQUIRE(got[1].ok());
  CHECK(*got[1] == "value of quick");
  gate.Open();
}

TEST_CASE("single flight: a call is limited by its own budget, not by its caller's deadline") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  SteadyTime deadline;
  (void)flights.Do(Context(clock.Now() + std::chrono::hours(9), {}), {"a"},
                   [&](const Context& own, const std::vector<std::string>& keys) {
                     deadline = own.deadline();
                     return Answering()(own, keys);
                   });
  CHECK(deadline == clock.Now() + kBudget);
}

TEST_CASE("single flight: a full pool is an error for every key, and leaves no flight behind") {
  FakeClock clock;
  WorkerPool pool({.max_threads = 1, .max_queued = 1});
  std::latch busy(1), release(1), queued(1);
  REQUIRE(pool.Post("",
                    [&] {
                      busy.count_down();
                      release.wait();
                    })
              .ok());
  busy.wait();
  REQUIRE(pool.Post("", [&] { queued.count_down(); }).ok());
  {
    Flights flights(pool, clock, kBudget);
    Results refused = flights.Do(Context(), {"a", "b"}, Answering());
    REQUIRE(refused.size() == 2);
    for (const auto& result : refused) {
      REQUIRE(!result.ok());
      CHECK(result.error().code() == ErrorCode::kThrottled);
    }
    release.count_down();
    queued.wait();
    Results later = flights.Do(Context(), {"a"}, Answering());
    CHECK(later[0].ok());
  }
}

TEST_CASE("single flight: destruction cancels the calls in progress and waits for them") {
  FakeClock clock;
  WorkerPool pool({});
  Gate gate;
  std::atomic<bool> over = false;
  std::stop_source leaving;
  {
    Flights flights(pool, clock, kBudget);
    std::jthread caller([&] {
      (void)flights.Do(Context(SteadyTime::max(), leaving.get_token()), {"a"},
                       [&](const Context& context, const std::vector<std::string>& keys) {
                         Results results = gate(context, keys);
                         over = true;
                         return results;
                       });
    });
    gate.waiting.wait();
    leaving.request_stop();
    caller.join();
    CHECK(!over);
  }
  CHECK(over);
}

TEST_CASE("single flight: the captures of a call are released before its waiters return") {
  FakeClock clock;
  WorkerPool pool({});
  Flights flights(pool, clock, kBudget);
  auto captured = std::make_shared<int>(1);
  std::weak_ptr<int> watched = captured;
  (void)flights.Do(
      Context(), {"a"},
      [held = std::move(captured)](const Context& own, const std::vector<std::string>& keys) {
        return Answering()(own, keys);
      });
  CHECK(watched.expired());
}

namespace {

// Its copies throw when told to.
struct BrittleKey {
  BrittleKey() = default;
  BrittleKey(const BrittleKey&) {
    if (--copies_left == 0) throw std::runtime_error("a copy that fails");
  }
  bool operator<(const BrittleKey&) const { return false; }

  static inline std::atomic<int> copies_left = 0;
};

}  // namespace

TEST_CASE("single flight: an exception while a call is started leaves nothing behind") {
  SystemClock clock;
  WorkerPool pool({});
  const std::vector<BrittleKey> keys(1);
  int failures = 0;
  for (bool threw = true; threw;) {
    SingleFlight<BrittleKey, int> flights(pool, clock, std::chrono::seconds(10));
    const auto ask = [&] {
      return flights.Do(Context(), keys, [](const Context&, const std::vector<BrittleKey>&) {
        return std::vector<Result<int>>{1};
      });
    };
    BrittleKey::copies_left = failures + 1;
    threw = false;
    try {
      (void)ask();
    } catch (const std::runtime_error&) {
      threw = true;
      ++failures;
    }
    BrittleKey::copies_left = 0;
    CHECK(ask().front().ok());
  }
  CHECK(failures > 2);
}

}  // namespace nodekeep

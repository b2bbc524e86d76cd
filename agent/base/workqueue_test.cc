#include "agent/base/workqueue.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Queue = Workqueue<std::string>;
using Keys = std::vector<std::string>;

struct Setup {
  explicit Setup(Queue::Options options = {}, double random = 1)
      : rng(random), queue(std::move(options), clock, rng) {}

  // The next key that is due now; does not wait.
  std::optional<Queue::Item> Next() { return queue.Get(Context(clock.Now(), {})); }
  // Processes all keys that are due now and returns them.
  Keys Work() {
    Keys keys;
    while (const std::optional<Queue::Item> item = Next()) keys.push_back(item->key());
    return keys;
  }

  FakeClock clock;
  FakeRng rng;
  Queue queue;
};

TEST_CASE("workqueue: a key is queued once, at the earliest of its due times") {
  struct Row {
    std::string name;
    std::function<void(Setup&)> add;
    seconds due;
  };
  const Row rows[] = {
      {"added", [](Setup& s) { s.queue.Add("k"); }, seconds(0)},
      {"added twice", [](Setup& s) { s.queue.Add("k"), s.queue.Add("k"); }, seconds(0)},
      {"delayed", [](Setup& s) { s.queue.AddAfter("k", seconds(5)); }, seconds(5)},
      {"at a time", [](Setup& s) { s.queue.AddAt("k", s.clock.Now() + seconds(5)); }, seconds(5)},
      {"brought forward",
       [](Setup& s) { s.queue.AddAfter("k", seconds(9)), s.queue.AddAfter("k", seconds(5)); },
       seconds(5)},
      {"never put off",
       [](Setup& s) { s.queue.AddAfter("k", seconds(5)), s.queue.AddAfter("k", seconds(9)); },
       seconds(5)},
      {"due and delayed", [](Setup& s) { s.queue.Add("k"), s.queue.AddAfter("k", seconds(9)); },
       seconds(0)},
      {"found due and added again",
       [](Setup& s) { s.queue.Add("k"), s.queue.Measure(), s.queue.Add("k"); }, seconds(0)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Setup setup;
    row.add(setup);
    if (row.due > seconds(0)) {
      setup.clock.Advance(row.due - milliseconds(1));
      CHECK(setup.Work().empty());
      setup.clock.Advance(milliseconds(1));
    }
    CHECK(setup.Work() == Keys{"k"});
    setup.clock.Advance(minutes(1));
    CHECK(setup.Work().empty());
  }
}

TEST_CASE("workqueue: due keys are ordered by due time, equal ones by insertion") {
  Setup setup;
  setup.queue.AddAfter("late", seconds(2));
  setup.queue.AddAfter("b", seconds(1));
  setup.queue.AddAfter("a", seconds(1));
  setup.queue.Add("now");
  setup.clock.Advance(seconds(3));
  CHECK(setup.Work() == Keys{"now", "b", "a", "late"});
}

TEST_CASE("workqueue: a key added while in work is handed out again only after Done") {
  struct Row {
    std::string name;
    std::function<void(Setup&, Queue::Item&)> during;
    std::optional<seconds> due;  // after the work
  };
  const Row rows[] = {
      {"nothing added", [](Setup&, Queue::Item&) {}, std::nullopt},
      {"added", [](Setup& s, Queue::Item&) { s.queue.Add("k"); }, seconds(0)},
      {"delayed", [](Setup& s, Queue::Item&) { s.queue.AddAfter("k", seconds(3)); }, seconds(3)},
      {"by the worker", [](Setup&, Queue::Item& item) { item.AddAfter(seconds(3)); }, seconds(3)},
      {"the worker does not put off what others added",
       [](Setup& s, Queue::Item& item) { s.queue.Add("k"), item.AddAfter(seconds(3)); },
       seconds(0)},
      {"others bring forward what the worker added",
       [](Setup& s, Queue::Item& item) { item.AddAfter(seconds(3)), s.queue.Add("k"); },
       seconds(0)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Setup setup;
    setup.queue.Add("k");
    {
      std::optional<Queue::Item> item = setup.Next();
      REQUIRE(item);
      row.during(setup, *item);
      CHECK_FALSE(setup.Next());
      const Queue::Depth depth = setup.queue.Measure();
      CHECK(depth.in_work == 1);
      CHECK(depth.due + depth.delayed == 0);
    }
    if (!row.due) {
      CHECK(setup.queue.Measure().delayed == 0);
      setup.clock.Advance(minutes(1));
      CHECK(setup.Work().empty());
      continue;
    }
    if (*row.due > seconds(0)) CHECK(setup.Work().empty());
    setup.clock.Advance(*row.due);
    CHECK(setup.Work() == Keys{"k"});
    CHECK(setup.Work().empty());
  }
}

TEST_CASE("workqueue: a moved item is done once, by its last owner") {
  Setup setup;
  setup.queue.Add("k");
  std::optional<Queue::Item> first = setup.Next();
  REQUIRE(first);
  setup.queue.Add("k");
  {
    Queue::Item moved = *std::move(first);
    first.reset();
    CHECK_FALSE(setup.Next());
    moved.Done();
    std::optional<Queue::Item> second = setup.Next();
    REQUIRE(second);
    moved.Done();
    CHECK(setup.queue.Measure().in_work == 1);
  }
  CHECK(setup.queue.Measure().in_work == 0);
}

TEST_CASE("workqueue: a key is removed in any state, and can be added again") {
  struct Row {
    std::string name;
    std::function<void(Setup&)> add;
  };
  const Row rows[] = {
      {"unknown", [](Setup&) {}},
      {"delayed", [](Setup& s) { s.queue.AddAfter("k", seconds(5)); }},
      {"due", [](Setup& s) { s.queue.Add("k"); }},
      {"found due", [](Setup& s) { s.queue.Add("k"), s.queue.Measure(); }},
      {"worked on", [](Setup& s) { s.queue.Add("k"), s.Work(); }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Setup setup;
    row.add(setup);
    setup.queue.Remove("k");
    const Queue::Depth depth = setup.queue.Measure();
    CHECK(depth.delayed + depth.due + depth.in_work == 0);
    setup.clock.Advance(minutes(1));
    CHECK(setup.Work().empty());
    setup.queue.Add("k");
    CHECK(setup.Work() == Keys{"k"});
  }
}

TEST_CASE("workqueue: a removed key is not requeued by its worker, only by a later Add") {
  struct Row {
    std::string name;
    std::function<void(Setup&, Queue::Item&)> during;
    bool again;
  };
  const Row rows[] = {
      {"added before", [](Setup& s, Queue::Item&) { s.queue.Add("k"), s.queue.Remove("k"); },
       false},
      {"worker asks",
       [](Setup& s, Queue::Item& item) { s.queue.Remove("k"), item.AddAfter(seconds(1)); }, false},
      {"worker fails", [](Setup& s, Queue::Item& item) { s.queue.Remove("k"), item.Retry(); },
       false},
      {"added after", [](Setup& s, Queue::Item&) { s.queue.Remove("k"), s.queue.Add("k"); }, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Setup setup;
    setup.queue.Add("k");
    {
      std::optional<Queue::Item> item = setup.Next();
      REQUIRE(item);
      row.during(setup, *item);
      // Not while the key is in work.
      CHECK_FALSE(setup.Next());
    }
    setup.clock.Advance(minutes(1));
    CHECK(setup.Work() == (row.again ? Keys{"k"} : Keys{}));
  }
}

TEST_CASE("workqueue: retries back off per key up to a bound, until Forget") {
  const Queue::Options options{.first_retry = seconds(1), .longest_retry = seconds(5)};
  struct Row {
    std::string name;
    double random;
    std::vector<milliseconds> delays;
  };
  const Row rows[] = {
      {"longest", 1, {seconds(1), seconds(2), seconds(4), seconds(5), seconds(5)}},
      {"shortest", 0, {milliseconds(500), seconds(1), seconds(2), milliseconds(2500)}},
      {"between", 0.5, {milliseconds(750), milliseconds(1500), seconds(3)}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Setup setup(options, row.random);
    setup.queue.Add("k");
    for (const milliseconds want : row.delays) {
      CHECK(setup.Next()->Retry() == want);
      setup.clock.Advance(want - milliseconds(1));
      CHECK_FALSE(setup.Next());
      setup.clock.Advance(milliseconds(1));
    }
    setup.queue.Add("other");
    {
      std::optional<Queue::Item> item = setup.Next();
      REQUIRE(item);
      CHECK(item->key() == "k");
      item->Forget();
      item->AddAfter(seconds(0));
    }
    CHECK(setup.Next()->Retry() == row.delays.front());  // of "other"
    CHECK(setup.Next()->Retry() == row.delays.front());
    // A key that has left the queue starts from the first delay too.
    setup.clock.Advance(minutes(1));
    CHECK(setup.Work().size() == 2);
    setup.queue.Add("k");
    CHECK(setup.Next()->Retry() == row.delays.front());
  }
}

TEST_CASE("workqueue: an added key does not wait for its retry delay") {
  Setup setup;
  setup.queue.Add("k");
  (void)setup.Next()->Retry();
  CHECK(setup.Work().empty());
  setup.queue.Add("k");
  CHECK(setup.Work() == Keys{"k"});
}

TEST_CASE("workqueue: groups are served round robin, however many keys each has") {
  Setup setup({.group_of = [](const std::string& key) { return key.substr(0, 1); }});
  for (int i = 0; i < 100; ++i) setup.queue.Add("a" + std::to_string(i));
  setup.queue.Add("c0");
  setup.queue.Add("b0");
  setup.queue.Add("b1");
  Keys keys;
  for (int i = 0; i < 6; ++i) keys.push_back(setup.Next()->key());
  CHECK(keys == Keys{"a0", "b0", "c0", "a1", "b1", "a2"});
  setup.queue.Add("b2");
  CHECK(setup.Next()->key() == "b2");
  setup.queue.Remove("a3");
  CHECK(setup.Next()->key() == "a4");
  CHECK(setup.queue.Measure().due == 95);
}

TEST_CASE("workqueue: Get waits until a key is due or moved forward, or the context is over") {
  struct Row {
    std::string name;
    std::function<void(Setup&, std::stop_source&)> meanwhile;
    std::string key;  // "" = none
  };
  const Row rows[] = {
      {"added", [](Setup& s, std::stop_source&) { s.queue.Add("a"); }, "a"},
      {"brought forward", [](Setup& s, std::stop_source&) { s.queue.Add("far"); }, "far"},
      {"its time has come", [](Setup& s, std::stop_source&) { s.clock.Advance(minutes(5)); },
       "far"},
      {"stopped", [](Setup&, std::stop_source& stop) { stop.request_stop(); }, ""},
      {"out of time",
       [](Setup& s, std::stop_source&) {
         s.queue.Remove("far");
         s.clock.Advance(minutes(20));
       },
       ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Setup setup;
    setup.queue.AddAfter("far", minutes(5));
    std::stop_source stop;
    std::string key;
    {
      const Context context(setup.clock.Now() + minutes(20), stop.get_token());
      std::jthread worker([&] {
        const std::optional<Queue::Item> item = setup.queue.Get(context);
        if (item) key = item->key();
      });
      row.meanwhile(setup, stop);
    }
    CHECK(key == row.key);
  }
}

TEST_CASE(
    "workqueue: a context past its deadline still gets a key that is due, a stopped one "
    "nothing") {
  Setup setup;
  setup.queue.Add("k");
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(setup.queue.Get(Context(SteadyTime::max(), stop.get_token())));
  CHECK(setup.queue.Get(Context(setup.clock.Now() - seconds(1), {})));
}

TEST_CASE("workqueue: many workers never share a key, and the last update is processed") {
  constexpr int kWorkers = 4;
  constexpr int kKeys = 5;
  constexpr int kUpdates = 2000;
  SystemClock clock;
  SystemRng rng;
  Workqueue<int> queue({.group_of = [](const int& key) { return std::to_string(key % 2); }}, clock,
                       rng);
  std::atomic<int> written[kKeys] = {};
  std::atomic<int> read[kKeys] = {};
  std::atomic<int> workers[kKeys] = {};
  std::atomic<bool> shared = false;
  std::stop_source stop;
  {
    const auto working = RunConcurrently(kWorkers, [&](std::size_t) {
      const Context context(SteadyTime::max(), stop.get_token());
      while (const std::optional<Workqueue<int>::Item> item = queue.Get(context)) {
        if (++workers[item->key()] > 1) shared = true;
        read[item->key()] = written[item->key()].load();
        --workers[item->key()];
      }
    });
    {
      const auto adding = RunConcurrently(2, [&](std::size_t) {
        for (int i = 0; i < kUpdates; ++i) {
          ++written[i % kKeys];
          if (i % 7 == 0) {
            queue.AddAfter(i % kKeys, milliseconds(1));
          } else {
            queue.Add(i % kKeys);
          }
        }
      });
    }
    const SteadyTime late = clock.Now() + minutes(1);
    for (int i = 0; i < kKeys; ++i) {
      while (read[i] != written[i] && clock.Now() < late) std::this_thread::yield();
    }
    stop.request_stop();
  }
  CHECK_FALSE(shared);
  for (int i = 0; i < kKeys; ++i) CHECK(read[i] == 2 * kUpdates / kKeys);
  const Workqueue<int>::Depth depth = queue.Measure();
  CHECK(depth.in_work == 0);
}

std::string BeforeDash(const std::string& key) { return key.substr(0, key.find('-')); }

TEST_CASE("workqueue: a group has its share of the keys in work, others find a turn at once") {
  Setup setup({.group_of = BeforeDash, .max_in_work = 6});
  for (const char* key : {"a-1", "a-2", "a-3", "a-4", "b-1"}) setup.queue.Add(key);
  std::vector<Queue::Item> in_work;
  while (std::optional<Queue::Item> item = setup.Next()) in_work.push_back(*std::move(item));
  std::multiset<std::string> keys;
  for (const Queue::Item& item : in_work) keys.insert(item.key());
  CHECK(keys == std::multiset<std::string>{"a-1", "a-2", "b-1"});
  CHECK(setup.queue.Measure().due == 2);

  in_work.front().Done();
  const std::optional<Queue::Item> next = setup.Next();
  REQUIRE(next);
  CHECK(next->key() == "a-3");
}

TEST_CASE("workqueue: a worker that waits gets a key when a turn becomes free") {
  Setup setup({.max_in_work = 1});
  setup.queue.Add("a");
  setup.queue.Add("b");
  std::optional<Queue::Item> first = setup.Next();
  REQUIRE(first);
  REQUIRE_FALSE(setup.Next());
  std::thread worker([&] {
    const std::optional<Queue::Item> second = setup.queue.Get(Context());
    if (!second || second->key() != "b") std::terminate();
  });
  first->Done();
  worker.join();
}

}  // namespace
}  // namespace nodekeep

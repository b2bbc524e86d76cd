#include "agent/base/worker_pool.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <latch>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <vector>

namespace nodekeep {
namespace {

std::ptrdiff_t ThreadsOfThisProcess() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

TEST_CASE("worker pool: the destructor runs queued tasks and joins the threads") {
  std::atomic<int> done = 0;
  {
    WorkerPool pool({.max_threads = 2});
    for (int i = 0; i < 500; ++i) REQUIRE(pool.Post("", [&] { ++done; }).ok());
  }
  CHECK(done == 500);
}

TEST_CASE("worker pool: runs up to max_threads tasks concurrently, never more") {
  constexpr int kThreads = 4;
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  // Opens only when kThreads tasks run at the same time.
  std::latch all_run(kThreads);
  {
    WorkerPool pool({.max_threads = kThreads});
    for (int i = 0; i < 100; ++i) {
      REQUIRE(pool.Post("",
                        [&, i] {
                          const int now = ++running;
                          for (int seen = most;
                               now > seen && !most.compare_exchange_weak(seen, now);) {
                          }
                          if (i < kThreads) all_run.arrive_and_wait();
                          --running;
                        })
                  .ok());
    }
  }
  CHECK(most == kThreads);
}

TEST_CASE("worker pool: a full queue refuses tasks") {
  std::latch started(1);
  std::latch go_on(1);
  std::atomic<int> done = 0;
  {
    WorkerPool pool({.max_threads = 1, .max_queued = 2});
    REQUIRE(pool.Post("",
                      [&] {
                        started.count_down();
                        go_on.wait();
                      })
                .ok());
    started.wait();
    REQUIRE(pool.Post("", [&] { ++done; }).ok());
    REQUIRE(pool.Post("", [&] { ++done; }).ok());
    const Status refused = pool.Post("", [&] { done += 100; });
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == ErrorCode::kThrottled);
    go_on.count_down();
  }
  CHECK(done == 2);
}

TEST_CASE("worker pool: refuses tasks during destruction") {
  std::latch started(1);
  ErrorCode last = ErrorCode::kInternal;
  {
    WorkerPool pool({.max_threads = 1});
    REQUIRE(pool.Post("",
                      [&] {
                        started.count_down();
                        Status status;
                        do {
                          status = pool.Post("", [] {});
                        } while (status.ok() || status.error().code() == ErrorCode::kThrottled);
                        last = status.error().code();
                      })
                .ok());
    started.wait();
  }
  CHECK(last == ErrorCode::kShuttingDown);
}

TEST_CASE("worker pool: idle threads exit, and are started again for new work") {
  // The thread sanitizer starts its own thread together with our first one.
  std::thread([] {}).join();
  const std::ptrdiff_t before = ThreadsOfThisProcess();
  // Must outlive the pool: a thread may still be inside a latch that the others have passed.
  std::latch latches[] = {std::latch(3), std::latch(3)};
  WorkerPool pool({.max_threads = 3, .idle_timeout = std::chrono::milliseconds(1)});
  for (std::latch& all_run : latches) {
    for (int i = 0; i < 3; ++i) REQUIRE(pool.Post("", [&] { all_run.arrive_and_wait(); }).ok());
    all_run.wait();
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (ThreadsOfThisProcess() > before && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::yield();
    }
    CHECK(ThreadsOfThisProcess() == before);
  }
}

TEST_CASE("worker pool: a task's captures are destroyed before the next task starts") {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  std::atomic<bool> released = false;
  {
    WorkerPool pool({.max_threads = 1});
    REQUIRE(pool.Post("", [owned = std::move(owned)] {}).ok());
    REQUIRE(pool.Post("", [&] { released = watched.expired(); }).ok());
  }
  CHECK(released);
}

TEST_CASE("worker pool: a task that throws is reported, and the next one runs on the same thread") {
  std::vector<std::string> reports;
  std::thread::id first;
  std::thread::id second;
  {
    WorkerPool pool({.max_threads = 1,
                     .name = "tasks",
                     .on_exception = [&](std::string_view thread, std::string_view error) {
                       reports.push_back(std::string(thread) + ": " + std::string(error));
                     }});
    REQUIRE(pool.Post("",
                      [&] {
                        first = std::this_thread::get_id();
                        throw std::runtime_error("no");
                      })
                .ok());
    REQUIRE(pool.Post("", [&] { second = std::this_thread::get_id(); }).ok());
  }
  CHECK(reports == std::vector<std::string>{"tasks: no"});
  CHECK(first == second);
}

// Tasks of a namespace that wait until Release.
class Hanging {
 public:
  explicit Hanging(WorkerPool& pool) : pool_(pool) {}

  void Post(const std::string& namespace_name, int count) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(pool_
                  .Post(namespace_name,
                        [this] {
                          started_.release();
                          release_.acquire();
                        })
                  .ok());
      ++posted_;
    }
  }
  void AwaitStarted(int count) {
    for (int i = 0; i < count; ++i) started_.acquire();
  }
  // Whether another task has started.
  bool OneMoreStarts() { return started_.try_acquire(); }
  void Release() { release_.release(posted_); }

 private:
  WorkerPool& pool_;
  int posted_ = 0;
  std::counting_semaphore<> started_{0};
  std::counting_semaphore<> release_{0};
};

TEST_CASE("worker pool: a namespace whose tasks hang leaves threads for all others") {
  WorkerPool pool({.max_threads = 8});
  Hanging hanging(pool);
  hanging.Post("greedy", 100);
  hanging.AwaitStarted(4);
  std::latch done(3);
  for (const std::string name : {"a", "b", "c"}) {
    REQUIRE(pool.Post(name, [&] { done.count_down(); }).ok());
  }
  done.wait();
  CHECK_FALSE(hanging.OneMoreStarts());
  hanging.Release();
}

TEST_CASE("worker pool: the node's own work may use all threads, and runs first") {
  WorkerPool pool({.max_threads = 4});
  Hanging hanging(pool);
  hanging.Post("greedy", 10);
  hanging.AwaitStarted(2);
  hanging.Post("", 2);
  hanging.AwaitStarted(2);
  std::latch done(1);
  REQUIRE(pool.Post("", [&] { done.count_down(); }).ok());
  hanging.Release();
  done.wait();
}

TEST_CASE("worker pool: namespaces take turns, however many tasks each has queued") {
  std::vector<std::string> order;
  {
    WorkerPool pool({.max_threads = 1});
    Hanging hanging(pool);
    hanging.Post("", 1);
    hanging.AwaitStarted(1);
    for (int i = 0; i < 3; ++i) {
      REQUIRE(pool.Post("a", [&] { order.push_back("a"); }).ok());
    }
    for (const std::string name : {"b", "c"}) {
      REQUIRE(pool.Post(name, [&order, name] { order.push_back(name); }).ok());
    }
    hanging.Release();
    std::latch done(1);
    REQUIRE(pool.Post("z", [&] { done.count_down(); }).ok());
    done.wait();
  }
  CHECK(order == std::vector<std::string>{"a", "b", "c", "a", "a"});
}

TEST_CASE("worker pool: a namespace that fills its share of the queue is refused, others are not") {
  std::vector<std::string> refused;
  WorkerPool pool({.max_threads = 1,
                   .max_queued = 8,
                   .name = "pool",
                   .on_refusal = [&](auto resource, auto& name) {
                     refused.push_back(std::string(resource) + "/" + name);
                   }});
  Hanging hanging(pool);
  hanging.Post("", 1);
  hanging.AwaitStarted(1);
  for (int i = 0; i < 4; ++i) REQUIRE(pool.Post("greedy", [] {}).ok());
  const Status one_more = pool.Post("greedy", [] {});
  REQUIRE_FALSE(one_more.ok());
  CHECK(one_more.error().code() == ErrorCode::kThrottled);
  CHECK(one_more.error().message() ==
        "too many requests of namespace greedy are waiting on this node");
  CHECK(pool.Post("a", [] {}).ok());
  CHECK(refused == std::vector<std::string>{"pool/greedy"});
  hanging.Release();
}

}  // namespace
}  // namespace nodekeep

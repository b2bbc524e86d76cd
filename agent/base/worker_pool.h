#pragma once

// A bounded pool of threads for blocking work.
//
// A thread is started when work is queued and no thread is idle, up to `max_threads`, and exits
// after `idle_timeout` without work, so that an idle agent holds no stacks. The queue is bounded
// too: when it is full, Post returns an error.
//
// Thread-safe. The destructor runs all queued tasks, then joins every thread.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

class WorkerPool {
 public:
  struct Options {
    std::size_t max_threads = 128;
    std::size_t max_queued = 4096;
    Duration idle_timeout = std::chrono::seconds(10);
    std::string_view name = "worker";  // of the threads: a constant of at most 15 characters
    ExceptionReporter on_exception{};  // of tasks
  };

  explicit WorkerPool(Options options);
  ~WorkerPool();

  // Errors: kThrottled when the queue is full, kShuttingDown during destruction. `task` must not
  // wait for another task of the same pool. An exception from it is only reported: the task itself
  // must complete its waiters before it throws.
  Status Post(std::function<void()> task);

 private:
  void Run();

  const Options options_;

  Mutex mutex_;
  std::condition_variable work_or_stop_;
  std::deque<std::function<void()>> queue_ NODEKEEP_GUARDED_BY(mutex_);
  std::unordered_map<std::thread::id, std::thread> threads_ NODEKEEP_GUARDED_BY(mutex_);
  // Exited after the idle timeout, to be joined.
  std::deque<std::thread> finished_ NODEKEEP_GUARDED_BY(mutex_);
  std::size_t idle_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  bool stopping_ NODEKEEP_GUARDED_BY(mutex_) = false;
};

}  // namespace nodekeep

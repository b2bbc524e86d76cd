#pragma once

// A bounded pool of threads for blocking work, shared fairly by namespaces.
//
// A thread is started when a task can run and no thread is idle, up to `max_threads`, and exits
// after `idle_timeout` without work, so that an idle agent holds no stacks. Threads and places in
// the queue are shared resources (shared_resource.h): a namespace whose tasks hang leaves threads
// for all others. Each namespace has a queue of its own, and those that may run a task take turns.
//
// Thread-safe. The destructor runs all queued tasks, then joins every thread.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/shared_resource.h"
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
    RefusalReporter on_refusal{};      // of queue places; the resource is `name`
  };

  explicit WorkerPool(Options options);
  ~WorkerPool();

  // `namespace_name`: whose share the task uses; "" = the node's own work, which runs before that
  // of namespaces and may use all threads. Errors: kThrottled when the namespace's share of the
  // queue is full, kShuttingDown during destruction. `task` must not wait for another task of the
  // same pool. An exception from it is only reported: the task itself must complete its waiters
  // before it throws.
  Status Post(const std::string& namespace_name, std::function<void()> task);

 private:
  struct Task {
    std::function<void()> run;
    SharedResource::Grant place;  // in the queue
  };
  using Queues = std::map<std::string, std::deque<Task>>;

  void Run();
  // The next queue, in turn, of which a task may run; end() if there is none.
  Queues::iterator NextQueue() NODEKEEP_REQUIRES(mutex_);
  // Starts a thread if there may be more tasks than idle threads. An error only if no thread is
  // left to run the task.
  Status AddThread() NODEKEEP_REQUIRES(mutex_);
  Task TakeTask(Queues::iterator queue) NODEKEEP_REQUIRES(mutex_);

  const Options options_;
  SharedResource threads_in_use_;
  SharedResource places_;

  Mutex mutex_;
  std::condition_variable work_or_stop_;
  Queues queues_ NODEKEEP_GUARDED_BY(mutex_);           // by namespace; none is empty
  std::size_t queued_ NODEKEEP_GUARDED_BY(mutex_) = 0;  // in all queues
  std::string latest_ NODEKEEP_GUARDED_BY(mutex_);      // namespace of the latest task
  std::unordered_map<std::thread::id, std::thread> threads_ NODEKEEP_GUARDED_BY(mutex_);
  // Exited after the idle timeout, to be joined.
  std::deque<std::thread> finished_ NODEKEEP_GUARDED_BY(mutex_);
  std::size_t idle_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  bool stopping_ NODEKEEP_GUARDED_BY(mutex_) = false;
};

}  // namespace nodekeep

#include "agent/base/worker_pool.h"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace nodekeep {

WorkerPool::WorkerPool(Options options)
    : options_(std::move(options)),
      threads_in_use_({.name = options_.name, .capacity = options_.max_threads}),
      places_({.name = options_.name,
               .capacity = options_.max_queued,
               .on_refusal = options_.on_refusal}) {}

WorkerPool::~WorkerPool() {
  std::unordered_map<std::thread::id, std::thread> running;
  std::deque<std::thread> finished;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    running.swap(threads_);
    finished.swap(finished_);
  }
  work_or_stop_.notify_all();
  for (auto& [id, thread] : running) thread.join();
  for (std::thread& thread : finished) thread.join();
}

Status WorkerPool::Post(const std::string& namespace_name, std::function<void()> task) {
  std::optional<SharedResource::Grant> place = places_.TryTake(namespace_name, 1);
  std::deque<std::thread> finished;
  {
    MutexLock lock(mutex_);
    if (stopping_) return Error(ErrorCode::kShuttingDown, "the agent is stopping");
    if (!place) {
      return namespace_name.empty()
                 ? Error(ErrorCode::kThrottled, "too many requests are waiting on this node")
                 : Error::Format(ErrorCode::kThrottled,
                                 "too many requests of namespace {} are waiting on this node",
                                 namespace_name);
    }
    finished.swap(finished_);
    const auto queue = queues_.try_emplace(namespace_name).first;
    queue->second.push_back({std::move(task), *std::move(place)});
    ++queued_;
    if (Status started = AddThread(); !started.ok()) {
      queue->second.pop_back();
      if (queue->second.empty()) queues_.erase(queue);
      --queued_;
      return started;
    }
  }
  work_or_stop_.notify_one();
  for (std::thread& thread : finished) thread.join();
  return {};
}

Status WorkerPool::AddThread() {
  if (stopping_ || idle_ >= queued_ || threads_.size() >= options_.max_threads) return {};
  if (NextQueue() == queues_.end()) return {};
  try {
    std::thread thread([this] { Run(); });
    threads_.emplace(thread.get_id(), std::move(thread));
  } catch (const std::system_error& error) {
    if (threads_.empty()) {
      return Error::Format(ErrorCode::kThrottled, "cannot start a worker thread: {}", error.what());
    }
  }
  return {};
}

WorkerPool::Queues::iterator WorkerPool::NextQueue() {
  if (queues_.empty() || stopping_) return queues_.begin();
  // The node's own work sorts first.
  if (queues_.begin()->first.empty()) return queues_.begin();
  auto queue = queues_.upper_bound(latest_);
  for (std::size_t seen = 0; seen < queues_.size(); ++seen, ++queue) {
    if (queue == queues_.end()) queue = queues_.begin();
    if (threads_in_use_.MayTake(queue->first, 1)) return queue;
  }
  return queues_.end();
}

WorkerPool::Task WorkerPool::TakeTask(Queues::iterator queue) {
  Task task = std::move(queue->second.front());
  queue->second.pop_front();
  --queued_;
  latest_ = queue->first;
  if (queue->second.empty()) queues_.erase(queue);
  return task;
}

void WorkerPool::Run() {
  pthread_setname_np(pthread_self(), std::string(options_.name).c_str());
  MutexLock lock(mutex_);
  while (true) {
    ++idle_;
    const bool woken = work_or_stop_.wait_for(lock.native(), options_.idle_timeout, [this] {
      mutex_.AssertHeld();
      return stopping_ || NextQueue() != queues_.end();
    });
    --idle_;
    if (const auto queue = NextQueue(); queue != queues_.end()) {
      // Counted although it may exceed the share during destruction, when everything is run.
      SharedResource::Grant thread = threads_in_use_.TakeExisting(queue->first, 1);
      Task task = TakeTask(queue);
      // The end of the task before may have made room for more than one.
      if (NextQueue() != queues_.end()) {
        // Without another thread, the next task waits for this one.
        if (idle_ == 0) (void)AddThread();
        work_or_stop_.notify_one();
      }
      lock.unlock();
      task.place = SharedResource::Grant();
      RunReported(options_.name, options_.on_exception, task.run);
      task.run = nullptr;  // destroys the captures outside the lock
      thread = SharedResource::Grant();
      lock.lock();
      continue;
    }
    if (stopping_) return;
    if (!woken) break;
  }
  // Not found if the destructor has already moved the table; it then joins this thread.
  auto self = threads_.find(std::this_thread::get_id());
  if (self != threads_.end()) {
    finished_.push_back(std::move(self->second));
    threads_.erase(self);
  }
}

}  // namespace nodekeep

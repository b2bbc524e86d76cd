#include "agent/base/worker_pool.h"

#include <pthread.h>

#include <string>
#include <system_error>
#include <utility>

#include "agent/base/mutex.h"

namespace nodekeep {

WorkerPool::WorkerPool(Options options) : options_(std::move(options)) {}

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

Status WorkerPool::Post(std::function<void()> task) {
  std::deque<std::thread> finished;
  {
    MutexLock lock(mutex_);
    if (stopping_) return Error(ErrorCode::kShuttingDown, "the agent is stopping");
    if (queue_.size() >= options_.max_queued) {
      return Error(ErrorCode::kThrottled, "too many requests are waiting on this node");
    }
    finished.swap(finished_);
    queue_.push_back(std::move(task));
    if (idle_ < queue_.size() && threads_.size() < options_.max_threads) {
      try {
        std::thread thread([this] { Run(); });
        threads_.emplace(thread.get_id(), std::move(thread));
      } catch (const std::system_error& error) {
        // A failed thread start is an error only if no thread is left to run the task.
        if (threads_.empty()) {
          queue_.pop_back();
          return Error::Format(ErrorCode::kThrottled, "cannot start a worker thread: {}",
                               error.what());
        }
      }
    }
  }
  work_or_stop_.notify_one();
  for (std::thread& thread : finished) thread.join();
  return {};
}

void WorkerPool::Run() {
  pthread_setname_np(pthread_self(), std::string(options_.name).c_str());
  MutexLock lock(mutex_);
  while (true) {
    ++idle_;
    const bool woken = work_or_stop_.wait_for(lock.native(), options_.idle_timeout, [this] {
      mutex_.AssertHeld();
      return stopping_ || !queue_.empty();
    });
    --idle_;
    if (!queue_.empty()) {
      std::function<void()> task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      RunReported(options_.name, options_.on_exception, task);
      task = nullptr;  // destroys the captures outside the lock
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

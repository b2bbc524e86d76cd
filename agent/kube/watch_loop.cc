#include "agent/kube/watch_loop.h"

#include <algorithm>
#include <utility>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

constexpr std::string_view kThread = "watch";
constexpr Duration kAfterException = std::chrono::seconds(1);

}  // namespace

CurlClient::Options WatchConnections(std::size_t watches, ExceptionReporter on_exception) {
  constexpr std::size_t kBeingReplaced = 16;
  CurlClient::Options options;
  options.max_connections_per_host = options.max_connections = watches + kBeingReplaced;
  options.on_exception = std::move(on_exception);
  return options;
}

void WatchLoop::Waker::Wake() {
  MutexLock lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

WatchLoop::WatchLoop(WatchDependencies dependencies)
    : dependencies_(std::move(dependencies)), thread_([this](std::stop_token stop) {
        RunGuarded(kThread, stop, dependencies_.clock, dependencies_.on_exception,
                   [&] { Run(stop); });
      }) {}

void WatchLoop::Add(Member& member) {
  {
    MutexLock lock(mutex_);
    members_.push_back(&member);
  }
  waker_->Wake();
}

void WatchLoop::Remove(Member& member) {
  {
    MutexLock lock(mutex_);
    std::erase(members_, &member);
    idle_.wait(lock.native(), [&] {
      mutex_.AssertHeld();
      return busy_ != &member;
    });
  }
  // Erasing moves later members forward, so CallAll may have skipped one.
  waker_->Wake();
}

void WatchLoop::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const SteadyTime next = CallAll();
    MutexLock lock(waker_->mutex_);
    dependencies_.clock.WaitUntil(lock, waker_->changed_, stop, next, [this] {
      waker_->mutex_.AssertHeld();
      return waker_->woken_;
    });
    waker_->woken_ = false;
  }
}

SteadyTime WatchLoop::CallAll() {
  SteadyTime next = SteadyTime::max();
  std::size_t position = 0;
  while (Member* member = Next(position)) {
    const SteadyTime now = dependencies_.clock.Now();
    SteadyTime due = now + kAfterException;
    RunReported(kThread, dependencies_.on_exception, [&] { due = member->Advance(now); });
    next = std::min(next, due);
  }
  return next;
}

WatchLoop::Member* WatchLoop::Next(std::size_t& position) {
  MutexLock lock(mutex_);
  busy_ = nullptr;
  idle_.notify_all();
  if (position >= members_.size()) return nullptr;
  busy_ = members_[position++];
  return busy_;
}

}  // namespace nodekeep

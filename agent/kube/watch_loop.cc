#include "agent/kube/watch_loop.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace nodekeep {

void WatchLoop::Bell::Ring() {
  std::lock_guard lock(mutex_);
  rung_ = true;
  changed_.notify_all();
}

WatchLoop::WatchLoop(WatchParts parts)
    : parts_(std::move(parts)), thread_([this](std::stop_token stop) { Run(std::move(stop)); }) {}

void WatchLoop::Add(Member& member) {
  {
    std::lock_guard lock(mutex_);
    members_.push_back(&member);
  }
  bell_->Ring();
}

void WatchLoop::Remove(Member& member) {
  {
    std::unique_lock lock(mutex_);
    std::erase(members_, &member);
    turn_over_.wait(lock, [&] { return busy_ != &member; });
  }
  // Another member may have slipped past its turn in the list.
  bell_->Ring();
}

void WatchLoop::Run(std::stop_token stop) {
  pthread_setname_np(pthread_self(), "watch");
  while (!stop.stop_requested()) {
    const SteadyTime next = CallAll();
    std::unique_lock lock(bell_->mutex_);
    parts_.clock.WaitUntil(lock, bell_->changed_, stop, next, [this] { return bell_->rung_; });
    bell_->rung_ = false;
  }
}

SteadyTime WatchLoop::CallAll() {
  SteadyTime next = SteadyTime::max();
  std::size_t position = 0;
  while (Member* member = NextTurn(position)) {
    next = std::min(next, member->MoveOn(parts_.clock.Now()));
  }
  return next;
}

WatchLoop::Member* WatchLoop::NextTurn(std::size_t& position) {
  std::lock_guard lock(mutex_);
  busy_ = nullptr;
  turn_over_.notify_all();
  if (position >= members_.size()) return nullptr;
  busy_ = members_[position++];
  return busy_;
}

}  // namespace nodekeep

#include "agent/kube/watch_loop.h"

#include <algorithm>
#include <utility>

namespace nodekeep {
namespace {

constexpr std::string_view kThread = "watch";
constexpr Duration kAfterException = std::chrono::seconds(1);

}  // namespace

void WatchLoop::Bell::Ring() {
  std::lock_guard lock(mutex_);
  rung_ = true;
  changed_.notify_all();
}

WatchLoop::WatchLoop(WatchParts parts)
    : parts_(std::move(parts)), thread_([this](std::stop_token stop) {
        RunGuarded(kThread, stop, parts_.clock, parts_.on_exception, [&] { Run(stop); });
      }) {}

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
    const SteadyTime now = parts_.clock.Now();
    SteadyTime own = now + kAfterException;
    RunReported(kThread, parts_.on_exception, [&] { own = member->MoveOn(now); });
    next = std::min(next, own);
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

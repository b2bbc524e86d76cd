#include "csi/rotation.h"

#include <memory>
#include <optional>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// A provider that hangs holds each of its refreshes for the whole budget, so volumes that failed
// the last time must not occupy all slots.
constexpr std::size_t kFailingAtOnce = 8;
// Delay until a failing volume that found no slot is tried again. Short, since after an outage all
// volumes of the node count as failing.
constexpr Duration kNoSlot = std::chrono::milliseconds(100);
// Delay after a refresh that has thrown, which returns no time for the next one.
constexpr Duration kAfterException = std::chrono::seconds(30);

}  // namespace

Rotation::Rotation(Options options, Dependencies dependencies)
    : options_(std::move(options)),
      deps_(dependencies),
      failing_turns_({.name = "failing_refreshes", .capacity = kFailingAtOnce}),
      thread_([this](std::stop_token stop) {
        RunGuarded("rotation", stop, deps_.clock, options_.on_exception, [&] { Run(stop); });
      }) {}

Rotation::~Rotation() {
  thread_.request_stop();
  thread_.join();
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.AssertHeld();
    return running_ == 0;
  });
}

void Rotation::Run(std::stop_token stop) {
  const Context context(SteadyTime::max(), stop);
  while (std::optional<Item> item = deps_.refreshes.Get(context)) {
    const OnThrow put_off([&] { item->AddAfter(kAfterException); });
    const std::optional<VolumeRecord> record = deps_.registry.Find(item->key());
    if (!record) continue;
    const bool failing = !record->state.error.empty() || record->state.slow;
    const std::string& namespace_name = record->volume->namespace_name;
    SharedResource::Grant turn;
    if (failing) {
      if (auto free = failing_turns_.TryTake(namespace_name, 1)) turn = *std::move(free);
    }
    if (!failing || turn.amount() > 0) {
      Start(*item, namespace_name, std::move(turn), stop);
    } else {
      item->AddAfter(kNoSlot);
    }
  }
}

void Rotation::Began() {
  MutexLock lock(mutex_);
  ++running_;
}

void Rotation::Ended() {
  // Notified under the lock: once `running_` is seen as 0, this object may be gone.
  MutexLock lock(mutex_);
  --running_;
  changed_.notify_all();
}

void Rotation::Start(Item& next, const std::string& namespace_name, SharedResource::Grant turn,
                     std::stop_token stop) {
  Began();
  const OnThrow not_started([&] { Ended(); });
  // Shared, because tasks of a pool are copyable.
  const auto item = std::make_shared<Item>(std::move(next));
  const auto held = std::make_shared<SharedResource::Grant>(std::move(turn));
  const OnThrow put_off([&] { item->AddAfter(kAfterException); });
  const Status posted = deps_.pool.Post(namespace_name, [this, item, namespace_name, held, stop] {
    const OnExit over([&] {
      // Before the end is counted: the pool may keep the task longer than this object lives.
      item->Done();
      *held = SharedResource::Grant();
      Ended();
    });
    const OnThrow put_off([&] { item->AddAfter(kAfterException); });
    const Context context =
        Context(deps_.clock.Now() + options_.budget, stop).WithNamespace(namespace_name);
    const std::optional<SteadyTime> due = deps_.volumes.Refresh(context, item->key());
    if (due) item->AddAt(*due);
  });
  if (posted.ok()) return;
  item->AddAfter(kNoSlot);
  Ended();
}

}  // namespace nodekeep

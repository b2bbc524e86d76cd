#include "csi/rotation.h"

#include <utility>

#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// Mounts have the better part of the pool, however many volumes are due at once.
constexpr std::size_t kAtOnce = 16;
// A provider that hangs holds each of its refreshes for all of its budget: those that failed the
// last time must not leave the others without a turn.
constexpr std::size_t kFailingAtOnce = 4;
// Short, since after an outage all volumes of the node count as failing.
constexpr Duration kNoTurn = std::chrono::milliseconds(100);
// Of a refresh that has thrown, which has not said when the volume is due again.
constexpr Duration kAfterException = std::chrono::seconds(30);

}  // namespace

Rotation::Rotation(VolumeRoad& road, VolumeRegistry& registry, WorkerPool& pool, const Clock& clock,
                   Duration budget, ExceptionReporter on_exception)
    : road_(road),
      registry_(registry),
      pool_(pool),
      clock_(clock),
      budget_(budget),
      thread_([this, report = std::move(on_exception)](std::stop_token stop) {
        RunGuarded("rotation", stop, clock_, report, [&] { Run(stop); });
      }) {}

Rotation::~Rotation() {
  thread_.request_stop();
  thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return running_ == 0; });
}

void Rotation::Run(std::stop_token stop) {
  const Context context(SteadyTime::max(), stop);
  while (!stop.stop_requested()) {
    const std::vector<std::string> due = registry_.AwaitDue(context);
    const OnThrow put_off([&] {
      for (const std::string& target : due) PutOff(target, kAfterException);
    });
    for (const std::string& target : due) {
      const std::optional<VolumeRecord> record = registry_.Find(target);
      if (!record) continue;
      const bool failing = !record->state.error.empty();
      {
        std::unique_lock lock(mutex_);
        if (failing && failing_running_ >= kFailingAtOnce) {
          lock.unlock();
          PutOff(target, kNoTurn);
          continue;
        }
        clock_.WaitUntil(lock, changed_, stop, SteadyTime::max(),
                         [this] { return running_ < kAtOnce; });
        if (stop.stop_requested()) return;
        ++running_;
        if (failing) ++failing_running_;
      }
      Start(target, failing, stop);
    }
  }
}

void Rotation::PutOff(const std::string& target_path, Duration delay) {
  registry_.MakeDue([&](const Volume& volume) { return volume.target_path == target_path; },
                    clock_.Now() + delay);
}

void Rotation::Start(const std::string& target_path, bool failing, std::stop_token stop) {
  const auto done = [this, failing] {
    std::lock_guard lock(mutex_);
    --running_;
    if (failing) --failing_running_;
    changed_.notify_all();
  };
  const OnThrow not_started(done);
  const Status posted = pool_.Post([this, target_path, stop, done] {
    const OnExit over(done);
    const OnThrow put_off([&] { PutOff(target_path, kAfterException); });
    road_.Refresh(Context(clock_.Now() + budget_, stop), target_path);
  });
  if (posted.ok()) return;
  done();
  PutOff(target_path, kNoTurn);
}

}  // namespace nodekeep

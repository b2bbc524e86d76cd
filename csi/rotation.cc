#include "csi/rotation.h"

#include <pthread.h>

namespace nodekeep {
namespace {

// Mounts have the better part of the pool, however many volumes are due at once.
constexpr std::size_t kAtOnce = 16;

}  // namespace

Rotation::Rotation(VolumeRoad& road, VolumeRegistry& registry, WorkerPool& pool, const Clock& clock,
                   Duration budget)
    : road_(road),
      registry_(registry),
      pool_(pool),
      clock_(clock),
      budget_(budget),
      thread_([this](std::stop_token stop) { Run(stop); }) {}

Rotation::~Rotation() {
  thread_.request_stop();
  thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return running_ == 0; });
}

void Rotation::Run(std::stop_token stop) {
  pthread_setname_np(pthread_self(), "rotation");
  const Context context(SteadyTime::max(), stop);
  while (!stop.stop_requested()) {
    for (const std::string& target : registry_.AwaitDue(context)) {
      {
        std::unique_lock lock(mutex_);
        clock_.WaitUntil(lock, changed_, stop, SteadyTime::max(),
                         [this] { return running_ < kAtOnce; });
        if (stop.stop_requested()) return;
        ++running_;
      }
      Start(target, stop);
    }
  }
}

void Rotation::Start(const std::string& target_path, std::stop_token stop) {
  const auto done = [this] {
    std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  };
  const Status posted = pool_.Post([this, target_path, stop, done] {
    road_.Refresh(Context(clock_.Now() + budget_, stop), target_path);
    done();
  });
  if (posted.ok()) return;
  done();
  registry_.MakeDue([&](const Volume& volume) { return volume.target_path == target_path; },
                    clock_.Now() + std::chrono::seconds(1));
}

}  // namespace nodekeep

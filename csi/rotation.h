#pragma once

// Keeps the volumes of this node fresh: takes those that are due and refreshes each on the pool.
//
// By our own clock, not by kubelet's repeated requests. Volumes that failed share a few of the
// turns. Destruction stops what is under way.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "csi/volume_road.h"

namespace nodekeep {

class Rotation {
 public:
  // `budget`: of one refresh. `on_exception`: of its thread, "rotation"; the pool reports those of
  // refreshes.
  Rotation(VolumeRoad& road, VolumeRegistry& registry, WorkerPool& pool, const Clock& clock,
           Duration budget, ExceptionReporter on_exception = {});
  ~Rotation();

 private:
  void Run(std::stop_token stop);
  // `failing`: its last refresh did.
  void Start(const std::string& target_path, bool failing, std::stop_token stop);
  void PutOff(const std::string& target_path, Duration delay);

  VolumeRoad& road_;
  VolumeRegistry& registry_;
  WorkerPool& pool_;
  const Clock& clock_;
  const Duration budget_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::size_t running_ = 0;
  std::size_t failing_running_ = 0;  // among them

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep

#pragma once

// Keeps the volumes of this node fresh: takes those that are due and refreshes each on the pool.
//
// By our own clock, not by kubelet's repeated requests. Destruction stops what is under way.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/worker_pool.h"
#include "csi/volume_road.h"

namespace nodekeep {

class Rotation {
 public:
  // `budget`: of one refresh.
  Rotation(VolumeRoad& road, VolumeRegistry& registry, WorkerPool& pool, const Clock& clock,
           Duration budget);
  ~Rotation();

 private:
  void Run(std::stop_token stop);
  void Start(const std::string& target_path, std::stop_token stop);

  VolumeRoad& road_;
  VolumeRegistry& registry_;
  WorkerPool& pool_;
  const Clock& clock_;
  const Duration budget_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t running_ = 0;  // guarded by mutex_

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep

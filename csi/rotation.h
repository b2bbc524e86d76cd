#pragma once

// Keeps the volumes of this node fresh: takes the target paths that are due from a queue and
// refreshes each volume on the pool.
//
// The times are the agent's own, not those of kubelet's repeated requests: a refresh returns when
// the next one is due, and a change that becomes known earlier adds the path to the queue. The
// queue limits how many refreshes run at a time, and shares them among namespaces; at most 8 are of
// volumes whose latest refresh has failed or was slow, shared in the same way.
//
// The destructor cancels running refreshes and waits for them.

#include <condition_variable>
#include <string>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/shared_resource.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/base/workqueue.h"
#include "csi/volume_registry.h"
#include "csi/volume_service.h"

namespace nodekeep {

// Refreshes at a time, for the queue's Options::max_in_work; one namespace has at most half. Fewer
// than the pool's threads, so that mounts find free ones however many volumes are due.
inline constexpr std::size_t kRefreshesAtOnce = 32;

class Rotation {
 public:
  struct Options {
    Duration budget = std::chrono::seconds(90);  // of one refresh
    // For its own thread, as "rotation"; the pool reports exceptions of refreshes.
    ExceptionReporter on_exception{};
  };
  // All must outlive this object.
  struct Dependencies {
    VolumeService& volumes;
    VolumeRegistry& registry;
    Workqueue<std::string>& refreshes;  // target paths; this is its only reader
    WorkerPool& pool;
    const Clock& clock;
  };

  Rotation(Options options, Dependencies dependencies);
  ~Rotation();

 private:
  using Item = Workqueue<std::string>::Item;

  void Run(std::stop_token stop);
  void Began();
  void Ended();
  // `turn`: held until the end of the refresh. Moves from `next`.
  void Start(Item& next, const std::string& namespace_name, SharedResource::Grant turn,
             std::stop_token stop);

  const Options options_;
  const Dependencies deps_;
  SharedResource failing_turns_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t running_ NODEKEEP_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep

#pragma once

// Metrics of mounts. Thread-safe.

#include <chrono>
#include <string_view>

#include "agent/base/metrics.h"

namespace nodekeep {

class MountMetrics {
 public:
  explicit MountMetrics(MetricsRegistry& registry);

  // `outcome` is "ok", "stale" or the name of an ErrorCode.
  void CountMount(std::string_view provider, std::string_view outcome,
                  std::chrono::duration<double> took);

 private:
  CounterFamily& mounts_;
  HistogramFamily& mount_seconds_;
};

}  // namespace nodekeep

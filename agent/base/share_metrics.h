#pragma once

// The metric of refused shares of the node's resources (shared_resource.h). Thread-safe.

#include <set>
#include <string>
#include <string_view>

#include "agent/base/metrics.h"
#include "agent/base/mutex.h"

namespace nodekeep {

class ShareMetrics {
 public:
  explicit ShareMetrics(MetricsRegistry& registry);

  // After the first 256 namespaces, others are counted together as "(other)".
  void CountRefusal(std::string_view resource, const std::string& namespace_name);

 private:
  CounterFamily& refusals_;
  Mutex mutex_;
  std::set<std::string> namespaces_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

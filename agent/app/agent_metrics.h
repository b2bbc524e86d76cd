#pragma once

// Metrics of the process as a whole. Thread-safe.

#include <string_view>

#include "agent/base/metrics.h"

namespace nodekeep {

class AgentMetrics {
 public:
  AgentMetrics(MetricsRegistry& registry, std::string_view version);

  void CountReload(bool ok);
  // An exception that ended a step of `thread`, one of our constants (thread_guard.h).
  void CountInternalError(std::string_view thread);

 private:
  CounterFamily& reloads_;
  CounterFamily& internal_errors_;
};

}  // namespace nodekeep

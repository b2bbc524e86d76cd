#pragma once

// Metrics of the gate in front of the backends. Thread-safe.

#include <string_view>

#include "agent/base/metrics.h"

namespace nodekeep {

class GateMetrics {
 public:
  explicit GateMetrics(MetricsRegistry& registry);

  void SetBreakerOpen(std::string_view host, bool open);
  // Removes the host's time series.
  void ForgetBreaker(std::string_view host);

 private:
  GaugeFamily& breaker_open_;
};

}  // namespace nodekeep

#pragma once

// Metrics of the gate in front of the backends. Thread-safe.

#include <set>
#include <string>
#include <string_view>

#include "agent/base/metrics.h"
#include "agent/base/mutex.h"

namespace nodekeep {

class GateMetrics {
 public:
  explicit GateMetrics(MetricsRegistry& registry);

  // The hosts with time series of their own: those that the operator has configured, because a
  // class may name any number of others. The others are counted together, as host="other". Names
  // are those of Origin::text. Replaces the previous ones.
  void NameHosts(std::set<std::string, std::less<>> hosts);

  void SetBreakerOpen(std::string_view host, bool open);
  void ForgetBreaker(std::string_view host);

 private:
  // Removes the host's time series.
  void Remove(const std::string& host) NODEKEEP_REQUIRES(mutex_);

  GaugeFamily& breaker_open_;

  Mutex mutex_;
  std::set<std::string, std::less<>> named_ NODEKEEP_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> other_open_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

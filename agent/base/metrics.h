#pragma once

// The registry of the process's metrics. Each module declares its own metrics over it
// (agent/secrets/fetch_metrics.h and the like); docs/metrics.md lists all of them for users.
//
// Labels carry provider names, outcomes, configured hosts and names of namespaces; never a path, a
// value, a pod name or a token. Thread-safe, as are the families.

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

namespace nodekeep {

using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using HistogramFamily = prometheus::Family<prometheus::Histogram>;

class MetricsRegistry {
 public:
  // The families live as long as the registry. Precondition: each name is registered once.
  CounterFamily& Counter(const std::string& name, const std::string& help);
  GaugeFamily& Gauge(const std::string& name, const std::string& help);
  HistogramFamily& Histogram(const std::string& name, const std::string& help);

  // The text exposition format of Prometheus.
  std::string Render() const;

 private:
  prometheus::Registry registry_;
};

}  // namespace nodekeep

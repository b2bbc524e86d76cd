#include "agent/base/metrics.h"

#include <prometheus/text_serializer.h>

namespace nodekeep {

CounterFamily& MetricsRegistry::Counter(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
}

GaugeFamily& MetricsRegistry::Gauge(const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
}

HistogramFamily& MetricsRegistry::Histogram(const std::string& name, const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
}

std::string MetricsRegistry::Render() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace nodekeep

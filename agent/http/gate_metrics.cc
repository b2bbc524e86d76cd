#include "agent/http/gate_metrics.h"

#include <string>

namespace nodekeep {

GateMetrics::GateMetrics(MetricsRegistry& registry)
    : breaker_open_(
          registry.Gauge("nodekeep_backend_breaker_open",
                         "1 while calls to this backend host are held back after failures.")) {}

void GateMetrics::SetBreakerOpen(std::string_view host, bool open) {
  breaker_open_.Add({{"host", std::string(host)}}).Set(open ? 1 : 0);
}

void GateMetrics::ForgetBreaker(std::string_view host) {
  breaker_open_.Remove(&breaker_open_.Add({{"host", std::string(host)}}));
}

}  // namespace nodekeep

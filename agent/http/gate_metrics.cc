#include "agent/http/gate_metrics.h"

#include <utility>

namespace nodekeep {

GateMetrics::GateMetrics(MetricsRegistry& registry)
    : breaker_open_(
          registry.Gauge("nodekeep_backend_breaker_open",
                         "1 while calls to this configured backend host, or those of one namespace "
                         "to it, are held "
                         "back after failures; of \"other\": the number of such hosts.")) {}

void GateMetrics::NameHosts(std::set<std::string, std::less<>> hosts) {
  MutexLock lock(mutex_);
  named_.swap(hosts);
  for (const std::string& host : hosts) {
    if (!named_.contains(host)) Remove(host);
  }
  for (const std::string& host : named_) {
    if (other_open_.erase(host) > 0) breaker_open_.Add({{"host", host}}).Set(1);
  }
  breaker_open_.Add({{"host", "other"}}).Set(static_cast<double>(other_open_.size()));
}

void GateMetrics::SetBreakerOpen(std::string_view host, bool open) {
  const std::string name(host);
  MutexLock lock(mutex_);
  if (named_.contains(name)) {
    breaker_open_.Add({{"host", name}}).Set(open ? 1 : 0);
    return;
  }
  if (open) {
    other_open_.insert(name);
  } else {
    other_open_.erase(name);
  }
  breaker_open_.Add({{"host", "other"}}).Set(static_cast<double>(other_open_.size()));
}

void GateMetrics::ForgetBreaker(std::string_view host) {
  const std::string name(host);
  MutexLock lock(mutex_);
  if (named_.contains(name)) {
    Remove(name);
  } else if (other_open_.erase(name) > 0) {
    breaker_open_.Add({{"host", "other"}}).Set(static_cast<double>(other_open_.size()));
  }
}

void GateMetrics::Remove(const std::string& host) {
  breaker_open_.Remove(&breaker_open_.Add({{"host", host}}));
}

}  // namespace nodekeep

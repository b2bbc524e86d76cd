#include "agent/secrets/fetch_metrics.h"

#include <string>

namespace nodekeep {
namespace {

prometheus::Labels Of(std::string_view provider) { return {{"provider", std::string(provider)}}; }

prometheus::Labels Of(std::string_view provider, const char* label, std::string_view value) {
  return {{"provider", std::string(provider)}, {label, std::string(value)}};
}

}  // namespace

FetchMetrics::FetchMetrics(MetricsRegistry& registry)
    : cache_hits_(registry.Counter("nodekeep_cache_hits_total",
                                   "Secrets served from memory without a backend read.")),
      cache_misses_(registry.Counter("nodekeep_cache_misses_total",
                                     "Secrets that had to be read from the backend.")),
      stale_served_(
          registry.Counter("nodekeep_stale_served_total",
                           "Secrets served past their refresh age while the backend was down.")),
      logins_(registry.Counter("nodekeep_logins_total", "Backend logins, by outcome.")),
      backend_reads_(registry.Counter("nodekeep_backend_reads_total",
                                      "Secrets read from a backend, by outcome.")),
      lease_events_(registry.Counter("nodekeep_lease_events_total",
                                     "Leases renewed, revoked, lost or re-issued.")),
      cache_entries_(registry.Gauge("nodekeep_cache_entries", "Sealed entries in memory.").Add({})),
      cache_bytes_(
          registry.Gauge("nodekeep_cache_bytes", "Bytes held by sealed entries.").Add({})) {}

void FetchMetrics::CountCacheHits(std::string_view provider, std::size_t count) {
  cache_hits_.Add(Of(provider)).Increment(static_cast<double>(count));
}

void FetchMetrics::CountCacheMisses(std::string_view provider, std::size_t count) {
  cache_misses_.Add(Of(provider)).Increment(static_cast<double>(count));
}

void FetchMetrics::CountStaleServed(std::string_view provider, std::size_t count) {
  stale_served_.Add(Of(provider)).Increment(static_cast<double>(count));
}

void FetchMetrics::CountLogin(std::string_view provider, std::string_view outcome) {
  logins_.Add(Of(provider, "outcome", outcome)).Increment();
}

void FetchMetrics::CountBackendRead(std::string_view provider, std::string_view outcome) {
  backend_reads_.Add(Of(provider, "outcome", outcome)).Increment();
}

void FetchMetrics::CountLeaseEvent(std::string_view provider, std::string_view event) {
  lease_events_.Add(Of(provider, "event", event)).Increment();
}

void FetchMetrics::SetCache(std::size_t entries, std::size_t bytes) {
  cache_entries_.Set(static_cast<double>(entries));
  cache_bytes_.Set(static_cast<double>(bytes));
}

}  // namespace nodekeep

#pragma once

// Metrics of the core: cache, logins, reads and leases. Thread-safe.

#include <cstddef>
#include <string_view>

#include "agent/base/metrics.h"

namespace nodekeep {

class FetchMetrics {
 public:
  explicit FetchMetrics(MetricsRegistry& registry);

  void CountCacheHits(std::string_view provider, std::size_t count);
  void CountCacheMisses(std::string_view provider, std::size_t count);
  void CountStaleServed(std::string_view provider, std::size_t count);
  // `outcome` is "ok" or the name of an ErrorCode.
  void CountLogin(std::string_view provider, std::string_view outcome);
  // One per secret requested from a backend.
  void CountBackendRead(std::string_view provider, std::string_view outcome);
  void CountLeaseEvent(std::string_view provider, std::string_view event);
  void SetCache(std::size_t entries, std::size_t bytes);

 private:
  CounterFamily& cache_hits_;
  CounterFamily& cache_misses_;
  CounterFamily& stale_served_;
  CounterFamily& logins_;
  CounterFamily& backend_reads_;
  CounterFamily& lease_events_;
  prometheus::Gauge& cache_entries_;
  prometheus::Gauge& cache_bytes_;
};

}  // namespace nodekeep

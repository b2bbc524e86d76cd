#include "agent/secrets/fetch_metrics.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("fetch metrics: each is rendered under its documented name") {
  MetricsRegistry registry;
  FetchMetrics metrics(registry);
  metrics.CountCacheHits("vault", 10);
  metrics.CountCacheMisses("vault", 2);
  metrics.CountStaleServed("dev", 1);
  metrics.CountLogin("vault", "ok");
  metrics.CountBackendRead("vault", "not_found");
  metrics.CountLeaseEvent("vault", "renewed");
  metrics.SetCache(7, 4096);

  const std::string text = registry.Render();
  for (const char* line :
       {R"(nodekeep_cache_hits_total{provider="vault"} 10)",
        R"(nodekeep_cache_misses_total{provider="vault"} 2)",
        R"(nodekeep_stale_served_total{provider="dev"} 1)",
        R"(nodekeep_logins_total{outcome="ok",provider="vault"} 1)",
        R"(nodekeep_backend_reads_total{outcome="not_found",provider="vault"} 1)",
        R"(nodekeep_lease_events_total{event="renewed",provider="vault"} 1)",
        "nodekeep_cache_entries 7", "nodekeep_cache_bytes 4096"}) {
    INFO(line);
    CHECK(text.find(std::string(line)) != std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep

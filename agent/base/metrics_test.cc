#include "agent/base/metrics.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("metrics: everything that is counted is rendered under its documented name") {
  Metrics metrics("1.2.3");
  metrics.CountMount("vault", "ok", std::chrono::milliseconds(30));
  metrics.CountMount("vault", "ok", std::chrono::milliseconds(3));
  metrics.CountMount("vault", "denied", std::chrono::milliseconds(1));
  metrics.CountCacheHits("vault", 10);
  metrics.CountCacheMisses("vault", 2);
  metrics.CountStaleServed("dev", 1);
  metrics.CountLogin("vault", "ok");
  metrics.CountBackendRead("vault", "not_found");
  metrics.CountLeaseEvent("vault", "renewed");
  metrics.CountReload(true);
  metrics.CountReload(false);
  metrics.CountInternalError("rotation");
  metrics.SetVolumes("stale", 3);
  metrics.SetVolumesNotMirrored(2);
  metrics.SetOldestContent(std::chrono::seconds(90));
  metrics.SetEventsDropped(1);
  metrics.SetEventsDropped(4);
  metrics.SetEventsDropped(3);
  metrics.SetCache(7, 4096);
  metrics.SetBreakerOpen("bao.example:8200", true);

  const std::string text = metrics.Render();
  for (const char* line :
       {R"(nodekeep_build_info{version="1.2.3"} 1)",
        R"(nodekeep_mounts_total{outcome="ok",provider="vault"} 2)",
        R"(nodekeep_mounts_total{outcome="denied",provider="vault"} 1)",
        R"(nodekeep_mount_duration_seconds_count{provider="vault"} 3)",
        R"(nodekeep_mount_duration_seconds_bucket{provider="vault",le="0.005"} 2)",
        R"(nodekeep_cache_hits_total{provider="vault"} 10)",
        R"(nodekeep_cache_misses_total{provider="vault"} 2)",
        R"(nodekeep_stale_served_total{provider="dev"} 1)",
        R"(nodekeep_logins_total{outcome="ok",provider="vault"} 1)",
        R"(nodekeep_backend_reads_total{outcome="not_found",provider="vault"} 1)",
        R"(nodekeep_lease_events_total{event="renewed",provider="vault"} 1)",
        R"(nodekeep_config_reloads_total{outcome="ok"} 1)",
        R"(nodekeep_config_reloads_total{outcome="rejected"} 1)",
        R"(nodekeep_internal_errors_total{thread="rotation"} 1)",
        "nodekeep_cache_entries 7",
        "nodekeep_cache_bytes 4096",
        R"(nodekeep_backend_breaker_open{host="bao.example:8200"} 1)",
        R"(nodekeep_volumes{standing="stale"} 3)",
        "nodekeep_volumes_not_mirrored 2",
        "nodekeep_volume_oldest_content_seconds 90",
        "nodekeep_events_dropped_total 4",
        "# TYPE nodekeep_mounts_total counter",
        "# TYPE nodekeep_mount_duration_seconds histogram"}) {
    INFO(line);
    CHECK(text.find(std::string(line)) != std::string::npos);
  }
  metrics.SetBreakerOpen("bao.example:8200", false);
  CHECK(metrics.Render().find(R"(breaker_open{host="bao.example:8200"} 0)") != std::string::npos);
  metrics.ForgetBreaker("bao.example:8200");
  CHECK(metrics.Render().find("bao.example") == std::string::npos);
}

}  // namespace
}  // namespace nodekeep

#include "agent/mount/mount_metrics.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("mount metrics: each is rendered under its documented name") {
  MetricsRegistry registry;
  MountMetrics metrics(registry);
  metrics.CountMount("vault", "ok", std::chrono::milliseconds(30));
  metrics.CountMount("vault", "ok", std::chrono::milliseconds(3));
  metrics.CountMount("vault", "denied", std::chrono::milliseconds(1));

  const std::string text = registry.Render();
  for (const char* line :
       {R"(nodekeep_mounts_total{outcome="ok",provider="vault"} 2)",
        R"(nodekeep_mounts_total{outcome="denied",provider="vault"} 1)",
        R"(nodekeep_mount_duration_seconds_count{provider="vault"} 3)",
        R"(nodekeep_mount_duration_seconds_bucket{provider="vault",le="0.005"} 2)",
        "# TYPE nodekeep_mounts_total counter",
        "# TYPE nodekeep_mount_duration_seconds histogram"}) {
    INFO(line);
    CHECK(text.find(std::string(line)) != std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep

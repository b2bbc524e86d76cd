#include "csi/driver_metrics.h"

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("driver metrics: each is rendered under its documented name") {
  MetricsRegistry registry;
  DriverMetrics metrics(registry, [](const std::string& name) { return name == "vault"; });
  metrics.CountPublish("vault");
  metrics.CountPublishError("vault", "FailedToMount");
  metrics.CountUnpublish();
  metrics.CountUnpublishError();
  metrics.CountRotation("vault", true);
  metrics.CountRotationError("vault", "FailedToRotate");
  metrics.ObserveRotation(std::chrono::milliseconds(120));
  metrics.SetVolumes("stale", 3);
  metrics.SetVolumesNotMirrored(2);
  metrics.SetOldestContent(std::chrono::seconds(90));
  metrics.SetEventsDropped(1);
  metrics.SetEventsDropped(4);
  metrics.SetEventsDropped(3);

  const std::string text = registry.Render();
  for (
      const char* line :
      {R"(node_publish_total{os_type="linux",provider="vault"} 1)",
       R"(node_publish_error_total{error_type="FailedToMount",os_type="linux",provider="vault"} 1)",
       R"(node_unpublish_total{os_type="linux"} 1)",
       R"(node_unpublish_error_total{os_type="linux"} 1)",
       R"(rotation_reconcile_total{os_type="linux",provider="vault",rotated="true"} 1)",
       R"(rotation_reconcile_error_total{error_type="FailedToRotate",os_type="linux",)"
       R"(provider="vault",rotated="false"} 1)",
       R"(rotation_reconcile_duration_sec_bucket{os_type="linux",le="0.134928"} 1)",
       R"(nodekeep_volumes{standing="stale"} 3)", "nodekeep_volumes_not_mirrored 2",
       "nodekeep_volume_oldest_content_seconds 90", "nodekeep_events_dropped_total 4"}) {
    INFO(line);
    CHECK(text.find(std::string(line)) != std::string::npos);
  }
}

TEST_CASE("driver metrics: text of tenants does not become a label") {
  MetricsRegistry registry;
  bool is_there = true;
  DriverMetrics metrics(registry,
                        [&](const std::string& name) { return is_there && name == "vault"; });
  for (int i = 0; i < 1000; ++i) {
    const std::string text = fmt::format("tenant-{}", i);
    metrics.CountPublish(text);
    metrics.CountPublishError(text, text);
    metrics.CountRotation(text, true);
    metrics.CountRotationError(text, text + "\n{}");
    metrics.CountPublishError("vault", std::string(65, 'x'));
  }
  metrics.CountPublish("vault");
  is_there = false;  // a foreign provider that restarts
  metrics.CountPublish("vault");
  metrics.CountPublish("");

  const std::string text = registry.Render();
  CHECK(text.size() < 20'000);
  for (const char* line :
       {R"(node_publish_total{os_type="linux",provider="unknown"} 1000)",
        R"(node_publish_total{os_type="linux",provider="vault"} 2)",
        R"(node_publish_total{os_type="linux",provider=""} 1)",
        R"(node_publish_error_total{error_type="tenant-63",os_type="linux",provider="unknown"} 1)",
        R"(node_publish_error_total{error_type="other",os_type="linux",provider="unknown"} 936)",
        R"(node_publish_error_total{error_type="other",os_type="linux",provider="vault"} 1000)",
        R"(rotation_reconcile_error_total{error_type="other",os_type="linux",)"
        R"(provider="unknown",rotated="false"} 1000)"}) {
    INFO(line);
    CHECK(text.find(std::string(line)) != std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep

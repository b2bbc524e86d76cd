#include "csi/driver_metrics.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("driver metrics: each is rendered under its documented name") {
  MetricsRegistry registry;
  DriverMetrics metrics(registry);
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

}  // namespace
}  // namespace nodekeep

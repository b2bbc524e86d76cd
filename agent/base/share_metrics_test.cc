#include "agent/base/share_metrics.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

TEST_CASE("share metrics: refusals are counted by resource and namespace") {
  MetricsRegistry registry;
  ShareMetrics metrics(registry);
  metrics.CountRefusal("volume_bytes", "team-a");
  metrics.CountRefusal("volume_bytes", "team-a");
  CHECK(registry.Render().find("nodekeep_share_refusals_total{namespace=\"team-a\","
                               "resource=\"volume_bytes\"} 2") != std::string::npos);
}

TEST_CASE("share metrics: the number of label values is bounded") {
  MetricsRegistry registry;
  ShareMetrics metrics(registry);
  for (int i = 0; i < 300; ++i) metrics.CountRefusal("leases", "team-" + std::to_string(i));
  const std::string text = registry.Render();
  CHECK(text.find("namespace=\"(other)\",resource=\"leases\"} 44") != std::string::npos);
  CHECK(text.find("team-299") == std::string::npos);
}

}  // namespace
}  // namespace nodekeep

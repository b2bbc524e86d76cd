#include "agent/app/agent_metrics.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("agent metrics: each is rendered under its documented name") {
  MetricsRegistry registry;
  AgentMetrics metrics(registry, "1.2.3");
  metrics.CountReload(true);
  metrics.CountReload(false);
  metrics.CountInternalError("rotation");

  const std::string text = registry.Render();
  for (const char* line : {R"(nodekeep_build_info{version="1.2.3"} 1)",
                           R"(nodekeep_config_reloads_total{outcome="ok"} 1)",
                           R"(nodekeep_config_reloads_total{outcome="rejected"} 1)",
                           R"(nodekeep_internal_errors_total{thread="rotation"} 1)"}) {
    INFO(line);
    CHECK(text.find(std::string(line)) != std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep

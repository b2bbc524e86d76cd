#include "agent/http/gate_metrics.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("gate metrics: a host's breaker is shown until the host is forgotten") {
  MetricsRegistry registry;
  GateMetrics metrics(registry);
  const auto has = [&](const std::string& text) {
    return registry.Render().find(text) != std::string::npos;
  };
  metrics.SetBreakerOpen("bao.example:8200", true);
  CHECK(has(R"(nodekeep_backend_breaker_open{host="bao.example:8200"} 1)"));
  metrics.SetBreakerOpen("bao.example:8200", false);
  CHECK(has(R"(nodekeep_backend_breaker_open{host="bao.example:8200"} 0)"));
  metrics.ForgetBreaker("bao.example:8200");
  CHECK_FALSE(has("bao.example"));
}

}  // namespace
}  // namespace nodekeep

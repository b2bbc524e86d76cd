#include "agent/http/gate_metrics.h"

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("gate metrics: a host's breaker is shown until the host is forgotten") {
  MetricsRegistry registry;
  GateMetrics metrics(registry);
  metrics.NameHosts({"bao.example:8200"});
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

TEST_CASE("gate metrics: hosts that are not configured are counted together") {
  MetricsRegistry registry;
  GateMetrics metrics(registry);
  const auto count_is = [&](int count) {
    return registry.Render().find(fmt::format("{{host=\"other\"}} {}\n", count)) !=
           std::string::npos;
  };
  metrics.NameHosts({"bao.example:8200"});
  for (int i = 0; i < 100; ++i) metrics.SetBreakerOpen(fmt::format("host{}", i), true);
  CHECK(count_is(100));
  metrics.SetBreakerOpen("host0", false);
  metrics.ForgetBreaker("host1");
  CHECK(count_is(98));
  CHECK(registry.Render().find("host2") == std::string::npos);

  INFO("the configuration changes");
  metrics.SetBreakerOpen("bao.example:8200", true);
  metrics.NameHosts({"host2"});
  CHECK(count_is(97));
  CHECK(registry.Render().find(R"({host="host2"} 1)") != std::string::npos);
  CHECK(registry.Render().find("bao.example") == std::string::npos);
}

}  // namespace
}  // namespace nodekeep

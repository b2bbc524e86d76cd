#include "agent/app/agent_metrics.h"

#include <string>

namespace nodekeep {

AgentMetrics::AgentMetrics(MetricsRegistry& registry, std::string_view version)
    : reloads_(
          registry.Counter("nodekeep_config_reloads_total", "Configuration reloads, by outcome.")),
      internal_errors_(registry.Counter("nodekeep_internal_errors_total",
                                        "Unexpected exceptions, by the thread that caught them.")) {
  registry.Gauge("nodekeep_build_info", "Constant 1, labelled with the version.")
      .Add({{"version", std::string(version)}})
      .Set(1);
}

void AgentMetrics::CountReload(bool ok) {
  reloads_.Add({{"outcome", ok ? "ok" : "rejected"}}).Increment();
}

void AgentMetrics::CountInternalError(std::string_view thread) {
  internal_errors_.Add({{"thread", std::string(thread)}}).Increment();
}

}  // namespace nodekeep

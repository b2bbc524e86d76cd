#include "agent/base/share_metrics.h"

namespace nodekeep {

constexpr std::size_t kMaxNamespaces = 256;

ShareMetrics::ShareMetrics(MetricsRegistry& registry)
    : refusals_(registry.Counter("nodekeep_share_refusals_total",
                                 "Requests refused because their namespace used its share of a "
                                 "resource of the node.")) {}

void ShareMetrics::CountRefusal(std::string_view resource, const std::string& namespace_name) {
  std::string label = namespace_name;
  {
    MutexLock lock(mutex_);
    if (!namespaces_.contains(label)) {
      if (namespaces_.size() < kMaxNamespaces) {
        namespaces_.insert(label);
      } else {
        label = "(other)";
      }
    }
  }
  refusals_.Add({{"resource", std::string(resource)}, {"namespace", label}}).Increment();
}

}  // namespace nodekeep

#include "agent/mount/mount_metrics.h"

#include <string>

namespace nodekeep {
namespace {

// From a mount served from the cache (tenths of a millisecond) to the driver's two minutes.
const prometheus::Histogram::BucketBoundaries kMountBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};

}  // namespace

MountMetrics::MountMetrics(MetricsRegistry& registry)
    : mounts_(registry.Counter("nodekeep_mounts_total", "Mount requests answered, by outcome.")),
      mount_seconds_(registry.Histogram("nodekeep_mount_duration_seconds",
                                        "Time from a mount request to its answer.")) {}

void MountMetrics::CountMount(std::string_view provider, std::string_view outcome,
                              std::chrono::duration<double> took) {
  mounts_.Add({{"provider", std::string(provider)}, {"outcome", std::string(outcome)}}).Increment();
  mount_seconds_.Add({{"provider", std::string(provider)}}, kMountBuckets).Observe(took.count());
}

}  // namespace nodekeep

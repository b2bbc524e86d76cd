#pragma once

// Metrics of the CSI driver. Those without the prefix nodekeep_ have the names, labels and buckets
// of secrets-store-csi-driver, so that existing dashboards keep working
// (docs/protocol/csi-driver.md, "Metrics"). Thread-safe.
//
// The author of a class chooses its provider's name, and a time series is never freed. So labels
// take a bounded number of values: names of providers of this node, and well-formed error types;
// everything else is counted under one value.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/metrics.h"
#include "agent/base/mutex.h"

namespace nodekeep {

class DriverMetrics {
 public:
  // Whether this node has a provider of that name. Called without a lock; must be thread-safe.
  using IsProvider = std::function<bool(const std::string& name)>;

  DriverMetrics(MetricsRegistry& registry, IsProvider is_provider);

  // `provider`: the name in the class, "" = not known. One that this node has never had is counted
  // as "unknown". `error_type`: FailedToMount and the like, or the code of an external provider; it
  // is counted as "other" if it has over 64 letters, digits and characters of "._-", or any other
  // character, or if it is more than the 64th one.
  void CountPublish(std::string_view provider);
  void CountPublishError(std::string_view provider, std::string_view error_type);
  void CountUnpublish();
  void CountUnpublishError();
  void CountRotation(std::string_view provider, bool rotated);
  void CountRotationError(std::string_view provider, std::string_view error_type);
  void ObserveRotation(std::chrono::duration<double> took);

  // Mounted volumes, by `standing`: "current", "stale", "failing", "taken_over".
  void SetVolumes(std::string_view standing, std::size_t count);
  // Volumes whose Secrets or status object lag behind their content.
  void SetVolumesNotMirrored(std::size_t count);
  // The maximum over all volumes of the time since the content was last confirmed by the backend.
  void SetOldestContent(std::chrono::duration<double> age);
  // Events that could not be written, since the start. A value below the current one is ignored.
  void SetEventsDropped(std::uint64_t count);

 private:
  std::string ProviderLabel(std::string_view provider);
  std::string ErrorTypeLabel(std::string_view error_type);
  prometheus::Labels Linux(std::string_view provider);

  const IsProvider is_provider_;
  CounterFamily& publishes_;
  CounterFamily& publish_errors_;
  CounterFamily& unpublishes_;
  CounterFamily& unpublish_errors_;
  CounterFamily& rotations_;
  CounterFamily& rotation_errors_;
  HistogramFamily& rotation_seconds_;
  GaugeFamily& volumes_;
  prometheus::Gauge& volumes_not_mirrored_;
  prometheus::Gauge& oldest_content_;
  Mutex mutex_;
  // Label values in use.
  std::set<std::string, std::less<>> providers_ NODEKEEP_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> error_types_ NODEKEEP_GUARDED_BY(mutex_);
  prometheus::Counter& events_dropped_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

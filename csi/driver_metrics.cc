#include "csi/driver_metrics.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

// Those of secrets-store-csi-driver.
const prometheus::Histogram::BucketBoundaries kRotationBuckets = {
    0.1,      0.134928, 0.182056, 0.245646, 0.331445, 0.447214,
    0.603418, 0.814181, 1.098561, 1.482269, 2};

const prometheus::Labels kLinux = {{"os_type", "linux"}};

constexpr std::size_t kMaxErrorTypes = 64;
constexpr std::size_t kMaxErrorTypeBytes = 64;

bool IsErrorType(std::string_view text) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return text.size() <= kMaxErrorTypeBytes &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

DriverMetrics::DriverMetrics(MetricsRegistry& registry, IsProvider is_provider)
    : is_provider_(std::move(is_provider)),
      publishes_(registry.Counter("node_publish_total", "Volumes published, repeats included.")),
      publish_errors_(
          registry.Counter("node_publish_error_total", "Volumes that could not be published.")),
      unpublishes_(registry.Counter("node_unpublish_total", "Volumes unpublished.")),
      unpublish_errors_(
          registry.Counter("node_unpublish_error_total", "Volumes that could not be unpublished.")),
      rotations_(registry.Counter("rotation_reconcile_total",
                                  "Refreshes of volumes; rotated=true where the content changed.")),
      rotation_errors_(
          registry.Counter("rotation_reconcile_error_total", "Refreshes of volumes that failed.")),
      rotation_seconds_(registry.Histogram("rotation_reconcile_duration_sec",
                                           "Time that a refresh of a volume took.")),
      volumes_(
          registry.Gauge("nodekeep_volumes",
                         "Volumes that the driver has mounted, by the state of their content.")),
      volumes_not_mirrored_(registry
                                .Gauge("nodekeep_volumes_not_mirrored",
                                       "Volumes whose Secrets or status object lag behind.")
                                .Add({})),
      oldest_content_(registry
                          .Gauge("nodekeep_volume_oldest_content_seconds",
                                 "Age of the volume content that was confirmed longest ago.")
                          .Add({})),
      events_dropped_(registry
                          .Counter("nodekeep_events_dropped_total",
                                   "Kubernetes Events that could not be written.")
                          .Add({})) {}

std::string DriverMetrics::ProviderLabel(std::string_view provider) {
  if (provider.empty()) return "";
  std::string name(provider);
  {
    MutexLock lock(mutex_);
    if (providers_.contains(name)) return name;
  }
  if (!is_provider_(name)) return "unknown";
  MutexLock lock(mutex_);
  providers_.insert(name);  // it keeps its label while its socket is away
  return name;
}

std::string DriverMetrics::ErrorTypeLabel(std::string_view error_type) {
  if (!IsErrorType(error_type)) return "other";
  MutexLock lock(mutex_);
  constexpr std::string_view kOwn[] = {
      "FailedToEnsureMountPoint", "FailedToMount",  "SecretProviderClassNotFound",
      "GRPCProviderError",        "FileWriteError", "FailedToRotate",
      "UnexpectedTargetPath"};
  const bool is_own = std::find(std::begin(kOwn), std::end(kOwn), error_type) != std::end(kOwn);
  if (!is_own && !error_types_.contains(error_type)) {
    if (error_types_.size() >= kMaxErrorTypes) return "other";
    error_types_.emplace(error_type);
  }
  return std::string(error_type);
}

prometheus::Labels DriverMetrics::Linux(std::string_view provider) {
  return {{"os_type", "linux"}, {"provider", ProviderLabel(provider)}};
}

void DriverMetrics::CountPublish(std::string_view provider) {
  publishes_.Add(Linux(provider)).Increment();
}

void DriverMetrics::CountPublishError(std::string_view provider, std::string_view error_type) {
  prometheus::Labels labels = Linux(provider);
  labels["error_type"] = ErrorTypeLabel(error_type);
  publish_errors_.Add(labels).Increment();
}

void DriverMetrics::CountUnpublish() { unpublishes_.Add(kLinux).Increment(); }

void DriverMetrics::CountUnpublishError() { unpublish_errors_.Add(kLinux).Increment(); }

void DriverMetrics::CountRotation(std::string_view provider, bool rotated) {
  prometheus::Labels labels = Linux(provider);
  labels["rotated"] = rotated ? "true" : "false";
  rotations_.Add(labels).Increment();
}

void DriverMetrics::CountRotationError(std::string_view provider, std::string_view error_type) {
  prometheus::Labels labels = Linux(provider);
  labels["rotated"] = "false";
  labels["error_type"] = ErrorTypeLabel(error_type);
  rotation_errors_.Add(labels).Increment();
}

void DriverMetrics::ObserveRotation(std::chrono::duration<double> took) {
  rotation_seconds_.Add(kLinux, kRotationBuckets).Observe(took.count());
}

void DriverMetrics::SetVolumes(std::string_view standing, std::size_t count) {
  volumes_.Add({{"standing", std::string(standing)}}).Set(static_cast<double>(count));
}

void DriverMetrics::SetVolumesNotMirrored(std::size_t count) {
  volumes_not_mirrored_.Set(static_cast<double>(count));
}

void DriverMetrics::SetOldestContent(std::chrono::duration<double> age) {
  oldest_content_.Set(age.count());
}

void DriverMetrics::SetEventsDropped(std::uint64_t count) {
  MutexLock lock(mutex_);
  const double more = static_cast<double>(count) - events_dropped_.Value();
  if (more > 0) events_dropped_.Increment(more);
}

}  // namespace nodekeep

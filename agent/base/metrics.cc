#include "agent/base/metrics.h"

#include <prometheus/text_serializer.h>

namespace nodekeep {
namespace {

prometheus::Family<prometheus::Counter>& Counter(prometheus::Registry& registry, const char* name,
                                                 const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& Gauge(prometheus::Registry& registry, const char* name,
                                             const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

// From a warm mount (tenths of a millisecond) to the driver's two minutes.
const prometheus::Histogram::BucketBoundaries kMountBuckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};

// Those of the upstream driver (csi.md 2.12).
const prometheus::Histogram::BucketBoundaries kRotationBuckets = {
    0.1,      0.134928, 0.182056, 0.245646, 0.331445, 0.447214,
    0.603418, 0.814181, 1.098561, 1.482269, 2};

const prometheus::Labels kLinux = {{"os_type", "linux"}};

prometheus::Labels Linux(std::string_view provider) {
  return {{"os_type", "linux"}, {"provider", std::string(provider)}};
}

}  // namespace

Metrics::Metrics(std::string_view version)
    : mounts_(Counter(registry_, "nodekeep_mounts_total", "Mount requests answered, by outcome.")),
      mount_seconds_(prometheus::BuildHistogram()
                         .Name("nodekeep_mount_duration_seconds")
                         .Help("Time from a mount request to its answer.")
                         .Register(registry_)),
      cache_hits_(Counter(registry_, "nodekeep_cache_hits_total",
                          "Secrets served from memory without asking the backend.")),
      cache_misses_(Counter(registry_, "nodekeep_cache_misses_total",
                            "Secrets that had to be asked of the backend.")),
      stale_served_(Counter(registry_, "nodekeep_stale_served_total",
                            "Secrets served past their refresh age while the backend was down.")),
      logins_(Counter(registry_, "nodekeep_logins_total", "Backend logins, by outcome.")),
      backend_reads_(Counter(registry_, "nodekeep_backend_reads_total",
                             "Secrets asked of a backend, by outcome.")),
      lease_events_(Counter(registry_, "nodekeep_lease_events_total",
                            "Leases renewed, revoked, lost or re-issued.")),
      reloads_(Counter(registry_, "nodekeep_config_reloads_total",
                       "Configuration reloads, by outcome.")),
      internal_errors_(Counter(registry_, "nodekeep_internal_errors_total",
                               "Unexpected exceptions, by the thread that went on after them.")),
      publishes_(Counter(registry_, "node_publish_total", "Volumes published, repeats included.")),
      publish_errors_(
          Counter(registry_, "node_publish_error_total", "Volumes that could not be published.")),
      unpublishes_(Counter(registry_, "node_unpublish_total", "Volumes unpublished.")),
      unpublish_errors_(Counter(registry_, "node_unpublish_error_total",
                                "Volumes that could not be unpublished.")),
      rotations_(Counter(registry_, "rotation_reconcile_total",
                         "Refreshes of volumes; rotated=true where the content changed.")),
      rotation_errors_(Counter(registry_, "rotation_reconcile_error_total",
                               "Refreshes of volumes that failed.")),
      rotation_seconds_(prometheus::BuildHistogram()
                            .Name("rotation_reconcile_duration_sec")
                            .Help("Time that a refresh of a volume took.")
                            .Register(registry_)),
      cache_entries_(
          Gauge(registry_, "nodekeep_cache_entries", "Sealed entries in memory.").Add({})),
      cache_bytes_(
          Gauge(registry_, "nodekeep_cache_bytes", "Bytes held by sealed entries.").Add({})),
      breaker_open_(Gauge(registry_, "nodekeep_backend_breaker_open",
                          "1 while calls to this backend host are held back after failures.")),
      volumes_(Gauge(registry_, "nodekeep_volumes",
                     "Volumes that the driver has mounted, by how their content stands.")),
      volumes_not_mirrored_(Gauge(registry_, "nodekeep_volumes_not_mirrored",
                                  "Volumes whose Secrets or status object lag behind.")
                                .Add({})),
      oldest_content_(Gauge(registry_, "nodekeep_volume_oldest_content_seconds",
                            "Age of the volume content that was confirmed longest ago.")
                          .Add({})),
      events_dropped_(Counter(registry_, "nodekeep_events_dropped_total",
                              "Kubernetes Events that could not be written.")
                          .Add({})) {
  Gauge(registry_, "nodekeep_build_info", "Constant 1, labelled with the version.")
      .Add({{"version", std::string(version)}})
      .Set(1);
}

void Metrics::CountMount(std::string_view provider, std::string_view outcome,
                         std::chrono::duration<double> took) {
  mounts_.Add({{"provider", std::string(provider)}, {"outcome", std::string(outcome)}}).Increment();
  mount_seconds_.Add({{"provider", std::string(provider)}}, kMountBuckets).Observe(took.count());
}
void Metrics::CountCacheHits(std::string_view provider, std::size_t count) {
  cache_hits_.Add({{"provider", std::string(provider)}}).Increment(static_cast<double>(count));
}
void Metrics::CountCacheMisses(std::string_view provider, std::size_t count) {
  cache_misses_.Add({{"provider", std::string(provider)}}).Increment(static_cast<double>(count));
}
void Metrics::CountStaleServed(std::string_view provider, std::size_t count) {
  stale_served_.Add({{"provider", std::string(provider)}}).Increment(static_cast<double>(count));
}
void Metrics::CountLogin(std::string_view provider, std::string_view outcome) {
  logins_.Add({{"provider", std::string(provider)}, {"outcome", std::string(outcome)}}).Increment();
}
void Metrics::CountBackendRead(std::string_view provider, std::string_view outcome) {
  backend_reads_.Add({{"provider", std::string(provider)}, {"outcome", std::string(outcome)}})
      .Increment();
}
void Metrics::CountLeaseEvent(std::string_view provider, std::string_view event) {
  lease_events_.Add({{"provider", std::string(provider)}, {"event", std::string(event)}})
      .Increment();
}
void Metrics::CountReload(bool ok) {
  reloads_.Add({{"outcome", ok ? "ok" : "rejected"}}).Increment();
}
void Metrics::CountInternalError(std::string_view thread) {
  internal_errors_.Add({{"thread", std::string(thread)}}).Increment();
}
void Metrics::CountPublish(std::string_view provider) {
  publishes_.Add(Linux(provider)).Increment();
}
void Metrics::CountPublishError(std::string_view provider, std::string_view error_type) {
  prometheus::Labels labels = Linux(provider);
  labels["error_type"] = error_type;
  publish_errors_.Add(labels).Increment();
}
void Metrics::CountUnpublish() { unpublishes_.Add(kLinux).Increment(); }
void Metrics::CountUnpublishError() { unpublish_errors_.Add(kLinux).Increment(); }
void Metrics::CountRotation(std::string_view provider, bool rotated) {
  prometheus::Labels labels = Linux(provider);
  labels["rotated"] = rotated ? "true" : "false";
  rotations_.Add(labels).Increment();
}
void Metrics::CountRotationError(std::string_view provider, std::string_view error_type) {
  prometheus::Labels labels = Linux(provider);
  labels["rotated"] = "false";
  labels["error_type"] = error_type;
  rotation_errors_.Add(labels).Increment();
}
void Metrics::ObserveRotation(std::chrono::duration<double> took) {
  rotation_seconds_.Add(kLinux, kRotationBuckets).Observe(took.count());
}
void Metrics::SetVolumes(std::string_view standing, std::size_t count) {
  volumes_.Add({{"standing", std::string(standing)}}).Set(static_cast<double>(count));
}
void Metrics::SetVolumesNotMirrored(std::size_t count) {
  volumes_not_mirrored_.Set(static_cast<double>(count));
}
void Metrics::SetOldestContent(std::chrono::duration<double> age) {
  oldest_content_.Set(age.count());
}
void Metrics::SetCache(std::size_t entries, std::size_t bytes) {
  cache_entries_.Set(static_cast<double>(entries));
  cache_bytes_.Set(static_cast<double>(bytes));
}
void Metrics::SetBreakerOpen(std::string_view host, bool open) {
  breaker_open_.Add({{"host", std::string(host)}}).Set(open ? 1 : 0);
}
void Metrics::ForgetBreaker(std::string_view host) {
  breaker_open_.Remove(&breaker_open_.Add({{"host", std::string(host)}}));
}
void Metrics::SetEventsDropped(std::uint64_t count) {
  std::lock_guard lock(mutex_);
  const double more = static_cast<double>(count) - events_dropped_.Value();
  if (more > 0) events_dropped_.Increment(more);
}

std::string Metrics::Render() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace nodekeep

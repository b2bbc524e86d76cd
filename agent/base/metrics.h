#pragma once

// Every metric the agent exposes, named in one place (docs/metrics.md lists them for users).
//
// Labels carry provider names, outcomes and host names of backends; never a path, a value, a pod
// name or a token. Thread-safe.

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace nodekeep {

class Metrics {
 public:
  explicit Metrics(std::string_view version);

  // `outcome` is "ok", "stale" or the name of an ErrorCode.
  void CountMount(std::string_view provider, std::string_view outcome,
                  std::chrono::duration<double> took);
  void CountCacheHits(std::string_view provider, std::size_t count);
  void CountCacheMisses(std::string_view provider, std::size_t count);
  void CountStaleServed(std::string_view provider, std::size_t count);
  void CountLogin(std::string_view provider, std::string_view outcome);
  // One per secret asked of a backend.
  void CountBackendRead(std::string_view provider, std::string_view outcome);
  void CountLeaseEvent(std::string_view provider, std::string_view event);
  void CountReload(bool ok);
  // An exception that ended a step of `thread`, a constant of ours (thread_guard.h).
  void CountInternalError(std::string_view thread);

  // The driver's own, under the names that the upstream driver made known (csi.md 2.12).
  // `error_type`: FailedToMount and the like, or a foreign provider's own code.
  void CountPublish(std::string_view provider);
  void CountPublishError(std::string_view provider, std::string_view error_type);
  void CountUnpublish();
  void CountUnpublishError();
  void CountRotation(std::string_view provider, bool rotated);
  void CountRotationError(std::string_view provider, std::string_view error_type);
  void ObserveRotation(std::chrono::duration<double> took);

  // Volumes that the driver has mounted, by `standing`: "current", "stale", "failing",
  // "taken_over".
  void SetVolumes(std::string_view standing, std::size_t count);
  // Volumes whose Secrets or status object lag behind their content.
  void SetVolumesNotMirrored(std::size_t count);
  // The oldest content of a volume, as time since it was last known to be the backend's.
  void SetOldestContent(std::chrono::duration<double> age);
  void SetCache(std::size_t entries, std::size_t bytes);
  void SetBreakerOpen(std::string_view host, bool open);
  // The host is not known any more: nothing is said of it.
  void ForgetBreaker(std::string_view host);
  // Events that could not be written, since the start. Less than before changes nothing.
  void SetEventsDropped(std::uint64_t count);

  // The text exposition format of Prometheus.
  std::string Render() const;

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& mounts_;
  prometheus::Family<prometheus::Histogram>& mount_seconds_;
  prometheus::Family<prometheus::Counter>& cache_hits_;
  prometheus::Family<prometheus::Counter>& cache_misses_;
  prometheus::Family<prometheus::Counter>& stale_served_;
  prometheus::Family<prometheus::Counter>& logins_;
  prometheus::Family<prometheus::Counter>& backend_reads_;
  prometheus::Family<prometheus::Counter>& lease_events_;
  prometheus::Family<prometheus::Counter>& reloads_;
  prometheus::Family<prometheus::Counter>& internal_errors_;
  prometheus::Family<prometheus::Counter>& publishes_;
  prometheus::Family<prometheus::Counter>& publish_errors_;
  prometheus::Family<prometheus::Counter>& unpublishes_;
  prometheus::Family<prometheus::Counter>& unpublish_errors_;
  prometheus::Family<prometheus::Counter>& rotations_;
  prometheus::Family<prometheus::Counter>& rotation_errors_;
  prometheus::Family<prometheus::Histogram>& rotation_seconds_;
  prometheus::Gauge& cache_entries_;
  prometheus::Gauge& cache_bytes_;
  prometheus::Family<prometheus::Gauge>& breaker_open_;
  prometheus::Family<prometheus::Gauge>& volumes_;
  prometheus::Gauge& volumes_not_mirrored_;
  prometheus::Gauge& oldest_content_;
  prometheus::Counter& events_dropped_;  // raised under mutex_
  std::mutex mutex_;
};

}  // namespace nodekeep

#pragma once

// Reports VolumeEvents as Kubernetes Events on the pod. Thread-safe.

#include <string>
#include <string_view>

#include "agent/kube/event_recorder.h"
#include "csi/volume_events.h"

namespace nodekeep {

class KubeVolumeEvents final : public VolumeEvents {
 public:
  // `recorder` must outlive this object.
  explicit KubeVolumeEvents(EventRecorder& recorder) : recorder_(recorder) {}

  void Record(const Volume& volume, Kind kind, std::string_view reason,
              const std::string& message) override {
    recorder_.Record(
        {.namespace_name = volume.namespace_name, .name = volume.pod, .uid = volume.pod_uid},
        kind == Kind::kWarning ? EventType::kWarning : EventType::kNormal, reason, message);
  }

 private:
  EventRecorder& recorder_;
};

}  // namespace nodekeep

#pragma once

// The CSI driver of this node, built on the graph: everything between kubelet's calls and the
// MountService of a mount.
//
// Members stand in build order; destruction is shutdown.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/app/config.h"
#include "agent/app/graph.h"
#include "agent/base/workqueue.h"
#include "csi/class_source.h"
#include "csi/driver_metrics.h"
#include "csi/driver_server.h"
#include "csi/foreign_providers.h"
#include "csi/kube_events.h"
#include "csi/kube_mirror.h"
#include "csi/linux_mounter.h"
#include "csi/rotation.h"
#include "csi/volume_events.h"
#include "csi/volume_mirror.h"
#include "csi/volume_recovery.h"
#include "csi/volume_registry.h"
#include "csi/volume_service.h"
#include "csi/volume_source.h"
#include "csi/watched_classes.h"
#include "csi/watched_pods.h"

namespace nodekeep {

class Driver {
 public:
  // `kube` is that of `graph`; `pool` serves mounts. All outlive the driver.
  Driver(const Config& config, Graph& graph, KubeClient& kube, WorkerPool& pool);

  Status Open() { return door_.Open(); }
  // Whether kubelet knows the driver and a mount can be expected to succeed.
  Status Ready() const;
  void Stop(SteadyTime deadline);

  std::string socket_path() const { return door_.socket_path(); }
  std::vector<VolumeRecord> Volumes() const { return registry_.List(); }
  // Makes every volume due now.
  void RefreshAll();
  // Sets the metrics that tell how the volumes stand.
  void MeasureVolumes();

 private:
  void Upkeep(std::stop_token stop);
  void OnRegistered();
  void RemoveTaint(const Context& context);
  // Watches are for the classes of the volumes that are here, and no others.
  void EndUnusedWatches();
  void WarnOf(const std::vector<Error>& faults, std::string_view what);

  Graph& graph_;
  KubeClient& kube_;
  const Config::Driver options_;
  const std::string node_name_;
  std::atomic<bool> taint_may_stand_ = false;  // kubelet has taken the driver in since
  std::atomic<bool> recovered_ = false;        // what was found on the node is claimed
  DriverMetrics metrics_;
  LinuxMounter mounter_;
  VolumeRegistry registry_;
  Workqueue<std::string> refreshes_;  // target paths
  WatchLoop watches_;
  KubeClassSource live_classes_;
  WatchedClasses classes_;
  WatchedPods pods_;
  ForeignProviders foreign_;
  MountVolumeSource source_;
  KubeMirror mirror_;
  EventRecorder recorder_;
  KubeVolumeEvents events_;
  VolumeService volumes_;
  VolumeRecovery recovery_;
  Rotation rotation_;
  DriverServer door_;
  std::jthread upkeep_;  // last: stopped first
};

}  // namespace nodekeep

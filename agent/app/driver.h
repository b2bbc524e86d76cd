#pragma once

// The CSI driver of this node, built on the Graph: everything between kubelet's calls and the
// MountService.
//
// Members are declared in build order; destruction is shutdown.

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
#include "csi/volume_budget.h"
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
  // `kube` is that of `graph`; `pool` serves mounts. All must outlive this object.
  Driver(const Config& config, Graph& graph, KubeClient& kube, WorkerPool& pool);

  Status Open() { return server_.Open(); }
  // Ok while the driver is registered with kubelet and a mount can be expected to succeed.
  Status Ready() const;
  void Stop(SteadyTime deadline);

  std::string socket_path() const { return server_.socket_path(); }
  std::vector<VolumeRecord> Volumes() const { return registry_.List(); }
  // Makes every volume due now.
  void RefreshAll();
  // Sets the metrics of the volumes' states.
  void MeasureVolumes();

 private:
  void Upkeep(std::stop_token stop);
  void OnRegistered();
  void RemoveTaint(const Context& context);
  // Ends the watches of classes that no volume of this node uses.
  void EndUnusedWatches();
  void LogWarnings(const std::vector<Error>& faults, std::string_view what);

  Graph& graph_;
  KubeClient& kube_;
  const Config::Driver options_;
  const std::string node_name_;
  std::atomic<bool> taint_may_remain_ = false;  // registered with kubelet, taint not yet removed
  std::atomic<bool> recovered_ = false;         // the volumes found on the node are claimed
  DriverMetrics metrics_;
  LinuxMounter mounter_;
  VolumeRegistry registry_;
  VolumeBudget budget_;
  Workqueue<std::string> refreshes_;  // target paths
  CurlClient watch_connections_;      // used by watches only, which occupy them
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
  DriverServer server_;
  std::jthread upkeep_;  // last: stopped first
};

}  // namespace nodekeep

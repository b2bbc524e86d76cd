#pragma once

// The CSI driver of this node, built on the graph: everything between kubelet's calls and the road
// of a mount.
//
// Members stand in build order; destruction is shutdown.

#include <memory>
#include <string>

#include "agent/app/config.h"
#include "agent/app/graph.h"
#include "csi/class_source.h"
#include "csi/driver_door.h"
#include "csi/foreign_providers.h"
#include "csi/linux_mounter.h"
#include "csi/rotation.h"
#include "csi/volume_events.h"
#include "csi/volume_mirror.h"
#include "csi/volume_registry.h"
#include "csi/volume_road.h"
#include "csi/volume_source.h"

namespace nodekeep {

class Driver {
 public:
  // `pool` serves mounts; it and `graph` outlive the driver.
  Driver(const Config& config, Graph& graph, WorkerPool& pool);

  Status Open() { return door_.Open(); }
  // Whether kubelet knows the driver and a mount can be expected to succeed.
  Status Ready() const { return door_.Ready(); }
  void Stop(SteadyTime deadline) { door_.Stop(deadline); }

  std::string socket_path() const { return door_.socket_path(); }
  std::vector<VolumeRecord> Volumes() const { return registry_.List(); }

 private:
  LinuxMounter mounter_;
  KubeClassSource classes_;
  ForeignProviders foreign_;
  RoadVolumeSource source_;
  NoVolumeMirror mirror_;
  NoVolumeEvents events_;
  VolumeRegistry registry_;
  VolumeRoad road_;
  Rotation rotation_;
  DriverDoor door_;
};

}  // namespace nodekeep

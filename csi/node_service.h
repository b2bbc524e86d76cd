#pragma once

// csi.v1.Node: the wire side of the driver door. Checks arguments, turns requests into values and
// errors into codes; everything else is the VolumeRoad's.
//
// A publish runs on the pool under kubelet's deadline and our own budget, whichever ends first, and
// is stopped when kubelet gives it up. Thread-safe.

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "csi/volume_road.h"
#include "proto/csi.grpc.pb.h"

namespace nodekeep {

// The volume that a publish asks for. Errors: kInvalid, with the texts of csi.md 2.5.
Result<VolumePtr> ReadPublish(const csi::v1::NodePublishVolumeRequest& request);

class NodeService final : public csi::v1::Node::CallbackService {
 public:
  struct Options {
    std::string node_name;
    Duration budget = std::chrono::seconds(90);  // of one call; kubelet waits two minutes
    ExceptionReporter on_exception{};            // of gRPC's threads, "grpc"
  };

  NodeService(Options options, VolumeRoad& road, VolumeRegistry& registry, WorkerPool& pool,
              const Clock& clock);
  // Precondition: the server that serves this has been shut down.
  ~NodeService() override;

  grpc::ServerUnaryReactor* NodePublishVolume(
      grpc::CallbackServerContext* context, const csi::v1::NodePublishVolumeRequest* request,
      csi::v1::NodePublishVolumeResponse* response) override;
  grpc::ServerUnaryReactor* NodeUnpublishVolume(
      grpc::CallbackServerContext* context, const csi::v1::NodeUnpublishVolumeRequest* request,
      csi::v1::NodeUnpublishVolumeResponse* response) override;
  grpc::ServerUnaryReactor* NodeGetVolumeStats(
      grpc::CallbackServerContext* context, const csi::v1::NodeGetVolumeStatsRequest* request,
      csi::v1::NodeGetVolumeStatsResponse* response) override;
  grpc::ServerUnaryReactor* NodeGetCapabilities(
      grpc::CallbackServerContext* context, const csi::v1::NodeGetCapabilitiesRequest* request,
      csi::v1::NodeGetCapabilitiesResponse* response) override;
  grpc::ServerUnaryReactor* NodeGetInfo(grpc::CallbackServerContext* context,
                                        const csi::v1::NodeGetInfoRequest* request,
                                        csi::v1::NodeGetInfoResponse* response) override;

  // Refuses new publishes with UNAVAILABLE, which makes kubelet ask our successor; waits for those
  // in flight until `deadline`, then stops them.
  void Stop(SteadyTime deadline);

 private:
  class Call;

  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                  std::function<Status(const Context&)> work);

  const Options options_;
  VolumeRoad& road_;
  VolumeRegistry& registry_;
  WorkerPool& pool_;
  const Clock& clock_;
  std::stop_source stop_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  bool accepting_ = true;
  std::size_t in_flight_ = 0;
};

}  // namespace nodekeep

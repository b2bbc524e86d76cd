#pragma once

// csi.v1.Node. Checks arguments, turns requests into values and errors into codes (csi_status.h);
// the VolumeService does the rest.
//
// Publish and unpublish run on the pool (call_runner.h), except the repeats of a publish that are
// answered from memory. Thread-safe.

#include <string>

#include "agent/base/clock.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/rpc/call_runner.h"
#include "csi/volume_service.h"
#include "proto/csi.grpc.pb.h"

namespace nodekeep {

// The volume that a publish asks for. Errors: kInvalid, with the texts of the upstream driver
// (docs/protocol/csi-driver.md, "Publish").
Result<VolumePtr> ReadPublish(const csi::v1::NodePublishVolumeRequest& request);

class NodeService final : public csi::v1::Node::CallbackService {
 public:
  struct Options {
    std::string node_name;
    Duration budget = std::chrono::seconds(90);  // of one call; kubelet waits two minutes
    ExceptionReporter on_exception{};            // for gRPC's threads, as "grpc"
  };

  // All references must outlive this object. The server that uses it must be shut down before it
  // is destroyed.
  NodeService(Options options, VolumeService& volumes, VolumeRegistry& registry, WorkerPool& pool,
              const Clock& clock);

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

  // Refuses new publishes with UNAVAILABLE, so that kubelet retries with the next agent; waits for
  // those in flight until `deadline`, then stops them (CallTracker::Drain).
  void Stop(SteadyTime deadline);

 private:
  const Options options_;
  VolumeService& volumes_;
  VolumeRegistry& registry_;
  // Unpublishes never wait for the publishes of pods, which wait for backends.
  WorkerPool unpublish_pool_;
  CallRunner unpublishes_;  // these two last: they wait for the calls in flight
  CallRunner publishes_;
};

}  // namespace nodekeep

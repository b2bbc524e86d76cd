#pragma once

// v1alpha1.CSIDriverProvider for one provider.
//
// The request does not say which provider it means; the name of the socket does. Any `:authority`
// is accepted. What is in memory is answered on gRPC's thread, other mounts run on the pool
// (call_runner.h). Errors have the codes of csi_status.h.
//
// Thread-safe.

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/mount/mount_service.h"
#include "agent/rpc/call_runner.h"
#include "csi/reply_limit.h"
#include "proto/provider.grpc.pb.h"

namespace nodekeep {

// The reply to a bundle. Errors: kTooLarge over kMaxReplyBytes, naming the largest objects.
Result<v1alpha1::MountResponse> ReplyOf(Bundle bundle);

class ProviderService final : public v1alpha1::CSIDriverProvider::CallbackService {
 public:
  struct Options {
    std::string provider;
    std::string runtime_name;                    // reported by Version: ProviderEntry::runtime_name
    std::string version;                         // of this agent
    Duration budget = std::chrono::seconds(90);  // of one mount
    ExceptionReporter on_exception{};            // of gRPC's threads, "grpc"
  };

  // `mounts`, `pool` and `clock` outlive the service. Precondition of destruction: the server that
  // serves this has been shut down.
  ProviderService(Options options, MountService& mounts, WorkerPool& pool, const Clock& clock);

  grpc::ServerUnaryReactor* Version(grpc::CallbackServerContext* context,
                                    const v1alpha1::VersionRequest* request,
                                    v1alpha1::VersionResponse* response) override;
  grpc::ServerUnaryReactor* Mount(grpc::CallbackServerContext* context,
                                  const v1alpha1::MountRequest* request,
                                  v1alpha1::MountResponse* response) override;

  // From now on new mounts are answered UNAVAILABLE.
  void StopAccepting();
  // Waits until no mount is in flight, or until `deadline`; then those left are answered
  // UNAVAILABLE (CallTracker::Drain).
  void Drain(SteadyTime deadline);

 private:
  Result<MountRequest> Read(const v1alpha1::MountRequest& request) const;
  // On gRPC's own thread, so it never waits. Nothing when the mount would have to wait: then
  // nothing has been done, and `request` is as before.
  std::optional<Status> ServeFromMemory(Result<MountRequest>& request,
                                        v1alpha1::MountResponse& response);

  const std::string provider_;
  const std::string runtime_name_;
  const std::string version_;
  MountService& mounts_;
  const ExceptionReporter on_exception_;
  CallRunner calls_;  // last: waits for the mounts in flight
};

}  // namespace nodekeep

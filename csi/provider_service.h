#pragma once

// v1alpha1.CSIDriverProvider for one provider.
//
// The request does not name the provider; the name of the socket does. Any `:authority` is
// accepted. Mounts that are served from memory are answered on gRPC's thread, others run on the
// pool (call_runner.h). Errors have the codes of csi_status.h.
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

// Converts a bundle to a reply. Errors: kTooLarge over `max_bytes`, naming the largest objects.
Result<v1alpha1::MountResponse> ReplyOf(Bundle bundle, std::size_t max_bytes);

class ProviderService final : public v1alpha1::CSIDriverProvider::CallbackService {
 public:
  struct Options {
    std::string provider;
    std::string runtime_name;                    // reported by Version: ProviderEntry::runtime_name
    std::string version;                         // of this agent
    Duration budget = std::chrono::seconds(90);  // of one mount
    std::size_t max_reply_bytes = kMaxReplyBytes;  // what the driver accepts
    ExceptionReporter on_exception{};            // for gRPC's threads, as "grpc"
  };

  // `mounts`, `pool` and `clock` must outlive this object. The server that uses it must be shut
  // down before it is destroyed.
  ProviderService(Options options, MountService& mounts, WorkerPool& pool, const Clock& clock);

  grpc::ServerUnaryReactor* Version(grpc::CallbackServerContext* context,
                                    const v1alpha1::VersionRequest* request,
                                    v1alpha1::VersionResponse* response) override;
  grpc::ServerUnaryReactor* Mount(grpc::CallbackServerContext* context,
                                  const v1alpha1::MountRequest* request,
                                  v1alpha1::MountResponse* response) override;

  // New mounts are refused with UNAVAILABLE from now on.
  void StopAccepting();
  // Waits until no mount is in flight, or until `deadline`; the remaining ones then return
  // UNAVAILABLE (CallTracker::Drain).
  void Drain(SteadyTime deadline);

 private:
  Result<MountRequest> Read(const v1alpha1::MountRequest& request) const;
  // Runs on gRPC's own thread, so it never blocks. Empty if the mount would have to wait; it then
  // has no effect, and `request` is unchanged.
  std::optional<Status> ServeFromMemory(Result<MountRequest>& request,
                                        v1alpha1::MountResponse& response);

  const std::string provider_;
  const std::string runtime_name_;
  const std::string version_;
  const std::size_t max_reply_bytes_;
  MountService& mounts_;
  const ExceptionReporter on_exception_;
  CallRunner calls_;  // last: waits for the mounts in flight
};

}  // namespace nodekeep

#pragma once

// v1alpha1.CSIDriverProvider on one socket: the wire side of the provider door.
//
// The request does not say which provider it means; the socket's name does. Any `:authority` is
// accepted. A mount runs on the pool under the caller's deadline and our own budget, whichever ends
// first, and is stopped when the caller cancels.
//
// Status codes are final ones on backend outages: driver v1.6.0 lets a pod start with an empty
// volume after UNAVAILABLE and its like on the first mount (csi.md 1.8). UNAVAILABLE is answered
// only while this process stops, when the driver's retry finds the successor.

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "csi/mount_road.h"
#include "csi/reply_limit.h"
#include "proto/provider.grpc.pb.h"

namespace nodekeep {

// The reply to a bundle. Errors: kTooLarge over kMaxReplyBytes, naming the largest objects.
Result<v1alpha1::MountResponse> ReplyOf(Bundle bundle);

// "vault-csi-provider" for "vault": what the upstream provider of that name calls itself.
std::string RuntimeNameOf(const std::string& provider);

class ProviderService final : public v1alpha1::CSIDriverProvider::CallbackService {
 public:
  // `on_exception`: of gRPC's threads, "grpc"; the pool reports those of mounts that wait.
  ProviderService(std::string provider, std::string version, MountRoad& road, WorkerPool& pool,
                  const Clock& clock, Duration budget, ExceptionReporter on_exception = {});
  // Precondition: the server that serves this has been shut down.
  ~ProviderService() override;

  grpc::ServerUnaryReactor* Version(grpc::CallbackServerContext* context,
                                    const v1alpha1::VersionRequest* request,
                                    v1alpha1::VersionResponse* response) override;
  grpc::ServerUnaryReactor* Mount(grpc::CallbackServerContext* context,
                                  const v1alpha1::MountRequest* request,
                                  v1alpha1::MountResponse* response) override;

  // From now on new mounts are answered UNAVAILABLE.
  void StopAccepting();
  // Waits until no mount is in flight, or until `deadline`; then those left are answered
  // UNAVAILABLE. Returns when all have been answered, except to peers that do not read. Refused
  // ones do not count: clients that ask again at once would never let it end.
  void Drain(SteadyTime deadline);

 private:
  class MountCall;

  MountRoad::Request RequestOf(const v1alpha1::MountRequest& request) const;
  // On gRPC's own thread, so it never waits. Nothing: it takes waiting, and nothing has been done.
  std::optional<grpc::Status> ServeFromMemory(const v1alpha1::MountRequest& request,
                                              v1alpha1::MountResponse& response);
  // On the pool; refused once mounts are.
  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context,
                                  const v1alpha1::MountRequest* request,
                                  v1alpha1::MountResponse* response);
  bool Accepting();

  const std::string provider_;
  const std::string version_;
  MountRoad& road_;
  WorkerPool& pool_;
  const Clock& clock_;
  const Duration budget_;
  const ExceptionReporter on_exception_;
  std::stop_source stop_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  bool accepting_ = true;
  std::size_t in_flight_ = 0;  // refused ones too
  std::size_t accepted_ = 0;   // of them
};

}  // namespace nodekeep

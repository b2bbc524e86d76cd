#pragma once

// nodekeep.admin.v1.Admin: status and control of the running agent.
//
// Responses contain names, times and counts, never a value or a token. The socket restricts access
// (admin_server.h).

#include <grpcpp/grpcpp.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/http/backend_gate.h"
#include "agent/mount/mount_ledger.h"
#include "agent/rpc/call_runner.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/fetcher.h"
#include "agent/secrets/lease_keeper.h"
#include "agent/secrets/sealer.h"
#include "csi/volume.h"
#include "proto/admin.grpc.pb.h"

namespace nodekeep {

// A snapshot of the agent's own state.
struct AgentState {
  struct Socket {
    std::string provider;  // "" = the admin socket
    std::string path;
  };
  std::vector<Socket> sockets;
  Status ready;  // an Error says why not
  std::string config_file;
  std::optional<WallTime> last_reload;
  std::string reload_error;  // "" = the reload succeeded
};

// Dependencies of the service; all must outlive it.
struct AdminBackend {
  Cache& cache;
  CredentialCache& credentials;
  LeaseKeeper& leases;
  MountLedger& ledger;
  Fetcher& fetcher;
  std::function<std::vector<BackendState>()> backends;  // thread-safe
  Sealer& sealer;
  const Clock& clock;
  std::string version;
  std::string node;
  std::function<AgentState()> state;  // thread-safe, as is the one below
  std::function<std::vector<VolumeRecord>()> volumes = [] { return std::vector<VolumeRecord>(); };
  // Called when a refresh has changed what is cached: brings the driver's volumes up to date.
  std::function<void()> refreshed = [] {};
  ExceptionReporter on_exception{};  // for gRPC's threads, as "grpc"; for refreshes, "admin-pool"
};

// Thread-safe. The server that uses it must be shut down before it is destroyed.
class AdminService final : public admin::v1::Admin::CallbackService {
 public:
  explicit AdminService(AdminBackend backend);

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const admin::v1::StatusRequest* request,
                                   admin::v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* Refresh(grpc::CallbackServerContext* context,
                                    const admin::v1::RefreshRequest* request,
                                    admin::v1::RefreshResponse* response) override;
  grpc::ServerUnaryReactor* CacheList(grpc::CallbackServerContext* context,
                                      const admin::v1::CacheListRequest* request,
                                      admin::v1::CacheListResponse* response) override;
  grpc::ServerUnaryReactor* CacheFlush(grpc::CallbackServerContext* context,
                                       const admin::v1::CacheFlushRequest* request,
                                       admin::v1::CacheFlushResponse* response) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const admin::v1::HealthRequest* request,
                                   admin::v1::HealthResponse* response) override;

 private:
  const AdminBackend backend_;
  const SteadyTime started_;
  WorkerPool pool_;
  CallRunner refreshes_;  // last: waits for the refreshes in flight
};

}  // namespace nodekeep

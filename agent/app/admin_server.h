#pragma once

// The admin door: AdminService on its unix socket.
//
// The socket has mode 0600, its directory is made with 0700 where it is missing, and each peer must
// be root or the agent's own user. A socket that a dead agent left behind is replaced; one that is
// served is an error. The socket file goes with the object.

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "agent/app/admin_service.h"
#include "agent/base/log.h"
#include "agent/rpc/local_server.h"

namespace nodekeep {

class AdminServer {
 public:
  // Everything that `backend` refers to outlives the result. Errors: those of UnixListener::Bind.
  static Result<std::unique_ptr<AdminServer>> Open(const std::string& socket, AdminBackend backend,
                                                   Logger& log);

  const std::string& path() const { return path_; }

 private:
  explicit AdminServer(AdminBackend backend) : service_(std::move(backend)) {}

  AdminService service_;
  std::string path_;
  std::unique_ptr<LocalServer> server_;  // last: calls the service
};

}  // namespace nodekeep

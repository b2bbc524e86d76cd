#pragma once

// Serves AdminService on a unix socket.
//
// The socket has mode 0600, its directory is created with 0700 if it is missing, and each peer must
// be root or the agent's own user. A stale socket of a dead agent is replaced; one that another
// process serves is an error. The destructor removes the socket file.

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "agent/app/admin_service.h"
#include "agent/base/log.h"
#include "agent/rpc/local_server.h"

namespace nodekeep {

class AdminServer {
 public:
  // The references in `backend` must outlive the result. Errors: those of UnixListener::Bind.
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

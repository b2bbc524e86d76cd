#pragma once

// A gRPC server on unix sockets of this node. Serves grpc.health.v1 besides its services.
//
// Not thread-safe: one owner starts and stops it. Its services are called on gRPC threads.
// Destruction stops it; the services must outlive it.

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "agent/rpc/unix_listener.h"

namespace nodekeep {

class LocalServer {
 public:
  struct Options {
    // Closes idle connections, because a connection keeps the last bytes it received, which may
    // include tokens, until it receives others; clients reconnect automatically. Set to false for
    // clients that treat a closed connection as the end of the service.
    bool close_idle = true;
    std::size_t max_request_bytes = 4u << 20;
    // Last resort: a service with a limit for its clients should return an error before this one.
    std::size_t max_reply_bytes = 8u << 20;
    ExceptionReporter on_exception{};  // for the accepting threads
  };

  // Accepts no connections until Listen. Errors: kInternal when gRPC cannot start.
  static Result<std::unique_ptr<LocalServer>> Start(const std::vector<grpc::Service*>& services,
                                                    Options options, Logger& log);
  ~LocalServer();

  // Also serves at `path`. Errors: those of UnixListener::Bind.
  Status Listen(const std::string& path);
  // Removes the sockets and sets the health status to not serving; connections stay open.
  void StopListening();
  // Closes the connections, so that clients see UNAVAILABLE and retry, then shuts down. All calls
  // should have ended before.
  void Shutdown();

  std::vector<std::string> paths() const;

 private:
  class Connections;

  LocalServer(Options options, Logger& log);

  const Options options_;
  Logger& log_;
  // In order of construction: listeners and connections are destroyed before the server.
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Connections> connections_;
  std::vector<std::unique_ptr<UnixListener>> listeners_;
};

}  // namespace nodekeep

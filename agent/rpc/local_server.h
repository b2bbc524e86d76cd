#pragma once

// A gRPC server on unix sockets of this node. Answers grpc.health.v1 besides its services.
//
// Not thread-safe: one owner starts and stops it. Its services are called from threads of gRPC.
// Destruction stops it; the services outlive it.

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
    // A connection keeps the last bytes it received, tokens among them, until it receives others.
    // An idle one is closed for that reason; clients connect again by themselves. False for clients
    // that take a closed connection for the end of the service.
    bool close_idle = true;
    std::size_t max_request_bytes = 4u << 20;
    // The last resort: a service that knows its clients' limit answers with an error before.
    std::size_t max_reply_bytes = 8u << 20;
    ExceptionReporter on_exception{};  // of the threads that accept
  };

  // Serves nothing until Listen. Errors: kInternal when gRPC cannot start.
  static Result<std::unique_ptr<LocalServer>> Start(const std::vector<grpc::Service*>& services,
                                                    Options options, Logger& log);
  ~LocalServer();

  // Serves at `path` too. Errors: those of UnixListener::Bind.
  Status Listen(const std::string& path);
  // Removes the sockets and reports as not serving; connections stay.
  void StopListening();
  // Cuts the connections, so that clients see UNAVAILABLE and ask again, and ends. All calls should
  // have been answered by then.
  void Shutdown();

  std::vector<std::string> paths() const;

 private:
  class Connections;

  LocalServer(Options options, Logger& log);

  const Options options_;
  Logger& log_;
  // In build order: connections end before the server that they feed.
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Connections> connections_;
  std::vector<std::unique_ptr<UnixListener>> listeners_;
};

}  // namespace nodekeep

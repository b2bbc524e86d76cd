#pragma once

// A gRPC server on unix sockets of this node. Answers grpc.health.v1 besides its services.
//
// Not thread-safe; what it serves is. Destruction stops it; the services outlive it.

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"
#include "csi/unix_listener.h"

namespace nodekeep {

// What the driver accepts by default (csi.md 1.8, --max-call-recv-msg-size).
inline constexpr std::size_t kMaxReplyBytes = 4u << 20;

class LocalServer {
 public:
  struct Options {
    // A connection keeps the last bytes it received, tokens among them, until it receives others.
    // An idle one is closed for that reason; clients connect again by themselves. False for peers
    // that take a closed connection for a death (csi.md 3.1).
    bool close_idle = true;
    ExceptionReporter on_exception{};  // of the threads that accept
  };

  static Result<std::unique_ptr<LocalServer>> Start(const std::vector<grpc::Service*>& services,
                                                    Options options, Logger& log);
  ~LocalServer();

  // Serves at `path` too. Errors: those of UnixListener::Bind.
  Status Listen(const std::string& path);
  // Removes the sockets and reports as not serving; connections stay.
  void StopListening();
  // Cuts the connections, in the way that makes clients ask again, and ends. Everything should
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

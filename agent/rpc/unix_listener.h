#pragma once

// A unix socket that only root and the agent's own user may connect to.
//
// Binds `path` with mode 0600, replaces the stale socket of a dead process, fails if a live process
// serves the path. Each accepted connection is checked with SO_PEERCRED and then passed to
// `on_connection`. Destruction removes the socket file if it is still the one created here.
//
// Thread-safe. One thread per listener; it calls `on_connection`, which owns the descriptor.

#include <functional>
#include <memory>
#include <string>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

class UnixListener {
 public:
  using OnConnection = std::function<void(int fd)>;

  // Creates missing parent directories (mode 0755). Errors name the path and what to do: path too
  // long (107 bytes), a file that is not a socket, a live owner, no permission.
  // `on_exception`: for the listener's thread, "accept".
  static Result<std::unique_ptr<UnixListener>> Bind(const std::string& path,
                                                    OnConnection on_connection, Logger& log,
                                                    ExceptionReporter on_exception = {});
  virtual ~UnixListener() = default;

  virtual const std::string& path() const = 0;
};

// Whether a peer of this uid may connect.
bool PeerAllowed(unsigned peer_uid, unsigned own_uid);

}  // namespace nodekeep

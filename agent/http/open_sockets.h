#pragma once

// The sockets that curl has open. While a transfer runs, curl does not report its socket, only
// its ports.

#include <curl/curl.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace nodekeep {

// "49152 to 6443". Unique enough, because all local ends are on this machine at the same time.
std::string ConnectionName(long local_port, long remote_port);

// Not thread-safe. Must outlive every handle that it is passed to.
class OpenSockets {
 public:
  // Records that bytes were received on the connection at `when`.
  void MarkReceived(const std::string& connection, SteadyTime when);
  // Whether bytes were received on the connection after `when`.
  bool ReceivedSince(const std::string& connection, SteadyTime when) const;
  // Shuts down the connection: all its transfers fail, and curl does not reuse it.
  void ShutDown(std::string_view connection) const;

  // Callbacks for curl; `self` is an OpenSockets.
  static curl_socket_t OnOpen(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int OnClose(void* self, curl_socket_t socket);

 private:
  void RemoveClosed();

  std::set<curl_socket_t> open_;
  std::map<std::string, SteadyTime> received_;
};

}  // namespace nodekeep

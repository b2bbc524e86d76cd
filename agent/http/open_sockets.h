#pragma once

// The sockets that curl has open. Curl does not say which of them a transfer uses while it does,
// but it says the ports.

#include <curl/curl.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace nodekeep {

// "49152 to 6443": told apart enough, since both ends are the machine's at one moment.
std::string ConnectionName(long local_port, long remote_port);

// Not thread-safe. Outlives every handle that it is given to.
class OpenSockets {
 public:
  // Something came over the connection at that time.
  void Heard(const std::string& connection, SteadyTime when);
  // Whether something has come since then.
  bool HeardSince(const std::string& connection, SteadyTime when) const;
  // Ends the connection: everything on it fails, nothing is put on it any more.
  void ShutDown(std::string_view connection) const;

  // Callbacks of curl; `self` is an OpenSockets.
  static curl_socket_t OnOpen(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int OnClose(void* self, curl_socket_t socket);

 private:
  void ForgetClosed();

  std::set<curl_socket_t> open_;
  std::map<std::string, SteadyTime> heard_;
};

}  // namespace nodekeep

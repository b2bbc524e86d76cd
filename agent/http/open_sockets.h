#pragma once

// The sockets that curl has open. While a transfer runs, curl does not report its socket, only
// the addresses and ports of both ends.

#include <curl/curl.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace nodekeep {

// One end of a connection. `address` has inet_ntop's form.
struct SocketEnd {
  std::string_view address;
  long port = 0;
};

// "10.0.0.5 49152 to 10.0.0.9 6443". Unique among open connections; ports alone are not, because
// the kernel gives out a local port once for each remote address.
std::string ConnectionName(const SocketEnd& local, const SocketEnd& remote);

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

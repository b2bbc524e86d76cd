#include "agent/http/open_sockets.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace nodekeep {
namespace {

// Entries of closed connections are removed only above this number, because finding them takes
// system calls.
constexpr std::size_t kForgetAfter = 64;

long PortOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return 0;
}

// "" when the socket is not connected, or has no ports.
std::string NameOf(curl_socket_t socket) {
  sockaddr_storage local{};
  sockaddr_storage remote{};
  socklen_t size = sizeof local;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) return "";
  size = sizeof remote;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&remote), &size) != 0) return "";
  return PortOf(local) == 0 ? "" : ConnectionName(PortOf(local), PortOf(remote));
}

}  // namespace

std::string ConnectionName(long local_port, long remote_port) {
  return fmt::format("{} to {}", local_port, remote_port);
}

void OpenSockets::MarkReceived(const std::string& connection, SteadyTime when) {
  if (received_.size() > open_.size() + kForgetAfter) RemoveClosed();
  SteadyTime& received = received_[connection];
  received = std::max(received, when);
}

void OpenSockets::RemoveClosed() {
  std::set<std::string> names;
  for (curl_socket_t socket : open_) names.insert(NameOf(socket));
  std::erase_if(received_, [&](const auto& entry) { return !names.contains(entry.first); });
}

bool OpenSockets::ReceivedSince(const std::string& connection, SteadyTime when) const {
  const auto received = received_.find(connection);
  return received != received_.end() && received->second > when;
}

void OpenSockets::ShutDown(std::string_view connection) const {
  for (curl_socket_t socket : open_) {
    if (NameOf(socket) == connection) shutdown(socket, SHUT_RDWR);
  }
}

curl_socket_t OpenSockets::OnOpen(void* self, curlsocktype, curl_sockaddr* address) {
  const int made = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (made < 0) return CURL_SOCKET_BAD;
  try {
    static_cast<OpenSockets*>(self)->open_.insert(made);
  } catch (const std::bad_alloc&) {  // must not pass through curl's C code
    close(made);
    return CURL_SOCKET_BAD;
  }
  return made;
}

int OpenSockets::OnClose(void* self, curl_socket_t socket) {
  static_cast<OpenSockets*>(self)->open_.erase(socket);
  return close(socket);
}

}  // namespace nodekeep

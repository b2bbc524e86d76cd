#include "agent/http/open_sockets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

namespace nodekeep {
namespace {

// Entries of closed connections are removed only above this number, because finding them takes
// system calls.
constexpr std::size_t kForgetAfter = 64;

using AddressText = std::array<char, INET6_ADDRSTRLEN>;

// The text is written to `text`. Without address and port when the socket is not an IP one.
SocketEnd EndOf(const sockaddr_storage& address, AddressText& text) {
  const void* number = nullptr;
  long port = 0;
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    number = &v4.sin_addr;
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    number = &v6.sin6_addr;
    port = ntohs(v6.sin6_port);
  } else {
    return {};
  }
  if (inet_ntop(address.ss_family, number, text.data(), text.size()) == nullptr) return {};
  return {text.data(), port};
}

// "" when the socket is not connected, or has no ports.
std::string NameOf(curl_socket_t socket) {
  sockaddr_storage local{};
  sockaddr_storage remote{};
  socklen_t size = sizeof local;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) return "";
  size = sizeof remote;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&remote), &size) != 0) return "";
  AddressText local_text;
  AddressText remote_text;
  const SocketEnd local_end = EndOf(local, local_text);
  return local_end.port == 0 ? "" : ConnectionName(local_end, EndOf(remote, remote_text));
}

}  // namespace

std::string ConnectionName(const SocketEnd& local, const SocketEnd& remote) {
  return fmt::format("{} {} to {} {}", local.address, local.port, remote.address, remote.port);
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

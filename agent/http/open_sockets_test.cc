#include "agent/http/open_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

// A connection as curl would open it, and the server's end.
struct Connection {
  explicit Connection(OpenSockets& its_sockets) : sockets(its_sockets) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(listener, generic, size) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, generic, &size) == 0);
    curl_sockaddr asked{AF_INET, SOCK_STREAM, 0, size, *generic};
    client = OpenSockets::OnOpen(&sockets, CURLSOCKTYPE_IPCXN, &asked);
    REQUIRE(connect(client, generic, size) == 0);
    server = accept(listener, nullptr, nullptr);
    close(listener);
    const long remote = ntohs(address.sin_port);
    REQUIRE(getsockname(client, generic, &size) == 0);
    name = ConnectionName(ntohs(address.sin_port), remote);
  }
  ~Connection() {
    OpenSockets::OnClose(&sockets, client);
    close(server);
  }
  // A non-blocking read of the server: 0 = the connection is closed, -1 = nothing yet.
  long Read() const {
    char byte = 0;
    return recv(server, &byte, 1, MSG_DONTWAIT);
  }

  OpenSockets& sockets;
  int client = -1;
  int server = -1;
  std::string name;
};

}  // namespace

TEST_CASE("open sockets: only the named connection is shut down") {
  OpenSockets sockets;
  const Connection a(sockets);
  const Connection b(sockets);
  sockets.ShutDown("1 to 2");
  CHECK(a.Read() == -1);
  sockets.ShutDown(a.name);
  CHECK(a.Read() == 0);
  CHECK(b.Read() == -1);
}

TEST_CASE("open sockets: the last time of received bytes is kept per connection") {
  OpenSockets sockets;
  const Connection a(sockets);
  const SteadyTime early{std::chrono::seconds(1)};
  const SteadyTime late{std::chrono::seconds(2)};
  CHECK_FALSE(sockets.ReceivedSince(a.name, early));
  sockets.MarkReceived(a.name, late);
  sockets.MarkReceived(a.name, early);
  CHECK(sockets.ReceivedSince(a.name, early));
  CHECK_FALSE(sockets.ReceivedSince(a.name, late));
  // Entries of many closed connections are removed, the one of an open connection is kept.
  for (int i = 0; i < 1000; ++i) sockets.MarkReceived(ConnectionName(1, i), late);
  CHECK(sockets.ReceivedSince(a.name, early));
  CHECK_FALSE(sockets.ReceivedSince(ConnectionName(1, 1), early));
}

}  // namespace nodekeep

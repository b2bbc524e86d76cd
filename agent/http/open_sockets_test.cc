#include "agent/http/open_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

// A connection as curl would open it, and the server's end. Ports of 0: any free ones.
struct Connection {
  explicit Connection(OpenSockets& its_sockets, const char* server_address = "127.0.0.1",
                      int server_port = 0, int client_port = 0)
      : sockets(its_sockets) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_port);
    inet_pton(AF_INET, server_address, &address.sin_addr);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(listener, generic, size) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, generic, &size) == 0);
    curl_sockaddr asked{AF_INET, SOCK_STREAM, 0, size, *generic};
    client = OpenSockets::OnOpen(&sockets, CURLSOCKTYPE_IPCXN, &asked);
    const int on = 1;
    setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(client_port);
    inet_pton(AF_INET, "127.0.0.1", &own.sin_addr);
    REQUIRE(bind(client, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
    REQUIRE(connect(client, generic, size) == 0);
    server = accept(listener, nullptr, nullptr);
    close(listener);
    remote_port = ntohs(address.sin_port);
    REQUIRE(getsockname(client, generic, &size) == 0);
    local_port = ntohs(address.sin_port);
    name = ConnectionName({"127.0.0.1", local_port}, {server_address, remote_port});
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
  int local_port = 0;
  int remote_port = 0;
  std::string name;
};

}  // namespace

TEST_CASE("open sockets: only the named connection is shut down") {
  OpenSockets sockets;
  const Connection a(sockets);
  const Connection b(sockets);
  sockets.ShutDown("127.0.0.1 1 to 127.0.0.1 2");
  CHECK(a.Read() == -1);
  sockets.ShutDown(a.name);
  CHECK(a.Read() == 0);
  CHECK(b.Read() == -1);
}

TEST_CASE("open sockets: connections with equal ports to different hosts are told apart") {
  OpenSockets sockets;
  const Connection a(sockets);
  const Connection b(sockets, "127.0.0.2", a.remote_port, a.local_port);
  REQUIRE(b.local_port == a.local_port);
  sockets.MarkReceived(a.name, SteadyTime(std::chrono::seconds(2)));
  CHECK_FALSE(sockets.ReceivedSince(b.name, SteadyTime(std::chrono::seconds(1))));
  sockets.ShutDown(b.name);
  CHECK(a.Read() == -1);
  CHECK(b.Read() == 0);
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
  const auto closed = [](int i) { return ConnectionName({"127.0.0.1", 1}, {"127.0.0.1", i}); };
  for (int i = 0; i < 1000; ++i) sockets.MarkReceived(closed(i), late);
  CHECK(sockets.ReceivedSince(a.name, early));
  CHECK_FALSE(sockets.ReceivedSince(closed(1), early));
}

}  // namespace nodekeep

#pragma once

// A small HTTP/1.1 server on 127.0.0.1, on any free port, inside the test process.
//
// The handler writes raw bytes to the connection, so its response may be valid, malformed or
// missing. One thread per connection; destruction shuts down every connection and joins.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "tests/fakes/certificates.h"

namespace nodekeep {

class HttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // counted from 1
  };

  // What a handler may do with its connection.
  class Connection {
   public:
    virtual ~Connection() = default;
    // False once the client is gone.
    virtual bool Write(std::string_view bytes) = 0;
    // Shuts the connection down; no further request is read from it.
    virtual void Close() = 0;
    // Returns when the client has closed the connection, or the server stops.
    virtual void AwaitClientClose() = 0;
  };
  using Handler = std::function<void(const Request&, Connection&)>;

  struct Tls {
    CertificatePair identity;
    std::string client_ca_pem;  // if set, a client certificate signed by it is required
    int alert = 0;              // if set, every handshake ends with this alert (RFC 8446, 6.2)
  };
  struct Options {
    std::optional<Tls> tls;
    std::string unix_path;  // listen on this socket instead of TCP
    bool silent = false;    // accept connections, read and never respond
  };

  explicit HttpServer(Handler handler) : HttpServer(std::move(handler), Options()) {}
  HttpServer(Handler handler, Options options);
  ~HttpServer();

  int port() const { return port_; }
  // "http://127.0.0.1:1234", without a slash at the end.
  std::string url() const;

  int connections() const { return connections_; }            // accepted so far
  int resumed_sessions() const { return resumed_sessions_; }  // resumed TLS sessions
  std::vector<Request> requests() const;
  void AwaitRequests(std::size_t count);
  void AwaitConnections(int count);
  // Returns when every connection accepted so far has been closed.
  void AwaitAllClosed();

  // Replies for handlers.
  static std::string Reply(int status, std::string_view body, std::string_view headers = "");
  static Handler Always(std::string raw);

 private:
  class Channel;

  void Accept();
  void Serve(int fd, int number);
  bool ReadRequest(Channel& channel, std::string& buffer, Request& request);

  const Handler handler_;
  const Options options_;
  std::shared_ptr<void> tls_context_;
  int listener_ = -1;
  int port_ = 0;

  std::atomic<int> connections_ = 0;
  std::atomic<int> resumed_sessions_ = 0;
  std::atomic<bool> stopping_ = false;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Request> requests_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<int, int> open_ NODEKEEP_GUARDED_BY(mutex_);  // connection number -> descriptor
  std::vector<std::thread> threads_ NODEKEEP_GUARDED_BY(mutex_);

  std::thread acceptor_;
};

}  // namespace nodekeep

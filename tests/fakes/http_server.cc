#include "tests/fakes/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

BIO* TextBio(const std::string& text) {
  return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

std::shared_ptr<void> MakeTlsContext(const HttpServer::Tls& tls) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> certificate_bio(
      TextBio(tls.identity.certificate_pem), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr), &X509_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> key_bio(TextBio(tls.identity.key_pem), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  const unsigned char id[] = "test";
  SSL_CTX_set_session_id_context(context.get(), id, sizeof id);
  if (!tls.client_ca_pem.empty()) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> ca_bio(TextBio(tls.client_ca_pem), &BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> ca(
        PEM_read_bio_X509(ca_bio.get(), nullptr, nullptr, nullptr), &X509_free);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  if (tls.alert != 0) {
    const auto refuse = [](SSL*, int* alert, void* which) -> int {
      *alert = static_cast<const HttpServer::Tls*>(which)->alert;
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    };
    SSL_CTX_set_tlsext_servername_callback(context.get(), +refuse);
    SSL_CTX_set_tlsext_servername_arg(context.get(), const_cast<HttpServer::Tls*>(&tls));
  }
  return context;
}

// A test cannot continue without its server.
void Require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::abort();
}

}  // namespace

// The byte stream of one connection, plain or TLS.
class HttpServer::Channel final : public HttpServer::Connection {
 public:
  Channel(int fd, SSL_CTX* context) : fd_(fd) {
    if (context == nullptr) return;
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), fd);
    usable_ = SSL_accept(ssl_.get()) == 1;
    ERR_clear_error();
    if (usable_) return;
    // Closing with the client's bytes unread would reset the connection and lose the TLS alert.
    shutdown(fd, SHUT_WR);
    char ignored[1024];
    while (recv(fd, ignored, sizeof ignored, 0) > 0) {
    }
  }

  bool usable() const { return usable_; }
  bool resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }

  bool Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = ssl_
                               ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                               : send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        ERR_clear_error();
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void Close() override {
    if (usable_ && ssl_) SSL_shutdown(ssl_.get());
    shutdown(fd_, SHUT_RDWR);
    usable_ = false;
  }

  void AwaitClientClose() override {
    std::string ignored;
    while (Read(ignored)) ignored.clear();
    usable_ = false;
  }

  bool Read(std::string& into) {
    char chunk[16384];
    const ssize_t got =
        ssl_ ? SSL_read(ssl_.get(), chunk, sizeof chunk) : recv(fd_, chunk, sizeof chunk, 0);
    if (got <= 0) {
      ERR_clear_error();
      return false;
    }
    into.append(chunk, static_cast<std::size_t>(got));
    return true;
  }

 private:
  const int fd_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  bool usable_ = true;
};

HttpServer::HttpServer(Handler handler, Options options)
    : handler_(std::move(handler)), options_(std::move(options)) {
  if (options_.tls) tls_context_ = MakeTlsContext(*options_.tls);
  if (options_.unix_path.empty()) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    Require(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    Require(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
            "getsockname");
    port_ = ntohs(address.sin_port);
  } else {
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, options_.unix_path.c_str(), sizeof address.sun_path - 1);
    unlink(options_.unix_path.c_str());
    Require(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  }
  Require(listen(listener_, 1024) == 0, "listen");
  acceptor_ = std::thread([this] { Accept(); });
}

HttpServer::~HttpServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    MutexLock lock(mutex_);
    for (const auto& [number, fd] : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
  if (!options_.unix_path.empty()) unlink(options_.unix_path.c_str());
}

std::string HttpServer::url() const {
  return fmt::format("{}://127.0.0.1:{}", options_.tls ? "https" : "http", port_);
}

void HttpServer::Accept() {
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    MutexLock lock(mutex_);
    const int number = ++connections_;
    open_[number] = fd;
    threads_.emplace_back([this, fd, number] { Serve(fd, number); });
    changed_.notify_all();
  }
}

void HttpServer::Serve(int fd, int number) {
  // OpenSSL writes to a socket that the client may have closed.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  if (options_.silent) {
    Channel(fd, nullptr).AwaitClientClose();
  } else {
    Channel channel(fd, static_cast<SSL_CTX*>(tls_context_.get()));
    if (channel.usable() && channel.resumed()) ++resumed_sessions_;
    std::string buffer;
    Request request;
    while (channel.usable() && ReadRequest(channel, buffer, request)) {
      request.connection = number;
      {
        MutexLock lock(mutex_);
        requests_.push_back(request);
        changed_.notify_all();
      }
      handler_(request, channel);
    }
  }
  MutexLock lock(mutex_);
  open_.erase(number);
  close(fd);
  changed_.notify_all();
}

bool HttpServer::ReadRequest(Channel& channel, std::string& buffer, Request& request) {
  request = Request();
  std::size_t head_end = std::string::npos;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!channel.Read(buffer)) return false;
  }
  std::string head = buffer.substr(0, head_end + 2);
  buffer.erase(0, head_end + 4);
  const std::size_t line_end = head.find("\r\n");
  const std::string line = head.substr(0, line_end);
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  for (std::size_t at = line_end + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::string header = head.substr(at, end - at);
    const std::size_t colon = header.find(':');
    const std::size_t value = header.find_first_not_of(' ', colon + 1);
    request.headers[Lower(header.substr(0, colon))] =
        value == std::string::npos ? "" : header.substr(value);
    at = end + 2;
  }
  const auto length = request.headers.find("content-length");
  const std::size_t size =
      length == request.headers.end() ? 0 : std::strtoul(length->second.c_str(), nullptr, 10);
  while (buffer.size() < size) {
    if (!channel.Read(buffer)) return false;
  }
  request.body = buffer.substr(0, size);
  buffer.erase(0, size);
  return true;
}

std::vector<HttpServer::Request> HttpServer::requests() const {
  MutexLock lock(mutex_);
  return requests_;
}

void HttpServer::AwaitRequests(std::size_t count) {
  MutexLock lock(mutex_);
  changed_.wait(lock, [&] {
    mutex_.AssertHeld();
    return requests_.size() >= count;
  });
}

void HttpServer::AwaitConnections(int count) {
  MutexLock lock(mutex_);
  changed_.wait(lock, [&] { return connections_ >= count; });
}

void HttpServer::AwaitAllClosed() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [&] {
    mutex_.AssertHeld();
    return open_.empty();
  });
}

std::string HttpServer::Reply(int status, std::string_view body, std::string_view headers) {
  return fmt::format("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                     headers, body);
}

HttpServer::Handler HttpServer::Always(std::string raw) {
  return [raw = std::move(raw)](const Request&, Connection& connection) { connection.Write(raw); };
}

}  // namespace nodekeep

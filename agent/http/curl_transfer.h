#pragma once

// One HttpRequest as a curl transfer.
//
// Prepare runs on the caller's thread, which also reads the certificate files because that may
// block; it validates names and values, and opens a unix socket, so that the one is connected to
// that was checked. Everything else runs on the loop thread, the only one that
// touches curl handles. Curl gets pointers into this object, so it copies header values and bodies
// only into its own send buffer.

#include <curl/curl.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/http/http_client.h"
#include "agent/http/http_stream.h"
#include "agent/http/open_sockets.h"
#include "agent/http/origin.h"
#include "agent/http/permitted_path.h"
#include "agent/http/proxy_rules.h"
#include "agent/http/tls_material.h"

namespace nodekeep {

// Headers are not charged to a share, and each takes far more memory than its bytes, here and
// inside curl. Of all responses to one request: interim ones and trailers count too.
inline constexpr std::size_t kMaxHeaderBytes = 32u << 10;
inline constexpr std::size_t kMaxHeaders = 256;  // status lines included

// Memory that a byte of a body stands for: the tree parsed from it, and copies of its values.
inline constexpr std::size_t kBytesPerAnswerByte = 8;

// "Connection refused" and "Could not resolve host" in the style of our error texts.
std::string LowerFirst(std::string text);

// Whose share of the node's memory for answers a transfer uses.
struct AnswerShare {
  std::string namespace_name;
  SharedResource* bytes = nullptr;
};

class CurlTransfer {
 public:
  // `material`: the files of request.tls; null when request.tls is null.
  static Result<std::unique_ptr<CurlTransfer>> Prepare(HttpRequest request,
                                                       std::shared_ptr<const TlsMaterial> material,
                                                       const ProxyRules& proxies);
  // Sends the body of a 2xx response to `receiver` instead of into the response. Call before Open.
  void SetReceiver(HttpReceiver* receiver) { receiver_ = receiver; }
  // Without it the body's memory is not charged. Call before Open.
  void SetShare(AnswerShare share) { share_ = std::move(share); }
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  struct Limits {
    Duration connect_timeout;
    Duration idle_timeout;  // of a connection kept for reuse
  };
  // Creates the curl handle. `owner` becomes the handle's CURLINFO_PRIVATE. Errors: kTransient when
  // out of memory, kInternal when curl does not support an option.
  Status Open(CURLSH* share, const Limits& limits, OpenSockets& sockets, void* owner);
  // Null before Open. Must be removed from its multi handle before this object is destroyed.
  CURL* handle() const { return easy_.get(); }

  // The exception thrown while handling the response; null = none. An exception cannot pass through
  // curl's C code, so it is stored here and the transfer fails.
  const std::exception_ptr& thrown() const { return thrown_; }
  // The outcome once curl is done; `code` is curl's result.
  Result<HttpResponse> Finish(CURLcode code);
  // The current step, for errors: "wait for the answer of https://vault.example:8200".
  std::string Step() const;

  Duration timeout() const { return request_.timeout; }
  Duration idle_timeout() const { return request_.idle_timeout; }
  // Time of the last bytes of the response; before the first ones, the time of Open.
  SteadyTime last_received() const { return last_received_; }
  // The name (see ConnectionName) of the connection it uses or used; "" while it has none.
  std::string Connection() const;

 private:
  CurlTransfer(HttpRequest request, Origin origin, std::shared_ptr<const TlsMaterial> material);

  static std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self);
  // Passes the bytes to `take`. Returns what curl expects: the number of bytes accepted.
  std::size_t Receive(std::string_view bytes, bool (CurlTransfer::*take)(std::string_view));
  bool TakeHeader(std::string_view line);
  bool TakeBody(std::string_view bytes);
  // False: the body may not grow to `size`.
  bool PayForBody(std::size_t size);
  int StatusCode() const;

  void BuildHeaders();
  void AddHeaderLine(std::string_view name, std::string_view value);
  void BuildUrl();
  template <typename Value>
  void Set(CURLoption option, Value value);
  void SetMethodAndBody();
  void SetTls();
  void SetProxy();
  // Whether the time of that CURLINFO is set.
  bool Reached(CURLINFO moment) const;
  // "https://vault.example:8200", with the proxy when the request goes through one.
  std::string Route() const;
  // Whether the proxy has not connected to the server yet.
  bool IsBeforeTunnel() const;
  Error Failure(CURLcode code) const;
  // The failure of the proxy, or of reaching it; none when the server failed.
  std::optional<Error> ProxyFailure(CURLcode code, const std::string& words) const;
  Error RefusedTunnel(int status) const;
  const TlsParameterNames& Names() const;
  Error UntrustedServer(const std::string& words) const;
  // What an answer to a request shows that the server never saw, or did not understand.
  std::optional<Error> NotTheServersAnswer() const;

  // Constant after Prepare.
  HttpRequest request_;
  Origin origin_;
  std::shared_ptr<const TlsMaterial> material_;
  std::string url_;
  HttpReceiver* receiver_ = nullptr;
  AnswerShare share_;
  std::vector<SecretBytes> header_lines_;  // zero-terminated
  std::vector<curl_slist> header_list_;    // points into header_lines_
  std::shared_ptr<const Proxy> proxy_;     // null = directly
  Descriptor unix_socket_;                 // none without HttpRequest::unix_socket
  std::string connect_to_;
  curl_slist connect_to_list_{};

  // Loop thread only.
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_{nullptr, &curl_easy_cleanup};
  CURLcode option_error_ = CURLE_OK;
  Limits limits_{};
  char error_text_[CURL_ERROR_SIZE] = "";
  HttpResponse response_;
  SteadyTime last_received_;
  std::size_t header_bytes_ = 0;
  std::size_t header_count_ = 0;
  std::size_t body_bytes_ = 0;
  bool headers_complete_ = false;
  bool too_large_ = false;
  bool receiver_is_full_ = false;
  bool over_share_ = false;
  std::exception_ptr thrown_;
};

}  // namespace nodekeep

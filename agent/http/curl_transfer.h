#pragma once

// One HttpRequest on its way through curl.
//
// Prepare runs on the caller's thread and does what may block or be refused (reading certificate
// files, looking at names and values). All else runs on the loop thread, the only one that touches
// curl handles. Curl is given pointers into this object, so it copies header values and bodies
// only into its own send buffer.

#include <curl/curl.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/http/http_client.h"
#include "agent/http/http_stream.h"
#include "agent/http/open_sockets.h"
#include "agent/http/origin.h"
#include "agent/http/tls_material.h"

namespace nodekeep {

class CurlTransfer {
 public:
  // `material` belongs to request.tls; null when that is null.
  static Result<std::unique_ptr<CurlTransfer>> Prepare(HttpRequest request,
                                                       std::shared_ptr<const TlsMaterial> material);
  // The body of a 2xx answer goes there instead of into the response. Before Open.
  void SetReceiver(HttpReceiver* receiver) { receiver_ = receiver; }
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  struct Limits {
    Duration connect_timeout;
    Duration idle_timeout;  // of a kept connection
  };
  // Makes the curl handle. `owner` comes back as the handle's CURLINFO_PRIVATE. Errors:
  // kTransient when memory is short, kInternal when curl does not know an option.
  Status Open(CURLSH* share, const Limits& limits, OpenSockets& sockets, void* owner);
  // Null before Open. It must have left its multi handle before this object goes.
  CURL* handle() const { return easy_.get(); }

  // What the handling of the answer has thrown; null = nothing. Curl is C, so it did not pass
  // through; the transfer has failed instead.
  const std::exception_ptr& thrown() const { return thrown_; }
  // The outcome once curl is done; `code` is curl's verdict.
  Result<HttpResponse> Finish(CURLcode code);
  // "wait for the answer of https://vault.example:8200": what is under way, for errors.
  std::string Step() const;

  Duration timeout() const { return request_.timeout; }
  Duration longest_silence() const { return request_.longest_silence; }
  // When the last piece of the answer came; before the first, when Open was called.
  SteadyTime last_heard() const { return last_heard_; }
  // Which connection it uses or used; "" while it has none.
  std::string Connection() const;

 private:
  CurlTransfer(HttpRequest request, Origin origin, std::shared_ptr<const TlsMaterial> material);

  static std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self);
  // Gives the bytes to `take`. The answer that curl expects.
  std::size_t Receive(std::string_view bytes, bool (CurlTransfer::*take)(std::string_view));
  bool TakeHeader(std::string_view line);
  bool TakeBody(std::string_view bytes);
  int StatusCode() const;

  void BuildHeaders();
  void AddHeaderLine(std::string_view name, std::string_view value);
  void BuildUrl();
  template <typename Value>
  void Set(CURLoption option, Value value);
  void SetMethodAndBody();
  void SetTls();
  void SetProxy();
  Error Failure(CURLcode code) const;

  // Constant after Prepare.
  HttpRequest request_;
  Origin origin_;
  std::shared_ptr<const TlsMaterial> material_;
  std::string url_;
  HttpReceiver* receiver_ = nullptr;
  std::vector<SecretBytes> header_lines_;  // zero-terminated
  std::vector<curl_slist> header_list_;    // points into header_lines_
  std::string connect_to_;
  curl_slist connect_to_list_{};

  // Loop thread only.
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_{nullptr, &curl_easy_cleanup};
  CURLcode option_error_ = CURLE_OK;
  Limits limits_{};
  char error_text_[CURL_ERROR_SIZE] = "";
  HttpResponse response_;
  SteadyTime last_heard_;
  std::size_t header_bytes_ = 0;
  std::size_t body_bytes_ = 0;
  bool headers_complete_ = false;
  bool too_large_ = false;
  bool receiver_is_full_ = false;
  std::exception_ptr thrown_;
};

}  // namespace nodekeep

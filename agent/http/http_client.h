#pragma once

// The interface to the network: sends requests, returns responses.
//
// A response with an HTTP error status is a successful exchange; the provider converts it into an
// Error, because its meaning depends on the backend. Implementations are thread-safe. SendAll
// blocks the caller, not a shared thread.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/shared_resource.h"

namespace nodekeep {

// Server verification and client certificate. Paths are files of this machine.
struct TlsSettings {
  std::string ca_file;       // PEM bundle; wins over ca_directory
  std::string ca_directory;  // every file in it is a PEM certificate
  std::string ca_pem;        // PEM text; used when neither file nor directory is given
  std::string server_name;   // expected name and SNI; "" = the URL's host
  std::string client_cert_file;
  std::string client_key_file;
  std::string client_cert_pem;  // PEM texts; each is used when its file is not given
  std::shared_ptr<const SecretBytes> client_key_pem;  // shared: settings are copied, keys are not
  bool skip_verify = false;

  bool operator==(const TlsSettings&) const = default;
};

// What users call these settings, for error texts that say which one helps.
struct TlsParameterNames {
  std::string_view ca = "the trusted CA certificates";
  std::string_view server_name = "the server name";
  std::string_view client_cert = "the client cert";
};

struct HttpHeader {
  std::string name;
  SecretBytes value;
};

struct HttpResponse;

// What a response says about the server as a whole, for all its clients.
enum class ServerState {
  kWorks,
  kThrottles,  // too many requests: send fewer, and none before Retry-After
  kDown,       // it currently serves no requests
  kUnknown,    // the problem may be limited to this path or this class
};

// The code of an error status as HTTP defines it (RFC 9110, RFC 6585). A backend whose statuses
// mean something else says so before it falls back on this.
ErrorCode CodeOfStatus(int status);

// By the status: 429 is kThrottles; 502, 503 and 504 are kUnknown; all others are kWorks. The
// Retry-After of a 503 is obeyed regardless of the state.
ServerState StateByStatus(const HttpResponse& response);

struct HttpRequest {
  std::string method = "GET";  // sent verbatim: LIST, PUT, ...
  std::string url;             // http:// or https://, percent-encoded
  std::string unix_socket;     // when set, connect to this path; `url` still names host and path
  std::vector<HttpHeader> headers;
  SecretBytes body;                             // sent when not empty, with any method
  std::shared_ptr<const TlsSettings> tls;       // null = the system's trust store
  const TlsParameterNames* tls_names = nullptr;  // a constant; null = the general words
  bool bypass_proxy = false;                    // link-local metadata hosts
  bool at_most_once = false;                    // never resent: the server may already have acted
  Duration timeout = std::chrono::seconds(30);  // of the whole exchange; the context may be shorter
  Duration idle_timeout = Duration::max();      // without any received bytes; then kTransient
  // Of the body. The default is for the answer to one read; lists and the like set their own.
  std::size_t max_response_bytes = 4u << 20;
  // How BackendGate interprets responses of this backend. A pure function, because requests outlive
  // their caller.
  ServerState (*server_state)(const HttpResponse&) = StateByStatus;

  HttpRequest Clone() const;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  SecretBytes body;
  SharedResource::Grant memory;  // for the body and what is parsed from it; see CurlClient

  // The first header of that (lower-case) name, or "".
  std::string_view Header(std::string_view name) const;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;

  // Sends all requests concurrently; the i-th result belongs to the i-th request.
  // Errors per request: kTransient (resolve, connect, TLS handshake, connection lost, timeout; the
  // text names the failing step), kInvalid (bad URL; certificate not trusted; the text says what to
  // set), kTooLarge (response over max_response_bytes), kDeadlineExceeded and kCancelled (the
  // context), kThrottled (refused by a local limit, see BackendGate and CurlClient).
  virtual std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                                    std::vector<HttpRequest> requests) = 0;

  Result<HttpResponse> Send(const Context& context, HttpRequest request);
};

}  // namespace nodekeep

#pragma once

// Calls of the HTTP API: requests, one redirect (redirect.cc), and the meaning of error replies.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "providers/vault/options.h"

namespace nodekeep::vault {

struct ApiCall {
  std::string method = "GET";
  std::string path;            // "/v1/...": not yet percent-encoded, except for a query
  std::string namespace_name;  // "" = none
  SecretBytes token;           // empty = none
  SecretBytes body;            // JSON; empty = none
};

// The URL that `call` is sent to.
std::string UrlOf(const ApiCall& call, const Options& options);

// Purpose of a call; decides the code of an error and the hint in its message.
enum class Step { kLogin, kRead, kLease };

// Thread-safe; `http` and `clock` must outlive this object.
class ApiClient {
 public:
  ApiClient(HttpClient& http, const Clock& clock, Duration timeout)
      : http_(http), clock_(clock), timeout_(timeout) {}

  // Sends all calls concurrently; the i-th result answers the i-th call. One redirect (301, 302,
  // 307, 308) is followed with the same method and token, because a standby redirects to the active
  // node of its cluster (see RedirectTarget). A 2xx reply is a value, any other an Error.
  std::vector<Result<HttpResponse>> SendAll(const Context& context, const Options& options,
                                            Step step, const std::vector<ApiCall>& calls);
  Result<HttpResponse> Send(const Context& context, const Options& options, Step step,
                            const ApiCall& call);

 private:
  HttpRequest Request(const ApiCall& call, const Options& options) const;

  HttpClient& http_;
  const Clock& clock_;
  const Duration timeout_;
};

// A 503 of a sealed or standby server means that the whole server is down; one of a locked
// namespace or a failing engine has another text.
ServerState StateOfServer(const HttpResponse& response);

// The error of a reply that is not 2xx, in the format of Vault's own client, which users search
// for: "Error making API request. URL: <method> <url> Code: <n>. Errors: * <e1> * <e2>".
Error ErrorOf(const HttpResponse& response, const ApiCall& call, const Options& options, Step step,
              WallTime now);

// The URL that a redirect leads to. Errors (kInvalid) say why it is not followed: the author of the
// class may run the server, and the agent reaches hosts that he does not. So it must lead to the
// same host or to one of `redirect_hosts`, but the node's own server may redirect to any; over a
// connection with a client certificate, to the same port too. Never from https to http, away from a
// unix socket, or to a loopback (except from one), link-local or unspecified address.
Result<std::string> RedirectTarget(const HttpRequest& from, std::string_view location,
                                   const Options& options);

// {"a":"x","b":"y"}: a body of strings, escaped; the values may be secret.
SecretBytes JsonBody(std::initializer_list<std::pair<std::string_view, std::string_view>> members);

}  // namespace nodekeep::vault

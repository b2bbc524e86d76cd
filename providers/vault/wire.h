#pragma once

// Calls of the HTTP API: requests, the one redirect, and what an error reply means.

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

// What the call was for; decides the code of an error and the hint that goes with it.
enum class Step { kLogin, kRead, kLease };

// Thread-safe; `http` and `clock` must outlive it.
class ApiClient {
 public:
  ApiClient(HttpClient& http, const Clock& clock, Duration timeout)
      : http_(http), clock_(clock), timeout_(timeout) {}

  // Sends all calls concurrently; the i-th result answers the i-th call. One redirect (301, 302,
  // 307, 308) is followed with the method kept and the token sent again: a standby names the active
  // node of its cluster, which is another host, so the host is not compared; a redirect from https
  // to http, or away from a unix socket, is refused.
  // A reply of 2xx is a value, any other an Error by the taxonomy.
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

// A 503 of a sealed or standby server concerns everybody; one of a locked namespace or of a failing
// engine says something else.
ServerState StateOfServer(const HttpResponse& response);

// The error of a reply that is not 2xx, in the words of Vault's own client, which users search for:
// "Error making API request. URL: <method> <url> Code: <n>. Errors: * <e1> * <e2>".
Error ErrorOf(const HttpResponse& response, const ApiCall& call, const Options& options, Step step,
              WallTime now);

// Where a redirect leads. Errors (kInvalid) say why it is not followed.
Result<std::string> RedirectTarget(const HttpRequest& from, std::string_view location);

// {"a":"x","b":"y"}: a body of strings, escaped; the values may be secret.
SecretBytes JsonBody(std::initializer_list<std::pair<std::string_view, std::string_view>> members);

}  // namespace nodekeep::vault

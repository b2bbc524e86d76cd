#pragma once

// Calls of the Akeyless API v2, POST <base>/<command> with one JSON object each way, and the
// meaning of error replies (docs/protocol/akeyless-api.md, "Calls and base URLs"). Everything about
// gateways is here: their order, which of them are down, and which parts of their messages a pod's
// author may read.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

// Purpose of a call; decides the code of an error and the hint in its message.
enum class Step {
  kLogin,
  kRead,
  kMint,  // creates something on each call: never sent twice
};

struct Command {
  std::string name;  // "describe-item"
  SecretBytes body;
  std::size_t max_response_bytes = 4u << 20;  // as HttpRequest
};

// Thread-safe; `http` and `clock` must outlive this object.
class GatewayClient {
 public:
  GatewayClient(HttpClient& http, const Clock& clock, Duration timeout)
      : http_(http), clock_(clock), timeout_(timeout) {}

  // Sends all commands concurrently; the i-th result answers the i-th command. When a gateway does
  // not answer, or answers 5xx, the next one is tried, and the failed one is tried last for a
  // while. Each has an equal part of the remaining time but at least five seconds, so the last ones
  // are not tried where that is too little for all. A mint is sent to one gateway only, because a
  // lost reply leaves open whether something was created, and may use all of the remaining time.
  //
  // Errors:
  //   kDenied       401 and 403 at login; else 403, and 401 with the text UnauthorizedAccess
  //   kAuthExpired  any other 401: the API returns it for a stale token and a denied path alike
  //   kNotFound     404 with JSON
  //   kThrottled    429
  //   kTransient    no answer, 5xx, a truncated reply
  //   kInvalid      400; 404 without JSON (wrong port or path); the API v1; redirects; no gateway
  //                 that may be called
  std::vector<Result<Json>> SendAll(const Context& context, const Options& options, Step step,
                                    const std::vector<Command>& commands);
  Result<Json> Send(const Context& context, const Options& options, Step step,
                    const Command& command);

  // The longest that one exchange may take: the node's timeout or the context's remaining time.
  Duration LongestExchange(const Context& context) const;

 private:
  // The URLs in the order to try.
  std::vector<std::string> Order(const Options& options) const;
  void Remember(const std::string& url, bool works);
  std::vector<Result<Json>> SendTo(const std::string& url, const Context& context,
                                   const Options& options, Step step, Duration timeout,
                                   const std::vector<const Command*>& commands);

  HttpClient& http_;
  const Clock& clock_;
  const Duration timeout_;

  mutable Mutex mutex_;
  // By URL; absent = works as far as known.
  std::map<std::string, SteadyTime> down_until_ NODEKEEP_GUARDED_BY(mutex_);
};

// The error of a reply that is not 2xx, with the gateway's message. Account ids, access ids and
// tokens in it are masked, because these texts appear in pod events.
Error ErrorOf(const HttpResponse& response, const std::string& url, const Command& command,
              Step step, WallTime now);

// Whether the credential or the requested operation was refused; Akeyless counts refused logins.
bool IsRefusal(const Error& error);

// A request body. Members with empty texts are left out, as the SDKs do.
class RequestBody {
 public:
  RequestBody& Text(std::string_view name, std::string_view value);
  RequestBody& Texts(std::string_view name, const std::vector<std::string>& values);
  RequestBody& Number(std::string_view name, std::int64_t value);
  RequestBody& Flag(std::string_view name, bool value);
  SecretBytes Take();

 private:
  GoJsonObject object_;
};

}  // namespace nodekeep::akeyless

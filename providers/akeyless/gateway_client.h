#pragma once

// Calls of the Akeyless API v2, POST <base>/<command> with one JSON object each way, and what an
// error reply means (docs/protocol/akeyless-api.md, "Calls and base URLs"). All knowledge of
// gateways is here: several of them in order, which of them is down, which words of theirs a pod's
// author may read.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

// What a call is for; decides the code of an error and the hint that goes with it.
enum class Step {
  kLogin,
  kRead,
  kMint,  // makes something new each time: never sent twice
};

struct Command {
  std::string name;  // "describe-item"
  SecretBytes body;
};

// Thread-safe; `http` and `clock` must outlive it.
class GatewayClient {
 public:
  GatewayClient(HttpClient& http, const Clock& clock, Duration timeout)
      : http_(http), clock_(clock), timeout_(timeout) {}

  // Sends all commands concurrently; the i-th result answers the i-th command. A gateway that does
  // not answer, or answers 5xx, is passed over for the next one, and asked last for a while; a mint
  // is sent to one gateway only, since nobody knows whether a lost reply was preceded by the deed,
  // and gets all the time that is left.
  //
  // Errors: kDenied (401 and 403 at login; 403, and 401 that says UnauthorizedAccess), kAuthExpired
  // (any other 401: the API says so of a stale token and of a denied path alike), kNotFound (404
  // with JSON), kThrottled (429), kTransient (no answer, 5xx, a reply that breaks off), kInvalid
  // (400, 404 without JSON: wrong port or path; v1 API; redirects; no gateway that may be called).
  std::vector<Result<Json>> SendAll(const Context& context, const Options& options, Step step,
                                    const std::vector<Command>& commands);
  Result<Json> Send(const Context& context, const Options& options, Step step,
                    const Command& command);

  // The longest that one exchange may take: the node's timeout, or what is left of the context.
  Duration LongestExchange(const Context& context) const;

 private:
  // In the order in which they are to be asked.
  std::vector<std::string> Order(const Options& options) const;
  void Remember(const std::string& url, bool works);
  std::vector<Result<Json>> SendTo(const std::string& url, const Context& context,
                                   const Options& options, Step step, Duration timeout,
                                   const std::vector<const Command*>& commands);

  HttpClient& http_;
  const Clock& clock_;
  const Duration timeout_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, SteadyTime> down_until_;  // by URL; absent = works as far as known
};

// The error of a reply that is not 2xx, in the gateway's own words as far as they may be shown:
// account ids, access ids and tokens in them are masked, because these texts end in events of pods.
Error ErrorOf(const HttpResponse& response, const std::string& url, const Command& command,
              Step step, WallTime now);

// The credential, or what it asked for, was refused; at a login Akeyless counts that.
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
  void Name(std::string_view name);

  SecretBytes text_;
};

}  // namespace nodekeep::akeyless

#include "providers/akeyless/gateway_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "agent/base/go_json.h"
#include "agent/base/go_text.h"
#include "agent/base/mutex.h"
#include "agent/base/utf8.h"
#include "agent/http/retry.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::size_t kMaxServerText = 1024;
constexpr std::size_t kMaxRemembered = 1024;
constexpr Duration kPassOver = std::chrono::seconds(30);
// The least time that a gateway gets, because one that has less tells nothing about itself.
constexpr Duration kFairTime = std::chrono::seconds(5);
// Longer than any caller's budget, so that the core does not retry a mint.
constexpr Duration kMintPause = std::chrono::hours(24);

// Members of a request body that hold secrets.
constexpr std::string_view kSecretMembers[] = {"token",
                                               "uid-token",
                                               "access-key",
                                               "cloud-id",
                                               "jwt",
                                               "key-data",
                                               "revoke-token",
                                               "k8s-service-account-token",
                                               "signed-cert-challenge",
                                               "send-manual-ack-token"};

bool Echoes(const std::string& text, const SecretBytes& sent) {
  Result<Json> body = ParseJson(sent.Reveal());
  if (!body.ok() || !body->is_object()) return false;
  for (std::string_view member : kSecretMembers) {
    std::optional<std::string> value = TextOf(Find(*body, {member}));
    const bool echoed = value && value->size() >= 4 && text.find(*value) != std::string::npos;
    if (value) WipeString(*value);
    if (echoed) return true;
  }
  return false;
}

bool IsIdChar(unsigned char c) {
  return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '=';
}

// Replaces what follows the prefix of access ids (p-), account ids (acc-) and tokens (t-, u-).
std::string Masked(std::string_view text) {
  constexpr std::size_t kShortestId = 8;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && IsIdChar(static_cast<unsigned char>(text[end]))) ++end;
    std::string_view word = text.substr(at, end - at);
    for (std::string_view prefix : {"p-", "acc-", "t-", "u-"}) {
      if (word.starts_with(prefix) && word.size() >= prefix.size() + kShortestId) {
        out += prefix;
        word = "***";
        break;
      }
    }
    out += word;
    if (end < text.size()) out += text[end++];
    at = end;
  }
  return out;
}

// The server's message on one line, without the final full stop, which our messages do not have.
std::string Words(std::string_view text) {
  std::string words = OneLine(text, kMaxServerText);
  while (words.ends_with('.')) words.pop_back();
  return words;
}

// 404 and 410 at login mean a wrong port or path, not a missing item.
ErrorCode LoginCode(int status) {
  return status == 404 || status == 410 ? ErrorCode::kInvalid : CodeOfStatus(status);
}

ErrorCode ReadCode(int status, bool readable, std::string_view words) {
  switch (status) {
    case 401:
      // The text only spares a login: it never decides that a secret is gone
      // (docs/protocol/akeyless-api.md, "Refusals and blocking").
      return words.find("UnauthorizedAccess") != std::string_view::npos ? ErrorCode::kDenied
                                                                        : ErrorCode::kAuthExpired;
    case 404: return readable ? ErrorCode::kNotFound : ErrorCode::kInvalid;
    case 409: return ErrorCode::kConflict;
    default: return LoginCode(status);
  }
}

bool IsRedirect(int status) { return status >= 300 && status < 400; }

std::string UrlHint(const std::string& url) {
  return fmt::format(
      "; this looks like a wrong port or path: \"{}\" does not serve the API v2. Use "
      "https://api.akeyless.io, or of a gateway one of https://<host>:8000/api/v2, "
      "https://<host>:8080/v2, https://<host>:8081",
      Excerpt(url));
}

std::string Hint(int status, bool readable, std::string_view words, const std::string& url,
                 Step step) {
  if (IsRedirect(status)) return "; redirects are not followed: configure the final URL";
  if (status == 404 && !readable) return UrlHint(url);
  if (status == 429) return "; the account's rate limit for this access id is reached";
  if (step == Step::kLogin) {
    return status == 401 || status == 403
               ? "; check the access id, its auth method's bounds and the credential"
               : "";
  }
  if (status == 401 || status == 403) {
    return "; the access role must allow read on this path (a path that does not exist looks the "
           "same without that permission)";
  }
  if (status == 400 && words.find("not found in cache") != std::string_view::npos) {
    return "; the gateway of this dynamic secret has lost its session with the target";
  }
  return "";
}

// The JSON of a 2xx reply.
Result<Json> ReplyOf(const HttpResponse& response, const std::string& url, const Command& command) {
  const std::string_view body = response.body.Reveal();
  Result<Json> reply = ParseJson(body);
  const std::string where = fmt::format("POST {}/{}", Excerpt(url), command.name);
  // The API v1 answers a v2 call with this text, plain or inside JSON.
  if (body.size() < 4096 && body.find("unknown command") != std::string_view::npos &&
      (!reply.ok() || Find(*reply, {"status"}) != nullptr)) {
    return Error::Format(ErrorCode::kInvalid, "{}: the API v1 answers here{}", where, UrlHint(url));
  }
  if (!reply.ok()) {
    return Error::Format(ErrorCode::kTransient,
                         "{}: the reply is not the API's JSON ({}): is a proxy in between?", where,
                         reply.error().message());
  }
  return reply;
}

// Why none of the gateways may be called.
Error NotCallable(const Options& options) {
  const Gateway& first = options.gateways.front();
  return Error::Format(ErrorCode::kInvalid, "gateway \"{}\": {}", Excerpt(first.base),
                       first.problem);
}

constexpr TlsParameterNames kTlsNames = {.ca = "nodekeep/caBundle or nodekeep/caFile",
                                         .server_name = "nodekeep/tlsServerName"};

bool PassOver(const Error& error) { return error.code() == ErrorCode::kTransient; }

}  // namespace

std::vector<std::string> GatewayClient::Order(const Options& options) const {
  std::vector<std::string> works, down;
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  for (const Gateway& gateway : options.gateways) {
    if (!gateway.problem.empty()) continue;
    auto found = down_until_.find(gateway.base);
    (found != down_until_.end() && now < found->second ? down : works).push_back(gateway.base);
  }
  works.insert(works.end(), down.begin(), down.end());
  return works;
}

void GatewayClient::Remember(const std::string& url, bool works) {
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  if (works) {
    down_until_.erase(url);
    return;
  }
  if (down_until_.size() >= kMaxRemembered) {
    std::erase_if(down_until_, [&](const auto& item) { return now >= item.second; });
  }
  if (down_until_.size() < kMaxRemembered) down_until_[url] = now + kPassOver;
}

std::vector<Result<Json>> GatewayClient::SendTo(const std::string& url, const Context& context,
                                                const Options& options, Step step, Duration timeout,
                                                const std::vector<const Command*>& commands) {
  std::vector<HttpRequest> requests;
  for (const Command* command : commands) {
    HttpRequest request;
    request.method = "POST";
    request.url = url + "/" + command->name;
    request.tls = options.tls;
    request.tls_names = &kTlsNames;
    request.timeout = timeout;
    request.at_most_once = step == Step::kMint;
    request.headers.push_back({"Content-Type", SecretBytes("application/json")});
    request.headers.push_back({"Accept", SecretBytes("application/json")});
    // unverified: its effect; public clients of this API name themselves so
    // (docs/protocol/akeyless-api.md, "Client identification").
    request.headers.push_back({"akeylessclienttype", SecretBytes("nodekeep")});
    request.body = command->body.Clone();
    request.max_response_bytes = command->max_response_bytes;
    requests.push_back(std::move(request));
  }
  std::vector<Result<HttpResponse>> replies = http_.SendAll(context, std::move(requests));
  std::vector<Result<Json>> results;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const Command& command = *commands[i];
    if (!replies[i].ok()) {
      results.push_back(replies[i].error().Prepend("POST {}/{}", Excerpt(url), command.name));
    } else if (replies[i]->status < 200 || replies[i]->status > 299) {
      results.push_back(ErrorOf(*replies[i], url, command, step, clock_.Wall()));
    } else {
      results.push_back(ReplyOf(*replies[i], url, command));
    }
  }
  return results;
}

std::vector<Result<Json>> GatewayClient::SendAll(const Context& context, const Options& options,
                                                 Step step, const std::vector<Command>& commands) {
  const std::vector<std::string> urls = Order(options);
  std::vector<Result<Json>> results(commands.size(), Result<Json>(NotCallable(options)));
  std::vector<std::size_t> open(commands.size());
  for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;

  for (std::size_t u = 0; u < urls.size() && !open.empty(); ++u) {
    const std::string& url = urls[u];
    // A gateway that hangs must leave time for those after it, as far as there is enough for all; a
    // mint is sent to one only.
    const std::size_t to_ask = step == Step::kMint ? 1 : urls.size() - u;
    const Duration left = context.Remaining(clock_);
    const Duration share = std::max(left / static_cast<int>(to_ask), std::min(left, kFairTime));
    const Duration timeout = std::max(Duration(1), std::min(timeout_, share));
    std::vector<const Command*> batch;
    for (std::size_t i : open) batch.push_back(&commands[i]);
    std::vector<Result<Json>> answers = SendTo(url, context, options, step, timeout, batch);

    std::vector<std::size_t> failed;
    for (std::size_t j = 0; j < answers.size(); ++j) {
      if (!answers[j].ok() && PassOver(answers[j].error())) failed.push_back(open[j]);
      results[open[j]] = std::move(answers[j]);
    }
    const bool over = !context.Check(clock_).ok();
    const bool works = failed.size() < open.size();
    const bool had_time = timeout >= std::min(timeout_, kFairTime);
    if (!over && !open.empty() && (works || had_time)) Remember(url, works);
    open = over || step == Step::kMint ? std::vector<std::size_t>() : std::move(failed);
  }
  if (step == Step::kMint) {
    for (Result<Json>& result : results) {
      if (result.ok() || !PassOver(result.error()) || result.error().retry_after()) continue;
      result = Error(result.error()).WithRetryAfter(kMintPause);
    }
  }
  return results;
}

Duration GatewayClient::LongestExchange(const Context& context) const {
  return std::min(timeout_, context.Remaining(clock_));
}

Result<Json> GatewayClient::Send(const Context& context, const Options& options, Step step,
                                 const Command& command) {
  std::vector<Command> commands;
  commands.push_back({command.name, command.body.Clone(), command.max_response_bytes});
  return std::move(SendAll(context, options, step, commands).front());
}

Error ErrorOf(const HttpResponse& response, const std::string& url, const Command& command,
              Step step, WallTime now) {
  Result<Json> body = ParseJson(response.body.Reveal());
  const bool readable = body.ok() && body->is_object();
  std::string words;
  if (readable) words = TextOf(Find(*body, {"error"})).value_or("");
  if (Echoes(words, command.body)) {
    words = "(the gateway's text repeats the credential; withheld)";
  } else if (!words.empty()) {
    words = Masked(Words(words));
  } else {
    words = readable || response.body.empty() ? "(no reason given)" : "(the reply is not JSON)";
  }

  std::string text = fmt::format("{} (status {} of POST {}/{})", words, response.status,
                                 Excerpt(url), command.name);
  text += Hint(response.status, readable, words, url, step);
  Error error(step == Step::kLogin ? LoginCode(response.status)
                                   : ReadCode(response.status, readable, words),
              std::move(text));
  if (std::optional<Duration> delay = ParseRetryAfter(response.Header("retry-after"), now)) {
    error = std::move(error).WithRetryAfter(*delay);
  }
  return error;
}

bool IsRefusal(const Error& error) {
  return error.code() == ErrorCode::kDenied || error.code() == ErrorCode::kAuthExpired;
}

RequestBody& RequestBody::Text(std::string_view name, std::string_view value) {
  if (!value.empty()) object_.String(name, value);
  return *this;
}

RequestBody& RequestBody::Texts(std::string_view name, const std::vector<std::string>& values) {
  object_.Strings(name, values);
  return *this;
}

RequestBody& RequestBody::Number(std::string_view name, std::int64_t value) {
  object_.Number(name, value);
  return *this;
}

RequestBody& RequestBody::Flag(std::string_view name, bool value) {
  object_.Bool(name, value);
  return *this;
}

SecretBytes RequestBody::Take() { return object_.Finish(); }

}  // namespace nodekeep::akeyless

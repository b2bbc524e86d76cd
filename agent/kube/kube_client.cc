#include "agent/kube/kube_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/utf8.h"
#include "agent/base/read_file.h"

namespace nodekeep {
namespace {

// A server that is no API server may answer with a page; an event has room for a sentence.
constexpr std::size_t kMaxMessage = 500;

ErrorCode CodeOf(int status) {
  switch (status) {
    case 401:
      return ErrorCode::kAuthExpired;
    case 403:
      return ErrorCode::kDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
    case 410:
      return ErrorCode::kConflict;
    case 413:
      return ErrorCode::kTooLarge;
    case 429:
      return ErrorCode::kThrottled;
    default:
      break;
  }
  return status >= 500 ? ErrorCode::kTransient : ErrorCode::kInvalid;
}

std::string Shortened(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() <= kMaxMessage) return text;
  return ReplaceInvalidUtf8(text.substr(0, kMaxMessage)) + "...";
}

// The body of a failure is a Status object:
// {"kind":"Status","reason":"Forbidden","message":"...","details":{"retryAfterSeconds":1}}
Error FailureOf(const HttpResponse& response, WallTime now) {
  const Result<Json> parsed = ParseJson(response.body.Reveal());
  const Json status = parsed.ok() ? *parsed : Json();
  const bool is_status = TextOf(Find(status, {"kind"})) == "Status";
  std::string text = fmt::format("{}", response.status);
  if (is_status) {
    text += " " + Shortened(TextOf(Find(status, {"reason"})).value_or("")) + ": " +
            Shortened(TextOf(Find(status, {"message"})).value_or("no message"));
  } else {
    text += ": not the answer of a Kubernetes API server: check the server address and proxies";
  }
  Error error(CodeOf(response.status), std::move(text));
  std::optional<Duration> wait = ParseRetryAfter(response.Header("retry-after"), now);
  const std::optional<std::int64_t> seconds = IntOf(Find(status, {"details", "retryAfterSeconds"}));
  if (!wait && is_status && seconds && *seconds > 0) {
    wait = std::chrono::seconds(std::min<std::int64_t>(*seconds, 3600));
  }
  if (!wait) return error;
  return std::move(error).WithRetryAfter(*wait);
}

}  // namespace

KubeClient::KubeClient(HttpClient& http, KubeConnection connection, const Clock& clock, Rng& rng,
                       Options options)
    : http_(http),
      connection_(std::move(connection)),
      clock_(clock),
      options_(options),
      retry_(options.retry, clock, rng) {}

Result<Json> KubeClient::Get(const Context& context, const std::string& path) {
  return Send(context, "GET", path, SecretBytes());
}

Result<Json> KubeClient::PostRepeatable(const Context& context, const std::string& path,
                                        const Json& body) {
  return Send(context, "POST", path, GoJson(body));
}

Result<Json> KubeClient::Send(const Context& context, std::string_view method,
                              const std::string& path, const SecretBytes& body) {
  Result<Json> answer = retry_.Run(context, [&] { return SendOnce(context, method, path, body); });
  if (!answer.ok()) return answer.error().Prepend("kubernetes: {} {}", method, path);
  return answer;
}

Result<Json> KubeClient::SendOnce(const Context& context, std::string_view method,
                                  const std::string& path, const SecretBytes& body) {
  Result<SecretBytes> token = BearerToken();
  if (!token.ok()) return token.error();
  HttpRequest request;
  request.method = method;
  request.url = connection_.server + path;
  request.tls = connection_.tls;
  request.timeout = options_.request_timeout;
  request.headers.push_back({"Accept", SecretBytes("application/json")});
  if (!body.empty()) {
    request.headers.push_back({"Content-Type", SecretBytes("application/json")});
    request.body = body.Clone();
  }
  if (!token->empty()) {
    SecretBytes bearer("Bearer ");
    bearer.Append(token->Reveal());
    request.headers.push_back({"Authorization", std::move(bearer)});
  }
  Result<HttpResponse> response = http_.Send(context, std::move(request));
  if (!response.ok()) return response.error();
  if (response->status < 200 || response->status > 299) {
    return FailureOf(*response, clock_.Wall());
  }
  Result<Json> json = ParseJson(response->body.Reveal());
  if (!json.ok()) {
    return Error::Format(ErrorCode::kInternal, "{}: the answer is no JSON: {}", response->status,
                         json.error().message());
  }
  return json;
}

Result<SecretBytes> KubeClient::BearerToken() const {
  if (connection_.token_file.empty()) return connection_.token.Clone();
  Result<SecretBytes> content = ReadSmallFile(connection_.token_file);
  if (!content.ok()) return content.error().Prepend("token of {}", connection_.source);
  constexpr std::string_view kSpace = " \t\r\n";
  std::string_view text = content->Reveal();
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  if (text.empty()) {
    return Error::Format(ErrorCode::kInvalid, "token of {}: file \"{}\" is empty",
                         connection_.source, connection_.token_file);
  }
  return SecretBytes(text);
}

}  // namespace nodekeep

#include "agent/kube/kube_request.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/read_file.h"
#include "agent/base/utf8.h"
#include "agent/http/retry.h"

namespace nodekeep {
namespace {

// Limits a message, because a server that is not an API server may send a whole HTML page.
constexpr std::size_t kMaxMessage = 500;
constexpr Duration kLongestWait = std::chrono::seconds(30);
// A page of a list; one object has at most some MiB.
constexpr std::size_t kMaxAnswerBytes = 10u << 20;

// Of a kubeconfig; a pod's service account has its certificate from the cluster.
constexpr TlsParameterNames kTlsNames = {"certificate-authority-data of the cluster",
                                         "tls-server-name of the cluster",
                                         "client-certificate-data of the user"};

ErrorCode CodeOf(int status) {
  switch (status) {
    case 401: return ErrorCode::kAuthExpired;
    case 409:
    case 410: return ErrorCode::kConflict;
    case 413: return ErrorCode::kTooLarge;
    default: return CodeOfStatus(status);
  }
}

std::string Shortened(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Excerpt(text, kMaxMessage);
}

// The body of a failure is a Status object:
// {"kind":"Status","reason":"Forbidden","message":"...","details":{"retryAfterSeconds":1}}
Error FailureOf(const HttpResponse& response, WallTime now) {
  const Result<Json> parsed = ParseJson(response.body.Reveal());
  const Json status = parsed.ok() ? *parsed : Json();
  const bool is_status = TextOf(Find(status, {"kind"})) == "Status";
  std::string text = fmt::format("{}", response.status);
  if (is_status) {
    text += fmt::format(" {}: {}", Shortened(TextOf(Find(status, {"reason"})).value_or("")),
                        Shortened(TextOf(Find(status, {"message"})).value_or("no message")));
  } else if (response.status == 429) {
    // Priority and fairness rejects requests with plain text.
    text += ": too many requests";
  } else {
    text += ": not a response of a Kubernetes API server: check the server address and proxies";
  }
  Error error(CodeOf(response.status), std::move(text));
  std::optional<Duration> wait = ParseRetryAfter(response.Header("retry-after"), now);
  const std::optional<std::int64_t> seconds = IntOf(Find(status, {"details", "retryAfterSeconds"}));
  if (!wait && is_status && seconds && *seconds > 0) {
    wait = std::chrono::seconds(std::min<std::int64_t>(*seconds, 3600));
  }
  if (!wait) return error;
  return std::move(error).WithRetryAfter(std::min(*wait, kLongestWait));
}

Result<SecretBytes> BearerToken(const KubeConnection& connection) {
  if (connection.token_file.empty()) return connection.token.Clone();
  Result<SecretBytes> token = ReadTokenFile(connection.token_file);
  if (!token.ok()) return token.error().Prepend("token of {}", connection.source);
  return token;
}

// A server that does not support the metadata form returns the object.
std::string_view Accept(KubeAnswer answer) {
  switch (answer) {
    case KubeAnswer::kMetadata:
      return "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    case KubeAnswer::kObject: break;
  }
  return "application/json";
}

}  // namespace

Result<HttpRequest> MakeKubeRequest(const KubeConnection& connection, std::string_view user_agent,
                                    const KubeCall& call) {
  Result<SecretBytes> token = BearerToken(connection);
  if (!token.ok()) return token.error();
  HttpRequest request;
  request.method = call.method;
  request.url = connection.server + call.path;
  request.tls = connection.tls;
  request.tls_names = &kTlsNames;
  request.max_response_bytes = kMaxAnswerBytes;
  request.headers.push_back({"Accept", SecretBytes(Accept(call.answer))});
  request.headers.push_back({"User-Agent", SecretBytes(user_agent)});
  if (!call.body.empty()) {
    request.headers.push_back({"Content-Type", SecretBytes(call.content_type)});
    request.body = call.body.Clone();
  }
  if (!token->empty()) {
    SecretBytes bearer("Bearer ");
    bearer.Append(token->Reveal());
    request.headers.push_back({"Authorization", std::move(bearer)});
  }
  return request;
}

Result<Json> ReadKubeAnswer(const HttpResponse& response, WallTime now) {
  if (response.status < 200 || response.status > 299) return FailureOf(response, now);
  Result<Json> json = ParseJson(response.body.Reveal());
  if (!json.ok()) {
    return Error::Format(ErrorCode::kInternal, "{}: the response is not JSON: {}", response.status,
                         json.error().message());
  }
  return json;
}

void AddQuery(std::string& path, std::string_view name, std::string_view value) {
  path += path.find('?') == std::string::npos ? '?' : '&';
  path += name;
  path += '=';
  path += PercentEncode(value, false);
}

std::string KubeSelection::PathWithQuery() const {
  std::string text = path;
  if (!field_selector.empty()) AddQuery(text, "fieldSelector", field_selector);
  return text;
}

}  // namespace nodekeep

#include "agent/cloud/exchange.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>

#include "agent/base/codecs.h"
#include "agent/base/go_json.h"
#include "agent/http/retry.h"

namespace nodekeep {
namespace {

// Credentials and tokens are a few kilobytes, longer for a service account with many groups.
constexpr std::size_t kMaxAnswer = 256u << 10;
constexpr std::int64_t kLongestLifetime = 7 * 24 * 3600;

struct Refusal {
  std::string_view code;
  ErrorCode meaning;
  std::string_view hint;
};

// The meaning of the services' error codes, where it differs from the HTTP status
// (docs/protocol/cloud-tokens.md, "Error codes").
constexpr Refusal kRefusals[] = {
    {"AccessDenied", ErrorCode::kDenied,
     "the role's trust policy must allow this service account and audience"},
    {"InvalidIdentityToken", ErrorCode::kDenied,
     "the account needs an IAM OIDC provider for the cluster's issuer and this audience"},
    {"ExpiredTokenException", ErrorCode::kAuthExpired, "the token is too old"},
    {"ExpiredToken", ErrorCode::kAuthExpired, "the credentials are too old"},
    {"IDPCommunicationError", ErrorCode::kTransient, "STS could not reach the cluster's issuer"},
    {"IDPRejectedClaim", ErrorCode::kDenied, "the cluster's issuer rejected the token"},
    {"RegionDisabledException", ErrorCode::kPrecondition, "activate STS in this region"},
    {"SignatureDoesNotMatch", ErrorCode::kDenied,
     "is the secret access key right, and the node's clock?"},
    {"InvalidClientTokenId", ErrorCode::kDenied, "no such access key id"},
    {"Throttling", ErrorCode::kThrottled, ""},
    {"AADSTS70021", ErrorCode::kTransient,
     "no federated credential matches the token's issuer, subject and audience; a new one takes "
     "minutes to take effect"},
    {"AADSTS700211", ErrorCode::kTransient,
     "no federated credential matches the token's issuer; a new one takes minutes to take effect"},
    {"AADSTS700213", ErrorCode::kTransient,
     "no federated credential matches the token's subject; a new one takes minutes to take effect"},
    {"AADSTS700016", ErrorCode::kDenied,
     "no such application in the tenant: is the client id right?"},
    {"AADSTS90002", ErrorCode::kDenied, "no such tenant: is the tenant id right?"},
    {"AADSTS7000215", ErrorCode::kDenied, "the client secret is wrong"},
    {"AADSTS7000222", ErrorCode::kDenied, "the client secret has expired"},
    {"AADSTS700024", ErrorCode::kAuthExpired, "the token is too old or not valid yet"},
    {"invalid_client", ErrorCode::kDenied, ""},
    {"unauthorized_client", ErrorCode::kDenied, ""},
    {"invalid_grant", ErrorCode::kDenied, ""},
    {"temporarily_unavailable", ErrorCode::kTransient, ""},
};

// `text` if it is a single word, as error codes are; else "", because other text may quote ids.
std::string Word(std::string_view text) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  };
  const bool fits = text.size() <= 64 && std::all_of(text.begin(), text.end(), is_word);
  return fits ? std::string(text) : "";
}

// Returns "AADSTS700016" for "AADSTS700016: Application with identifier ...".
std::string EntraCode(std::string_view description) {
  return description.starts_with("AADSTS") ? Word(description.substr(0, description.find(':')))
                                           : "";
}

// The error code in a body of AWS (XML or JSON), Entra or Google; "" if there is none.
std::string CodeIn(std::string_view body) {
  if (std::string code = Word(XmlText(body, "Code")); !code.empty()) return code;
  Result<Json> json = ParseJson(body);
  if (!json.ok() || !json->is_object()) return "";
  if (std::string code = EntraCode(TextOf(Find(*json, {"error_description"})).value_or(""));
      !code.empty()) {
    return code;
  }
  for (auto path : {Find(*json, {"error", "status"}), Find(*json, {"error"}), Find(*json, {"code"}),
                    Find(*json, {"Code"})}) {
    if (std::optional<std::string> text = TextOf(path)) return Word(*text);
  }
  return "";
}

Error ErrorOf(const HttpResponse& response, std::string_view what) {
  const std::string code = CodeIn(response.body.Reveal());
  ErrorCode meaning = CodeOfStatus(response.status);
  std::string text = fmt::format("{}: HTTP status {}", what, response.status);
  if (!code.empty()) text += " " + code;
  for (const Refusal& refusal : kRefusals) {
    if (refusal.code != code) continue;
    meaning = refusal.meaning;
    if (!refusal.hint.empty()) text += fmt::format(": {}", refusal.hint);
  }
  Error error(meaning, std::move(text));
  // These services send seconds; a date, which would need a clock, counts as past.
  const std::optional<Duration> delay =
      ParseRetryAfter(response.Header("retry-after"), WallTime::max());
  return delay && delay->count() > 0 ? std::move(error).WithRetryAfter(*delay) : error;
}

}  // namespace

HttpRequest FormPost(std::string url,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> form) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers.push_back({"Content-Type", SecretBytes("application/x-www-form-urlencoded")});
  for (const auto& [name, value] : form) {
    if (value.empty()) continue;
    if (!request.body.empty()) request.body.Append("&");
    request.body.Append(std::string(name) + "=");
    request.body.Append(SecretBytes::MoveFrom(PercentEncode(value, /*keep_slash=*/false)).Reveal());
  }
  return request;
}

HttpRequest JsonPost(std::string url, const Json& body) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers.push_back({"Content-Type", SecretBytes("application/json")});
  request.body = GoJson(body);
  return request;
}

HttpRequest MetadataGet(std::string url, Duration timeout) {
  HttpRequest request;
  request.url = std::move(url);
  request.bypass_proxy = true;
  request.timeout = timeout;
  return request;
}

Result<SecretBytes> Exchange(const Context& context, HttpClient& http, HttpRequest request,
                             std::string_view what) {
  request.max_response_bytes = kMaxAnswer;
  Result<HttpResponse> response = http.Send(context, std::move(request));
  if (!response.ok()) return response.error().Prepend("{}", what);
  if (response->status / 100 != 2) return ErrorOf(*response, what);
  return std::move(response->body);
}

Result<Json> ExchangeForJson(const Context& context, HttpClient& http, HttpRequest request,
                             std::string_view what) {
  Result<SecretBytes> body = Exchange(context, http, std::move(request), what);
  if (!body.ok()) return body.error();
  Result<Json> json = ParseJson(body->Reveal());
  if (!json.ok() || !json->is_object()) {
    return Error::Format(ErrorCode::kTransient, "{}: the answer is not a JSON object", what);
  }
  return json;
}

Result<CloudToken> ExchangeForToken(const Context& context, HttpClient& http, HttpRequest request,
                                    std::string_view what, std::string_view member) {
  Result<Json> answer = ExchangeForJson(context, http, std::move(request), what);
  if (!answer.ok()) return answer.error();
  CloudToken token;
  token.token = SecretBytes::MoveFrom(TextOf(Find(*answer, {member})).value_or(""));
  if (token.token.empty()) {
    return Error::Format(ErrorCode::kTransient, "{}: the answer has no {}", what, member);
  }
  // A number, or a string with a number (Azure's metadata service).
  const std::string seconds = ScalarText(Find(*answer, {"expires_in"})).value_or("");
  std::int64_t count = 0;
  std::from_chars(seconds.data(), seconds.data() + seconds.size(), count);
  token.lifetime = std::chrono::seconds(std::clamp<std::int64_t>(count, 0, kLongestLifetime));
  return token;
}

std::string_view XmlText(std::string_view xml, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const std::size_t start = xml.find(open);
  if (start == std::string_view::npos) return "";
  const std::string_view rest = xml.substr(start + open.size());
  const std::size_t end = rest.find(fmt::format("</{}>", tag));
  return end == std::string_view::npos ? "" : rest.substr(0, end);
}

}  // namespace nodekeep

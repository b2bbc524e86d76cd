#include "agent/base/jwt.h"

#include <charconv>

#include "agent/base/codecs.h"
#include "agent/base/json.h"

namespace nodekeep {
namespace {

Error NotAToken(std::string_view reason) {
  return Error::Format(ErrorCode::kInvalid, "the service account token is not a JWT: {}", reason);
}

std::string Claim(const Json& payload, std::initializer_list<std::string_view> path) {
  return TextOf(Find(payload, path)).value_or("");
}

// `exp` is a JSON number, which may have a fraction.
std::optional<WallTime> ExpiryOf(const Json& payload) {
  const Json* const claim = Find(payload, {"exp"});
  if (claim == nullptr || !claim->is_number()) return std::nullopt;
  const std::string text = ScalarText(claim).value_or("");
  double seconds = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // Above this the number of nanoseconds since 1970 overflows.
  constexpr double kLast = 9.2e9;
  if (read.ec != std::errc() || seconds < 0 || seconds > kLast) return std::nullopt;
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(seconds)));
}

}  // namespace

Result<JwtClaims> ReadJwtClaims(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return NotAToken("it does not have three parts");
  }
  const Result<SecretBytes> bytes = Base64UrlDecode(token.substr(first + 1, second - first - 1));
  if (!bytes.ok()) return NotAToken("its payload is not base64url");
  const Result<Json> payload = ParseJson(bytes->Reveal());
  if (!payload.ok() || !payload->is_object()) return NotAToken("its payload is not a JSON object");

  JwtClaims claims;
  claims.subject = Claim(*payload, {"sub"});
  claims.expires = ExpiryOf(*payload);
  if (Find(*payload, {"kubernetes.io"}) != nullptr) {
    claims.namespace_ = Claim(*payload, {"kubernetes.io", "namespace"});
    claims.service_account = Claim(*payload, {"kubernetes.io", "serviceaccount", "name"});
    claims.service_account_uid = Claim(*payload, {"kubernetes.io", "serviceaccount", "uid"});
    claims.pod_uid = Claim(*payload, {"kubernetes.io", "pod", "uid"});
  } else {
    claims.namespace_ = Claim(*payload, {"kubernetes.io/serviceaccount/namespace"});
    claims.service_account = Claim(*payload, {"kubernetes.io/serviceaccount/service-account.name"});
    claims.service_account_uid =
        Claim(*payload, {"kubernetes.io/serviceaccount/service-account.uid"});
  }
  return claims;
}

}  // namespace nodekeep

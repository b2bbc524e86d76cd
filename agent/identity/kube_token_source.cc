#include "agent/identity/kube_token_source.h"

#include <optional>
#include <utility>

#include "agent/base/json.h"
#include "agent/base/jwt.h"
#include "agent/kube/resource.h"

namespace nodekeep {
namespace {

constexpr int kLifetimeSeconds = 900;

Json TokenRequest(const Identity& identity, const std::string& audience) {
  Json audiences(jsoncons::json_array_arg);
  if (!audience.empty()) audiences.push_back(audience);
  Json spec;
  spec["audiences"] = std::move(audiences);
  if (identity.pod) {
    Json pod;
    pod["apiVersion"] = "v1";
    pod["kind"] = "Pod";
    pod["name"] = identity.pod->name;
    pod["uid"] = identity.pod->uid;
    spec["boundObjectRef"] = std::move(pod);
  }
  spec["expirationSeconds"] = kLifetimeSeconds;
  Json request;
  request["apiVersion"] = "authentication.k8s.io/v1";
  request["kind"] = "TokenRequest";
  request["spec"] = std::move(spec);
  return request;
}

// The fix, where the API server's message does not contain it.
std::string WayOut(ErrorCode code) {
  switch (code) {
    case ErrorCode::kDenied:
      return ": the agent's ClusterRole needs the verb create on serviceaccounts/token";
    case ErrorCode::kNotFound:
      return ": the service account or the pod is gone";
    case ErrorCode::kConflict:
      return ": the pod was replaced by another of the same name";
    case ErrorCode::kAuthExpired:
      return ": the agent's own credential for the API server is not accepted";
    default:
      return "";
  }
}

}  // namespace

Result<ServiceAccountToken> KubeTokenSource::Request(const Context& context,
                                                     const Identity& identity,
                                                     const std::string& audience) {
  if (identity.namespace_name.empty() || identity.service_account.empty()) {
    return Error(ErrorCode::kPrecondition, "a token needs a namespace and a service account");
  }
  const std::string path = kServiceAccountResource.SubresourcePath(
      identity.namespace_name, identity.service_account, "token");
  Result<Json> answer = client_.PostRepeatable(context, path, TokenRequest(identity, audience));
  if (!answer.ok()) {
    const Error& error = answer.error();
    Error explained(error.code(), error.message() + WayOut(error.code()));
    if (!error.retry_after()) return explained;
    return std::move(explained).WithRetryAfter(*error.retry_after());
  }
  std::optional<std::string> token = TextOf(Find(*answer, {"status", "token"}));
  if (!token || token->empty()) {
    return Error::Format(ErrorCode::kInternal,
                         "kubernetes: POST {}: the response has no status.token", path);
  }
  ServiceAccountToken result;
  result.token = SecretBytes::MoveFrom(*std::move(token));
  // Use the token's own expiry: the server may grant a lifetime other than requested.
  const Result<JwtClaims> claims = ReadJwtClaims(result.token.Reveal());
  if (claims.ok() && claims->expires) result.expires = *claims->expires;
  return result;
}

}  // namespace nodekeep

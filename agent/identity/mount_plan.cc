#include "agent/identity/mount_plan.h"

#include "agent/base/json.h"
#include "agent/base/jwt.h"

namespace nodekeep {
namespace {

constexpr char kTokens[] = "csi.storage.k8s.io/serviceAccount.tokens";

std::string Take(const std::map<std::string, std::string>& attributes, const char* key) {
  auto found = attributes.find(key);
  return found == attributes.end() ? "" : found->second;
}

Result<PodIdentity> ReadIdentity(const MountRequestValues& request) {
  const auto& attributes = request.input.attributes;
  PodIdentity identity;
  identity.namespace_name = Take(attributes, "csi.storage.k8s.io/pod.namespace");
  identity.pod = Take(attributes, "csi.storage.k8s.io/pod.name");
  identity.pod_uid = Take(attributes, "csi.storage.k8s.io/pod.uid");
  identity.service_account = Take(attributes, "csi.storage.k8s.io/serviceAccount.name");
  identity.node = request.node;
  auto tokens = ParseServiceAccountTokens(request.input.tokens);
  if (!tokens.ok()) return tokens.error().Prepend("failed to unmarshal service account tokens");
  identity.tokens = *std::move(tokens);
  for (const auto& [key, value] : request.secrets) identity.secrets[key] = value.Clone();
  return identity;
}

// The uid joins the cache keys only when the token's other claims agree with what kubelet said of
// the pod; a token of somebody else must not lend its uid.
void ReadAccountUid(PodIdentity& identity, const std::vector<std::string>& audiences) {
  for (const std::string& audience : audiences) {
    const ServiceAccountToken* token = identity.Token(audience);
    if (token == nullptr) continue;
    Result<JwtClaims> claims = ReadJwtClaims(token->token.Reveal());
    if (!claims.ok()) continue;  // not a Kubernetes token: nothing to learn, nothing to share
    if (claims->namespace_ == identity.namespace_name &&
        claims->service_account == identity.service_account) {
      identity.service_account_uid = claims->service_account_uid;
    }
    return;
  }
}

// The dialects' error for a pod without a token (dialects.md 3.2), and the way out.
Error NoToken(const PodIdentity& identity, const std::string& audience, const std::string& cause) {
  return Error::Format(
      ErrorCode::kPrecondition,
      "failed to create a service account token for requesting pod {{{} {} {} {} }}: {}; add "
      "audience \"{}\" to spec.tokenRequests of the CSIDriver object secrets-store.csi.k8s.io",
      identity.pod, identity.pod_uid, identity.namespace_name, identity.service_account, cause,
      audience);
}

Status ObtainToken(const Context& context, PodIdentity& identity,
                   const std::vector<std::string>& audiences, TokenSource* tokens,
                   const MountRequestValues& request) {
  for (const std::string& audience : audiences) {
    const ServiceAccountToken* token = identity.Token(audience);
    if (token == nullptr) continue;
    if (request.now < token->expires || tokens == nullptr) return {};
    // The login may be older than the token and still hold: no token at all would be worse.
    Result<ServiceAccountToken> fresh = tokens->Request(context, identity, audience);
    if (fresh.ok()) identity.tokens[audience] = *std::move(fresh);
    return {};
  }
  if (audiences.empty()) return {};
  if (tokens == nullptr) {
    return NoToken(identity, audiences.front(),
                   "the request carries none and the agent has no kubeconfig");
  }
  const std::string& audience = request.found_again ? audiences.front() : audiences.back();
  Result<ServiceAccountToken> token = tokens->Request(context, identity, audience);
  if (!token.ok()) return NoToken(identity, audiences.front(), token.error().message());
  identity.tokens[audience] = *std::move(token);
  return {};
}

PlanPtr MakePlan(const std::string& provider_name, std::shared_ptr<Provider> provider,
                 ParsedMount mount, PodIdentity identity, const MountRequestValues& request) {
  ReadAccountUid(identity, mount.audiences);
  TakeCredentials(mount, request.input, identity);
  auto plan = std::make_shared<FetchPlan>();
  plan->provider = provider_name;
  plan->backend = std::move(provider);
  plan->mount = std::move(mount);
  plan->identity = std::move(identity);
  plan->target_path = request.input.target_path;
  return plan;
}

}  // namespace

Result<MountRequestValues> ReadMountRequest(std::string_view attributes, std::string_view secrets,
                                            std::string permission, std::string target_path) {
  MountRequestValues request;
  auto parsed = ParseStringMap(attributes);
  if (!parsed.ok()) return parsed.error().Prepend("failed to unmarshal attributes");
  request.input.attributes = *std::move(parsed);
  auto tokens = request.input.attributes.find(kTokens);
  if (tokens != request.input.attributes.end()) {
    request.input.tokens = SecretBytes::TakeFrom(std::move(tokens->second));
    request.input.attributes.erase(tokens);
  }
  if (!secrets.empty()) {
    auto values = ParseStringMap(secrets);
    if (!values.ok()) return values.error().Prepend("failed to unmarshal secrets");
    for (auto& [key, value] : *values) {
      SecretBytes bytes = SecretBytes::TakeFrom(std::move(value));
      if (key != kTokens) request.secrets[key] = std::move(bytes);
    }
  }
  request.input.permission = std::move(permission);
  request.input.target_path = std::move(target_path);
  return request;
}

Result<PlanPtr> PlanMount(const Context& context, const std::string& provider_name,
                          std::shared_ptr<Provider> provider, MountRequestValues request,
                          TokenSource* tokens, ParseMemo* memo) {
  Result<ParsedMount> mount =
      memo != nullptr ? memo->Parse(provider, request.input) : provider->Parse(request.input);
  if (!mount.ok()) return mount.error();
  Result<PodIdentity> identity = ReadIdentity(request);
  if (!identity.ok()) return identity.error();
  Status token = ObtainToken(context, *identity, mount->audiences, tokens, request);
  if (!token.ok()) {
    return mount->mount_error.empty() ? token.error()
                                      : token.error().Prepend("{}", mount->mount_error);
  }
  return MakePlan(provider_name, std::move(provider), *std::move(mount), *std::move(identity),
                  request);
}

PlanPtr PlanKnownMount(const std::string& provider_name, std::shared_ptr<Provider> provider,
                       MountRequestValues& request, ParseMemo& memo) {
  const std::shared_ptr<const ParsedMount> mount = memo.Find(provider, request.input);
  if (mount == nullptr) return nullptr;
  Result<PodIdentity> identity = ReadIdentity(request);
  if (!identity.ok()) return nullptr;
  if (!ObtainToken(Context(), *identity, mount->audiences, nullptr, request).ok()) return nullptr;
  return MakePlan(provider_name, std::move(provider), *mount, *std::move(identity), request);
}

}  // namespace nodekeep

#include "agent/mount/mount_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/duration.h"
#include "agent/base/jwt.h"

namespace nodekeep {
namespace {

// The uid becomes part of the cache keys only if the token's other claims match the pod as reported
// by kubelet: the uid of another identity's token must not be used.
void ReadAccountUid(Identity& identity, const std::vector<std::string>& audiences) {
  for (const std::string& audience : audiences) {
    const ServiceAccountToken* token = identity.Token(audience);
    if (token == nullptr) continue;
    Result<JwtClaims> claims = ReadJwtClaims(token->token.Reveal());
    if (!claims.ok()) continue;  // not a Kubernetes token: no uid, so the login is not shared
    if (claims->namespace_ == identity.namespace_name &&
        claims->service_account == identity.service_account) {
      identity.service_account_uid = claims->service_account_uid;
    }
    return;
  }
}

// The upstream error for a pod without a token (Vault CSI provider), and the fix.
Error NoToken(const Identity& identity, const std::string& audience, const std::string& cause) {
  return Error::Format(
      ErrorCode::kPrecondition,
      "failed to create a service account token for requesting pod {{{} {} {} {} }}: {}; add "
      "audience \"{}\" to spec.tokenRequests of the CSIDriver object secrets-store.csi.k8s.io",
      identity.PodName(), identity.PodUid(), identity.namespace_name, identity.service_account,
      cause, audience);
}

// Requests a token bound to the pod of the mount. An unbound token would outlive the pod, so none
// is requested if the request does not name its pod.
Result<ServiceAccountToken> RequestToken(const Context& context, TokenSource& tokens,
                                         const Identity& identity, const std::string& audience) {
  if (identity.namespace_name.empty() || identity.service_account.empty() ||
      identity.PodName().empty() || identity.PodUid().empty()) {
    return Error(ErrorCode::kPrecondition,
                 "the request does not name pod, uid and service account: set podInfoOnMount of "
                 "the CSIDriver object to true");
  }
  return tokens.Request(context, identity, audience);
}

Status ObtainToken(const Context& context, const std::vector<std::string>& audiences,
                   const PlanOptions& options, MountRequest& request) {
  Identity& identity = request.identity;
  for (const std::string& audience : audiences) {
    const ServiceAccountToken* token = identity.Token(audience);
    if (token == nullptr) continue;
    if (options.now < token->expires || options.tokens == nullptr) return {};
    // A failure is ignored: a cached login may still be valid, although the token has expired.
    Result<ServiceAccountToken> fresh = RequestToken(context, *options.tokens, identity, audience);
    if (fresh.ok()) identity.tokens[audience] = *std::move(fresh);
    return {};
  }
  if (audiences.empty()) return {};
  if (options.tokens == nullptr) {
    return NoToken(identity, audiences.front(),
                   "the request carries none and the agent has no kubeconfig");
  }
  const std::string& audience = request.recovered ? audiences.front() : audiences.back();
  Result<ServiceAccountToken> token = RequestToken(context, *options.tokens, identity, audience);
  if (!token.ok()) return NoToken(identity, audiences.front(), token.error().message());
  identity.tokens[audience] = *std::move(token);
  return {};
}

// Moves the identity out of `request`.
MountPlanPtr MakePlan(const Provider& provider, ParsedClassPtr parsed, MountRequest& request,
                      const DirectoryExists& directory_exists) {
  const ParsedMount& mount = parsed->mount;
  ReadAccountUid(request.identity, mount.audiences);
  AddCredentials(mount, request.parameters, request.identity);
  auto read = std::make_shared<ReadPlan>();
  read->holder = HolderOf(request.identity, request.target_path, directory_exists);
  read->login_keys = LoginKeysOf(request.provider, *mount.options, request.identity);
  read->identity = std::move(request.identity);
  read->audiences = mount.audiences;
  read->reads = {parsed, &parsed->reads};
  read->route = {request.provider, provider.backend, mount.options, mount.policy,
                 parsed->options_bytes};
  if (request.at_start) read->max_age = mount.policy.max_age_at_start;
  auto plan = std::make_shared<MountPlan>();
  plan->read = std::move(read);
  plan->dialect = provider.spc;
  plan->parsed = std::move(parsed);
  plan->target_path = request.target_path;
  return plan;
}

Result<ParsedClassPtr> Parse(const Provider& provider, const SpcInput& input) {
  Result<ParsedMount> mount = provider.spc->Parse(input);
  if (!mount.ok()) return mount.error();
  return MakeParsedClass(*std::move(mount), BytesOf(input));
}

}  // namespace

std::string MountPlan::Explain() const {
  const ParsedMount& mount = parsed->mount;
  const Identity& identity = read->identity;
  std::string text = fmt::format("provider: {}\n", read->route.provider);
  for (const auto& [name, value] : mount.options->Explain()) {
    text += fmt::format("{}: {}\n", name, value);
  }
  text += fmt::format("pod: {}\n", identity.Text());
  if (!identity.service_account.empty()) {
    text +=
        fmt::format("service account: {}/{}\n", identity.namespace_name, identity.service_account);
  }
  for (const std::string& audience : mount.audiences) {
    text += fmt::format("token audience: {} ({})\n",
                        audience.empty() ? "the cluster's default" : audience,
                        identity.Token(audience) != nullptr ? "present" : "absent");
  }
  const std::string floor = TextOfFloor(mount.policy);
  text += fmt::format(
      "refresh after: {}{}\nserve stale for: {}\nmax age at start: {}\n",
      FormatDuration(mount.policy.refresh_after), floor.empty() ? "" : fmt::format(" ({})", floor),
      FormatDuration(mount.policy.serve_stale_for),
      FormatDuration(std::min(mount.policy.max_age_at_start, mount.policy.refresh_after)));
  text += fmt::format("backend reads when nothing is cached: {}\n", parsed->reads.size());
  for (const Projection& projection : mount.projections) {
    text += fmt::format("file: {} (mode {:04o}) <- {}", projection.path, projection.mode,
                        projection.ref.Text());
    if (!projection.field.empty()) text += fmt::format(", key {}", projection.field);
    if (!projection.property.empty()) {
      text += fmt::format(", property {}", projection.property);
    }
    if (!projection.encoding.empty()) text += fmt::format(", decode {}", projection.encoding);
    if (projection.optional) text += ", optional";
    text += '\n';
  }
  for (const std::string& warning : mount.warnings.texts()) {
    text += fmt::format("warning: {}\n", warning);
  }
  if (mount.warnings.more() > 0) {
    text += fmt::format("warning: and {} more\n", mount.warnings.more());
  }
  return text;
}

Result<MountPlanPtr> PlanMount(const Context& context, const Provider& provider,
                               MountRequest request, const PlanOptions& options) {
  // Moved back afterwards: MakePlan reads credentials from the parameters.
  SpcInput input{std::move(request.parameters), request.mode};
  Result<ParsedClassPtr> parsed =
      options.memo != nullptr
          ? options.memo->Parse(request.identity.namespace_name, provider.spc, input)
          : Parse(provider, input);
  request.parameters = std::move(input.parameters);
  if (!parsed.ok()) return parsed.error();
  const ParsedMount& mount = (*parsed)->mount;
  Status token = ObtainToken(context, mount.audiences, options, request);
  if (!token.ok()) {
    return mount.mount_error.empty() ? token.error()
                                     : token.error().Prepend("{}", mount.mount_error);
  }
  return MakePlan(provider, *std::move(parsed), request, options.directory_exists);
}

MountPlanPtr PlanKnownMount(const Provider& provider, MountRequest& request, ParseMemo& memo) {
  SpcInput input{std::move(request.parameters), request.mode};
  ParsedClassPtr parsed = memo.Find(provider.spc, input);
  request.parameters = std::move(input.parameters);
  if (parsed == nullptr) return nullptr;
  if (!ObtainToken(Context(), parsed->mount.audiences, {}, request).ok()) return nullptr;
  return MakePlan(provider, std::move(parsed), request, DirectoryIsThere);
}

Result<MountPlanPtr> PlanWithoutToken(const Provider& provider, MountRequest request) {
  SpcInput input{std::move(request.parameters), request.mode};
  Result<ParsedClassPtr> parsed = Parse(provider, input);
  request.parameters = std::move(input.parameters);
  if (!parsed.ok()) return parsed.error();
  return MakePlan(provider, *std::move(parsed), request, DirectoryIsThere);
}

}  // namespace nodekeep

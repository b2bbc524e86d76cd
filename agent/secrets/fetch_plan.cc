#include "agent/secrets/fetch_plan.h"

#include <fmt/format.h>

#include <set>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/duration.h"

namespace nodekeep {
namespace {

// Without spaces, '=' and '/', so that it can be told from what stands around it.
std::string Part(const std::string& text) { return PercentEncode(text, false); }

// Which tokens a request brought; stands for the pod where kubelet named none.
std::string TokenDigest(const PodIdentity& identity) {
  std::string digests;
  for (const auto& [audience, token] : identity.tokens) {
    digests += Sha256Hex(audience) + Sha256Hex(token.token.Reveal());
  }
  return Sha256Hex(digests);
}

}  // namespace

std::vector<SecretRef> FetchPlan::Refs() const {
  std::vector<SecretRef> refs;
  std::set<SecretRef> seen;
  for (const Projection& projection : mount.projections) {
    if (seen.insert(projection.ref).second) refs.push_back(projection.ref);
  }
  return refs;
}

std::string FetchPlan::Explain() const {
  std::string text = fmt::format("provider: {}\n", provider);
  for (const auto& [name, value] : mount.options->Explain()) {
    text += fmt::format("{}: {}\n", name, value);
  }
  text += fmt::format("pod: {}\n", identity.Text());
  if (!identity.service_account.empty()) {
    text += fmt::format("service account: {}/{}\n", identity.namespace_name,
                        identity.service_account);
  }
  for (const std::string& audience : mount.audiences) {
    text += fmt::format("token audience: {} ({})\n",
                        audience.empty() ? "the cluster's default" : audience,
                        identity.Token(audience) != nullptr ? "present" : "absent");
  }
  text += fmt::format("refresh after: {}\nserve stale for: {}\n",
                      FormatDuration(mount.policy.refresh_after),
                      FormatDuration(mount.policy.serve_stale_for));
  text += fmt::format("backend reads when nothing is cached: {}\n", Refs().size());
  for (const Projection& projection : mount.projections) {
    text += fmt::format("file: {} (mode {:04o}) <- {}", projection.path, projection.mode,
                        projection.ref.Text());
    if (!projection.field.empty()) text += fmt::format(", key {}", projection.field);
    if (!projection.encoding.empty()) text += fmt::format(", decode {}", projection.encoding);
    if (projection.optional) text += ", optional";
    text += '\n';
  }
  return text;
}

LoginKeys LoginKeysOf(const FetchPlan& plan) {
  const PodIdentity& identity = plan.identity;
  const std::string digest = plan.mount.options->CredentialDigest(identity);
  if (!plan.mount.options->ShowsPod()) {
    return {"", fmt::format("{} {} any-pod credential={}", plan.provider,
                            plan.mount.options->LoginText(), Part(digest))};
  }
  std::string account =
      fmt::format("{} {} {}/{}", plan.provider, plan.mount.options->LoginText(),
                  Part(identity.namespace_name), Part(identity.service_account));
  if (!identity.service_account_uid.empty()) {
    account += fmt::format(" sa-uid={}", Part(identity.service_account_uid));
  }
  LoginKeys keys;
  if (!identity.service_account_uid.empty() && digest.empty()) keys.shared = account;
  keys.own = fmt::format("{} pod={}/{}", account, Part(identity.pod), Part(identity.pod_uid));
  if (identity.pod_uid.empty()) keys.own += fmt::format(" tokens={}", TokenDigest(identity));
  if (!digest.empty()) keys.own += fmt::format(" credential={}", Part(digest));
  return keys;
}

}  // namespace nodekeep

#include "agent/secrets/read_plan.h"

#include <fmt/format.h>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"

namespace nodekeep {
namespace {

// Without spaces, '=' and '/', which separate the parts.
std::string Part(const std::string& text) { return PercentEncode(text, false); }

// Digest of the request's tokens; replaces the pod's uid if kubelet sent none.
std::string TokenDigest(const Identity& identity) {
  std::string digests;
  for (const auto& [audience, token] : identity.tokens) {
    digests += Sha256Hex(audience) + Sha256Hex(token.token.Reveal());
  }
  return Sha256Hex(digests);
}

}  // namespace

LoginKeys LoginKeysOf(const std::string& provider, const ProviderOptions& options,
                      const Identity& identity) {
  const std::string digest = options.CredentialDigest(identity);
  if (!options.SendsPodToken()) {
    return {"", fmt::format("{} {} any-pod credential={}", provider, options.LoginText(),
                            Part(digest))};
  }
  std::string account = fmt::format("{} {} {}/{}", provider, options.LoginText(),
                                    Part(identity.namespace_name), Part(identity.service_account));
  if (!identity.service_account_uid.empty()) {
    account += fmt::format(" sa-uid={}", Part(identity.service_account_uid));
  }
  LoginKeys keys;
  if (!identity.service_account_uid.empty() && digest.empty()) keys.shared = account;
  keys.own =
      fmt::format("{} pod={}/{}", account, Part(identity.PodName()), Part(identity.PodUid()));
  if (identity.PodUid().empty()) keys.own += fmt::format(" tokens={}", TokenDigest(identity));
  if (!digest.empty()) keys.own += fmt::format(" credential={}", Part(digest));
  return keys;
}

}  // namespace nodekeep

#include "agent/secrets/read_plan.h"

#include <fmt/format.h>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/secrets/login_text.h"

namespace nodekeep {
namespace {

// Above what LoginText makes of ordinary values.
constexpr std::size_t kMaxLoginText = 4096;

// Without spaces, '=' and '/', which separate the parts. The mark of a digest is one that no
// encoded text contains.
std::string Part(const std::string& text) {
  return text.size() <= kMaxKeyPart ? PercentEncode(text, false) : '#' + Sha256Hex(text);
}

// For texts that are not made with LoginText. One that begins with the mark is digested as well.
std::string SettingsOf(const ProviderOptions& options) {
  std::string text = options.LoginText();
  return text.size() <= kMaxLoginText && !text.starts_with('#') ? text : '#' + Sha256Hex(text);
}

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
    return {"", fmt::format("{} {} any-pod credential={}", provider, SettingsOf(options),
                            Part(digest))};
  }
  std::string account = fmt::format("{} {} {}/{}", provider, SettingsOf(options),
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

#include "agent/app/mount_attributes.h"

#include "agent/base/go_json.h"
#include "agent/base/jwt.h"

namespace nodekeep {
namespace {

// kubelet writes whole seconds: 2026-01-31T12:00:00Z.
std::string FormatSeconds(WallTime time) {
  return FormatTime(time).substr(0, std::string_view("2026-01-31T12:00:00").size()) + "Z";
}

SecretBytes TokensText(const std::map<std::string, SecretBytes>& tokens, WallTime now) {
  SecretBytes text;
  std::string_view separator = "{";
  for (const auto& [audience, token] : tokens) {
    WallTime expires = now + std::chrono::hours(1);
    const Result<JwtClaims> claims = ReadJwtClaims(token.Reveal());
    if (claims.ok() && claims->expires) expires = *claims->expires;
    text.Append(separator);
    separator = ",";
    AppendGoJsonString(audience, text);
    text.Append(R"(:{"token":)");
    AppendGoJsonString(token.Reveal(), text);
    text.Append(R"(,"expirationTimestamp":)");
    AppendGoJsonString(FormatSeconds(expires), text);
    text.Append("}");
  }
  text.Append("}");
  return text;
}

}  // namespace

SecretBytes MountAttributes(const SpcManifest& manifest, const PodArguments& pod, WallTime now) {
  std::map<std::string, SecretBytes> attributes;
  for (const auto& [name, value] : manifest.parameters) attributes[name] = SecretBytes(value);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) attributes[name] = SecretBytes(value);
  };
  add("csi.storage.k8s.io/ephemeral", "true");
  add("csi.storage.k8s.io/pod.name", pod.pod);
  add("csi.storage.k8s.io/pod.namespace", pod.namespace_name);
  add("csi.storage.k8s.io/pod.uid", pod.pod_uid);
  add("csi.storage.k8s.io/serviceAccount.name", pod.service_account);
  add("secretProviderClass", manifest.name);
  if (!pod.tokens.empty()) {
    attributes["csi.storage.k8s.io/serviceAccount.tokens"] = TokensText(pod.tokens, now);
  }
  SecretBytes text;
  std::string_view separator = "{";
  for (const auto& [name, value] : attributes) {
    text.Append(separator);
    separator = ",";
    AppendGoJsonString(name, text);
    text.Append(":");
    AppendGoJsonString(value.Reveal(), text);
  }
  text.Append("}");
  return text;
}

}  // namespace nodekeep

#pragma once

// MountRequest.attributes as the Secrets Store CSI driver sends them: the parameters of the class
// overlaid with the volume context, as compact JSON with sorted keys.

#include <map>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/go_json.h"
#include "agent/base/secret_bytes.h"
#include "agent/mount/mount_request.h"
#include "csi/attributes.h"

namespace nodekeep {

namespace driver_attributes_internal {

// kubelet writes whole seconds: 2026-01-31T12:00:00Z.
inline std::string FormatSeconds(WallTime time) {
  return FormatTime(time).substr(0, std::string_view("2026-01-31T12:00:00").size()) + "Z";
}

inline SecretBytes JsonOf(const std::map<std::string, SecretBytes>& texts) {
  SecretBytes json("{");
  for (const auto& [name, value] : texts) {
    if (json.size() > 1) json.Append(",");
    AppendGoJsonString(name, json);
    json.Append(":");
    AppendGoJsonString(value.Reveal(), json);
  }
  json.Append("}");
  return json;
}

inline SecretBytes TokensText(const std::map<std::string, ServiceAccountToken>& tokens) {
  SecretBytes text("{");
  for (const auto& [audience, token] : tokens) {
    if (text.size() > 1) text.Append(",");
    AppendGoJsonString(audience, text);
    text.Append(R"(:{"token":)");
    AppendGoJsonString(token.token.Reveal(), text);
    text.Append(R"(,"expirationTimestamp":)");
    AppendGoJsonString(FormatSeconds(token.expires), text);
    text.Append("}");
  }
  text.Append("}");
  return text;
}

}  // namespace driver_attributes_internal

inline SecretBytes DriverAttributes(const MountRequest& request, const std::string& class_name) {
  const Identity& identity = request.identity;
  std::map<std::string, SecretBytes> texts;
  for (const auto& [name, value] : request.parameters) texts[name] = SecretBytes(value);
  const VolumeFacts facts{.class_name = class_name,
                          .namespace_name = identity.namespace_name,
                          .service_account = identity.service_account,
                          .pod = identity.PodName(),
                          .pod_uid = identity.PodUid()};
  for (const auto& [name, value] : AttributesOf(facts)) texts[name] = SecretBytes(value);
  if (!identity.tokens.empty()) {
    texts[std::string(kTokensAttribute)] = driver_attributes_internal::TokensText(identity.tokens);
  }
  return driver_attributes_internal::JsonOf(texts);
}

}  // namespace nodekeep

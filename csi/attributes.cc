#include "csi/attributes.h"

#include <utility>

#include "agent/base/go_text.h"
#include "agent/base/json.h"

namespace nodekeep {
namespace {

constexpr std::string_view kOfKubelet = "csi.storage.k8s.io/";
constexpr std::string_view kEphemeral = "csi.storage.k8s.io/ephemeral";
constexpr std::string_view kPodName = "csi.storage.k8s.io/pod.name";
constexpr std::string_view kPodNamespace = "csi.storage.k8s.io/pod.namespace";
constexpr std::string_view kPodUid = "csi.storage.k8s.io/pod.uid";
constexpr std::string_view kServiceAccount = "csi.storage.k8s.io/serviceAccount.name";
constexpr std::uint32_t kMaxMode = 0777;

std::string Get(const std::map<std::string, std::string>& attributes, std::string_view name) {
  auto found = attributes.find(std::string(name));
  return found == attributes.end() ? "" : found->second;
}

}  // namespace

VolumeFacts ReadVolumeFacts(const std::map<std::string, std::string>& attributes) {
  return {.class_name = Get(attributes, kClassAttribute),
          .namespace_name = Get(attributes, kPodNamespace),
          .service_account = Get(attributes, kServiceAccount),
          .pod = Get(attributes, kPodName),
          .pod_uid = Get(attributes, kPodUid)};
}

std::string NamespaceForShares(std::string_view attributes) {
  constexpr std::string_view kUnknown = "(unknown)";
  constexpr std::size_t kLongestNamespace = 63;  // a DNS label
  const std::string key = fmt::format("\"{}\":", kPodNamespace);
  // A quote inside of a key or value is escaped, so one after a brace or a comma begins a key.
  std::size_t at = attributes.find(key);
  while (at != attributes.npos) {
    const std::size_t before = at == 0 ? attributes.npos : attributes.find_last_not_of(' ', at - 1);
    if (before != attributes.npos && (attributes[before] == '{' || attributes[before] == ','))
      break;
    at = attributes.find(key, at + 1);
  }
  if (at == attributes.npos) return std::string(kUnknown);
  at = attributes.find_first_not_of(' ', at + key.size());
  if (at == attributes.npos || attributes[at] != '"') return std::string(kUnknown);
  const std::string_view rest = attributes.substr(at + 1, kLongestNamespace + 1);
  const std::size_t end = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-");
  if (end == 0 || end == rest.npos || rest[end] != '"') return std::string(kUnknown);
  return std::string(rest.substr(0, end));
}

std::map<std::string, std::string> AttributesOf(const VolumeFacts& facts) {
  std::map<std::string, std::string> attributes = {{std::string(kEphemeral), "true"}};
  const std::pair<std::string_view, const std::string*> texts[] = {
      {kClassAttribute, &facts.class_name},
      {kPodNamespace, &facts.namespace_name},
      {kServiceAccount, &facts.service_account},
      {kPodName, &facts.pod},
      {kPodUid, &facts.pod_uid}};
  for (const auto& [name, text] : texts) {
    if (!text->empty()) attributes[std::string(name)] = *text;
  }
  return attributes;
}

std::map<std::string, std::string> ParametersAmong(
    const std::map<std::string, std::string>& attributes) {
  std::map<std::string, std::string> parameters;
  for (const auto& [name, value] : attributes) {
    if (!name.starts_with(kOfKubelet) && name != kClassAttribute) parameters.emplace(name, value);
  }
  return parameters;
}

Result<std::map<std::string, ServiceAccountToken>> ReadTokens(const SecretBytes& text) {
  auto tokens = ParseServiceAccountTokens(text);
  if (!tokens.ok()) return tokens.error().Prepend("failed to unmarshal service account tokens");
  return tokens;
}

Result<std::uint32_t> ReadPermission(std::string_view text) {
  Result<std::uint32_t> mode = ParsePermission(text);
  if (!mode.ok()) return mode.error().Prepend("permission of the mount request");
  if (*mode > kMaxMode) {
    return Error::Format(ErrorCode::kInvalid,
                         "permission of the mount request: {} is above 511 (octal 0777)", *mode);
  }
  return mode;
}

Result<MountRequest> ReadMountRequest(std::string provider, std::string_view attributes,
                                      std::string_view secrets, std::string_view permission,
                                      std::string target_path) {
  MountRequest request;
  request.provider = std::move(provider);
  auto given = ParseStringMap(attributes);
  if (!given.ok()) return given.error().Prepend("failed to unmarshal attributes");
  SecretBytes token_text;
  if (auto tokens = given->find(std::string(kTokensAttribute)); tokens != given->end()) {
    token_text = SecretBytes::MoveFrom(std::move(tokens->second));
    given->erase(tokens);
  }
  if (!secrets.empty()) {
    auto values = ParseStringMap(secrets);
    if (!values.ok()) return values.error().Prepend("failed to unmarshal secrets");
    for (auto& [key, value] : *values) {
      SecretBytes bytes = SecretBytes::MoveFrom(std::move(value));
      if (key != kTokensAttribute) request.identity.credentials[key] = std::move(bytes);
    }
  }
  auto tokens = ReadTokens(token_text);
  if (!tokens.ok()) return tokens.error();
  Result<std::uint32_t> mode = ReadPermission(permission);
  if (!mode.ok()) return mode.error();
  if (target_path.empty()) return Error(ErrorCode::kInvalid, "missing target path field");
  VolumeFacts facts = ReadVolumeFacts(*given);
  request.parameters = ParametersAmong(*given);
  request.mode = *mode;
  request.target_path = std::move(target_path);
  request.identity.namespace_name = std::move(facts.namespace_name);
  request.identity.service_account = std::move(facts.service_account);
  if (!facts.pod.empty() || !facts.pod_uid.empty()) {
    request.identity.pod = {std::move(facts.pod), std::move(facts.pod_uid)};
  }
  request.identity.tokens = *std::move(tokens);
  return request;
}

}  // namespace nodekeep

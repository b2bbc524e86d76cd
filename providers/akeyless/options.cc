#include "providers/akeyless/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/base/digest.h"
#include "agent/secrets/login_text.h"

namespace nodekeep::akeyless {
namespace {

std::string_view SecretOf(const Identity& identity, std::string_view key) {
  auto found = identity.credentials.find(std::string(key));
  return found == identity.credentials.end() ? std::string_view() : found->second.Reveal();
}

// The credential that `type` logs in with, for the digest; "" for the pod's own token.
SecretBytes CredentialOf(AccessType type, const Options& options, const Identity& identity) {
  SecretBytes text;
  switch (type) {
    case AccessType::kAccessKey:
      text.Append("access key ");
      text.Append(options.AccessKey(identity).text);
      return text;
    case AccessType::kUniversalIdentity:
      text.Append("first token ");
      text.Append(options.UidInitToken(identity).text);
      return text;
    case AccessType::kAwsIam:
    case AccessType::kAzureAd:
    case AccessType::kGcp:
      if (!options.as_pod) text.Append("cloud identity of the node");
      return text;
    case AccessType::kK8s:
      if (!options.as_pod) text.Append("service account of the agent");
      return text;
    case AccessType::kJwt:
      if (!options.as_pod) text.Append("jwt file of the node " + options.jwt_file);
      return text;
    case AccessType::kCert: {
      const Options::KeyPair pair = options.CertKeyPair(identity);
      if (pair.of_node) {
        text.Append(fmt::format("certificate of the node {}:{} {}", options.cert_file.size(),
                                options.cert_file, options.cert_key_file));
        return text;
      }
      text.Append(fmt::format("certificate {}:", pair.certificate.size()));
      text.Append(pair.certificate);
      text.Append(pair.key);
      return text;
    }
  }
  return text;
}

}  // namespace

std::string Options::Endpoint() const {
  std::string text;
  for (const Gateway& gateway : gateways) {
    if (!text.empty()) text += ",";
    text += gateway.base;
  }
  return text;
}

Options::Key Options::AccessKey(const Identity& identity) const {
  if (std::string_view key = SecretOf(identity, kAccessKeySecret); !key.empty()) {
    return {key, false};
  }
  return {node_access_key ? node_access_key->Reveal() : std::string_view(), true};
}

Options::Key Options::UidInitToken(const Identity& identity) const {
  if (std::string_view token = SecretOf(identity, kUidInitTokenSecret); !token.empty()) {
    return {token, false};
  }
  return {node_uid_init_token ? node_uid_init_token->Reveal() : std::string_view(), true};
}

Options::KeyPair Options::CertKeyPair(const Identity& identity) const {
  const std::string_view certificate = SecretOf(identity, kCertSecret);
  const std::string_view key = SecretOf(identity, kCertKeySecret);
  return {certificate, key, certificate.empty() && key.empty()};
}

std::string Options::LoginText() const {
  std::string methods;
  for (AccessType type : login_order) {
    if (!methods.empty()) methods += ',';
    methods += AccessTypeName(type);
  }
  nodekeep::LoginText text(methods, Endpoint(), *tls, audience);
  text.Part("access-id", access_id).Part("azure-object", azure_object_id);
  text.Part("gcp-audience", gcp_audience).Part("k8s-config", k8s_auth_config);
  text.Part("k8s-gateway", k8s_gateway);
  for (const auto& [name, value] : cloud.Parts()) text.Part(name, value);
  text.Part("as", as_pod ? "pod" : "agent").Flag("shared", share_by_service_account);
  // Files of the node are the same for all users, so their names suffice.
  text.Part("token-file", as_pod ? "" : service_account_token_file);
  // A reload may withhold a credential that was allowed before: the earlier login must not be found
  // then.
  const bool withheld = !k8s_gateway_withheld.empty() || !sts_withheld.empty() ||
                        std::any_of(gateways.begin(), gateways.end(), [](const Gateway& gateway) {
                          return !gateway.node_identity_withheld.empty();
                        });
  return text.Part("node-identity", !as_pod && withheld ? "withheld" : "").Take();
}

std::string Options::CredentialDigest(const Identity& identity) const {
  SecretBytes all;
  for (AccessType type : login_order) {
    const SecretBytes credential = CredentialOf(type, *this, identity);
    if (credential.empty()) continue;
    all.Append(fmt::format("{}:", credential.size()));
    all.Append(credential.Reveal());
  }
  return all.empty() ? "" : Sha256Hex(all.Reveal());
}

bool Options::SendsPodToken() const { return as_pod; }

std::vector<std::pair<std::string, std::string>> Options::Explain() const {
  std::vector<std::pair<std::string, std::string>> lines;
  const auto add = [&](std::string name, std::string value) {
    if (!value.empty()) lines.emplace_back(std::move(name), std::move(value));
  };
  const auto takes = [&](AccessType type) {
    return std::find(login_order.begin(), login_order.end(), type) != login_order.end();
  };
  for (const Gateway& gateway : gateways) {
    add("gateway", gateway.problem.empty() ? gateway.base
                                           : fmt::format("{} ({})", gateway.base, gateway.problem));
    if (!gateway.node_identity_withheld.empty()) {
      add("identity of the node", "withheld: " + gateway.node_identity_withheld);
    }
  }
  if (!as_pod) {
    add("token of the agent", k8s_gateway_withheld);
    add("AWS identity of the node", sts_withheld);
  }
  add("access type", type_text);
  if (login_order.size() > 1) {
    std::vector<std::string_view> names;
    for (AccessType type : login_order) names.push_back(AccessTypeName(type));
    add("logins tried in turn", fmt::format("{}", fmt::join(names, ", ")));
  }
  add("access id", access_id);
  if (takes(AccessType::kAccessKey) && access_key_in_class) {
    add("access key", "in the class, in clear text: move it to a Secret");
  }
  if (takes(AccessType::kUniversalIdentity) && uid_init_token_in_class) {
    add("first token", "in the class, in clear text: move it to a Secret");
  }
  if (takes(AccessType::kAzureAd)) add("azure object id", azure_object_id);
  if (takes(AccessType::kGcp)) add("gcp audience", gcp_audience);
  if (takes(AccessType::kK8s)) {
    add("k8s auth config", k8s_auth_config);
    add("k8s gateway", k8s_gateway);
  }
  for (const auto& [name, value] : cloud.Parts()) add(std::string(name), value);
  if (as_pod || takes(AccessType::kK8s)) add("logs in as", as_pod ? "the pod" : "the agent");
  // Whoever may edit the class then reads what the node may read.
  if (!as_pod && std::any_of(login_order.begin(), login_order.end(), IsCloud)) {
    add("cloud identity", "that of the node, sent only to gateways that the operator has named");
  }
  add("ca file", tls->ca_file);
  add("ca directory", tls->ca_directory);
  if (!tls->ca_pem.empty()) add("ca bundle", "in the class");
  add("tls server name", tls->server_name);
  lines.insert(lines.end(), without_effect.begin(), without_effect.end());
  return lines;
}

std::vector<NeededSetting> Options::NeededSettings() const {
  const auto takes = [&](AccessType type) {
    return std::find(login_order.begin(), login_order.end(), type) != login_order.end();
  };
  if (as_pod || (takes(AccessType::kAccessKey) && access_key_in_class) ||
      (takes(AccessType::kUniversalIdentity) && uid_init_token_in_class)) {
    return {};
  }
  std::vector<NeededSetting> needed;
  // Only these can come from a Secret of the pod.
  const bool maybe = takes(AccessType::kAccessKey) || takes(AccessType::kUniversalIdentity) ||
                     takes(AccessType::kCert);
  for (const Gateway& gateway : gateways) {
    if (!gateway.unlisted || !gateway.problem.empty()) continue;
    needed.push_back(
        {.key = "nodeIdentityGateways", .value = gateway.base, .unless_secret = maybe});
  }
  if (login_order == std::vector{AccessType::kK8s} && service_account_token_file.empty()) {
    needed.push_back({.key = "serviceAccountTokenFile", .value = "", .unless_secret = false});
  }
  return needed;
}

}  // namespace nodekeep::akeyless

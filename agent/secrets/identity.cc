#include "agent/secrets/identity.h"

#include "agent/base/json.h"

namespace nodekeep {
namespace {

// kubelet writes UTC with a "Z". A token whose expiry cannot be parsed is used until it is refused.
WallTime ParseExpiry(const std::string& text) {
  return ParseTime(text).value_or(WallTime::max());
}

}  // namespace

Identity Identity::Clone() const {
  Identity copy;
  copy.namespace_name = namespace_name;
  copy.service_account = service_account;
  copy.service_account_uid = service_account_uid;
  copy.service_account_annotations = service_account_annotations;
  copy.pod = pod;
  for (const auto& [audience, token] : tokens) {
    copy.tokens[audience] = {token.token.Clone(), token.expires};
  }
  for (const auto& [key, value] : credentials) copy.credentials[key] = value.Clone();
  return copy;
}

const ServiceAccountToken* Identity::Token(const std::string& audience) const {
  auto found = tokens.find(audience);
  return found == tokens.end() ? nullptr : &found->second;
}

std::string Identity::Text() const {
  if (!pod && namespace_name.empty()) return "(no pod)";
  return namespace_name + "/" + PodName();
}

Result<std::map<std::string, ServiceAccountToken>> ParseServiceAccountTokens(
    const SecretBytes& text) {
  std::map<std::string, ServiceAccountToken> tokens;
  if (text.empty()) return tokens;
  Result<Json> parsed = ParseJson(text.Reveal());
  if (!parsed.ok()) return parsed.error();
  if (parsed->is_null()) return tokens;
  if (!parsed->is_object()) return Error(ErrorCode::kInvalid, "expected a JSON object by audience");
  for (const auto& member : parsed->object_range()) {
    const std::optional<std::string> token = TextOf(Find(member.value(), {"token"}));
    if (!token || token->empty()) {
      return Error::Format(ErrorCode::kInvalid, "audience \"{}\" has no \"token\" string",
                           member.key());
    }
    ServiceAccountToken& place = tokens[std::string(member.key())];
    place.token = SecretBytes(*token);
    if (auto expires = TextOf(Find(member.value(), {"expirationTimestamp"}))) {
      place.expires = ParseExpiry(*expires);
    }
  }
  return tokens;
}

}  // namespace nodekeep

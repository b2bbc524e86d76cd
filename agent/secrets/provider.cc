#include "agent/secrets/provider.h"

#include <fmt/format.h>

namespace nodekeep {

void AppendLoginPart(std::string& text, std::string_view name, std::string_view value) {
  text += fmt::format(" {}={}:{}", name, value.size(), value);
}

void TakeCredentials(const ParsedMount& mount, const MountInput& input, PodIdentity& identity) {
  for (const std::string& name : mount.credential_parameters) {
    auto found = input.attributes.find(name);
    if (found != input.attributes.end()) identity.secrets[name] = SecretBytes(found->second);
  }
}

}  // namespace nodekeep

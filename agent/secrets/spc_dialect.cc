#include "agent/secrets/spc_dialect.h"

#include <utility>

namespace nodekeep {

void AddCredentials(const ParsedMount& mount, const std::map<std::string, std::string>& parameters,
                    Identity& identity) {
  for (const std::string& name : mount.credential_parameters) {
    auto found = parameters.find(name);
    if (found != parameters.end()) identity.credentials[name] = SecretBytes(found->second);
  }
}

Result<std::vector<RenderedFile>> OneFile(const Projection& projection,
                                          Result<SecretBytes> contents) {
  if (!contents.ok()) return contents.error();
  std::vector<RenderedFile> files;
  files.push_back({projection.path, *std::move(contents), "", ""});
  return files;
}

}  // namespace nodekeep

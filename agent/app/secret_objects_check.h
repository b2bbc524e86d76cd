#pragma once

// Checks spec.secretObjects of manifests: each entry, with the reader of the mirror, the files that
// it takes, and the Secrets that several classes of a namespace name.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/app/finding.h"
#include "agent/app/spc_manifest.h"
#include "agent/secrets/spc_dialect.h"
#include "agent/sink/secret_object.h"

namespace nodekeep {

class SecretObjectsCheck {
 public:
  // `mount`: what the class mounts; null if that is not known, because its parameters are invalid.
  void Add(const SpcManifest& manifest, const ParsedMount* mount, std::vector<Finding>& findings);

 private:
  // Where a class says something about a Secret.
  struct Use {
    std::string spc;    // name of the class
    std::string place;  // "SecretProviderClass shop/app at all.yaml:12"
    std::string value;  // the type or the deletion policy of the Secret, or nothing
  };
  struct Secret {
    std::vector<Use> types;             // one for each class
    std::vector<Use> policies{};        // the same
    std::map<std::string, Use> keys{};  // by key: the first class that sets it
  };

  void Compare(const SpcManifest& manifest, const SecretObjectEntry& entry,
               std::vector<Finding>& findings);

  std::map<std::pair<std::string, std::string>, Secret> secrets_;  // by namespace and name
};

}  // namespace nodekeep

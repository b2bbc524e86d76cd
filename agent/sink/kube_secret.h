#pragma once

#include <map>
#include <string>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// A Kubernetes Secret as we want it written. A value that knows nothing of where its data came from
// or how long it lives: the namespace, the owners and the rules for deletion belong to its writer.
// Move-only, because of its data.
struct KubeSecret {
  std::string name;
  std::string type;
  std::map<std::string, std::string> labels{};
  std::map<std::string, std::string> annotations{};
  std::map<std::string, SecretBytes> data{};  // plain bytes, not base64
};

}  // namespace nodekeep

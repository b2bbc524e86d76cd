#pragma once

#include <map>
#include <string>

#include "agent/base/secret_bytes.h"

namespace nodekeep {

// The wanted state of a Kubernetes Secret, independent of the source of its data and of its
// lifetime: its writer determines the namespace, the owners and the deletion rules. Move-only,
// because of its data.
struct KubeSecret {
  std::string name;
  std::string type;
  std::map<std::string, std::string> labels{};
  std::map<std::string, std::string> annotations{};
  std::map<std::string, SecretBytes> data{};  // plain bytes, not base64
};

}  // namespace nodekeep

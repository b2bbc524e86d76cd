#pragma once

// A request for the content of one volume, as values. Each server makes one of what its protocol
// brings; from here on nothing is parsed again and nothing is printed back to text.

#include <cstdint>
#include <map>
#include <string>

#include "agent/secrets/identity.h"

namespace nodekeep {

struct MountRequest {
  std::string provider;
  // Those of the SecretProviderClass, overlaid with the volume's own attributes; nothing about the
  // pod. Equal for all pods of a class unless their volumes set attributes.
  std::map<std::string, std::string> parameters;
  std::uint32_t mode = 0644;  // of files for which the class names none
  Identity identity;
  std::string target_path;  // of the volume, as kubelet names it; "" = nothing is written
  // The volume was found on the node after a restart, and kubelet has not sent its tokens yet. A
  // token that is requested meanwhile is for the first audience of the login, which kubelet sends
  // too, not for the last, which is right for pods that are sent none.
  bool recovered = false;

  MountRequest Clone() const {
    return {provider, parameters, mode, identity.Clone(), target_path, recovered};
  }
};

}  // namespace nodekeep

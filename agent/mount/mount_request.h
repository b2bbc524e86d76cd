#pragma once

// A request for the content of one volume, as typed values. Each server parses its protocol into
// one of these; nothing is parsed again, or formatted back to text, after that.

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
  std::uint32_t mode = 0644;  // for files without a mode in the class
  Identity identity;
  std::string target_path;  // kubelet's path of the volume; "" = nothing is written
  // Recovered after a restart: kubelet has not sent its tokens yet. Until then a token is requested
  // for the first audience of the login, which kubelet sends too, not for the last, which is for
  // pods to which kubelet sends none.
  bool recovered = false;
  // The first content of the volume of a pod that starts: values are at most
  // Policy::max_age_at_start old, unless the backend does not respond.
  bool at_start = false;

  MountRequest Clone() const {
    return {provider, parameters, mode, identity.Clone(), target_path, recovered, at_start};
  }
};

}  // namespace nodekeep

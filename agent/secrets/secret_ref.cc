#include "agent/secrets/secret_ref.h"

namespace nodekeep {

std::string SecretRef::Text() const {
  std::string text = provider + ":" + path;
  if (!version.empty()) text += "@" + version;
  if (!request.empty()) text += " " + request;
  return text;
}

}  // namespace nodekeep

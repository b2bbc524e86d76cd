#include "agent/base/environment.h"

#include <cstdlib>

namespace nodekeep {

SecretBytes EnvironmentSecret(const std::string& name) {
  const char* text = std::getenv(name.c_str());
  return text == nullptr ? SecretBytes() : SecretBytes(text);
}

}  // namespace nodekeep

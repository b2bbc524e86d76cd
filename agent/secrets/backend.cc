#include "agent/secrets/backend.h"

#include <fmt/format.h>

namespace nodekeep {

void AppendLoginPart(std::string& text, std::string_view name, std::string_view value) {
  text += fmt::format(" {}={}:{}", name, value.size(), value);
}

}  // namespace nodekeep

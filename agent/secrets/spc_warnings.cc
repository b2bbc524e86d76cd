#include "agent/secrets/spc_warnings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nodekeep {

std::string SpcWarnings::Text() const {
  std::string text = fmt::format("{}", fmt::join(texts_, "; "));
  if (more_ > 0) text += fmt::format("; and {} more", more_);
  return text;
}

}  // namespace nodekeep

#include "agent/base/volume_path.h"

#include <cstddef>

#include "agent/base/go_text.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxElement = 255;

Error Invalid(std::string_view what, std::string_view path, std::string_view rule) {
  return Error::Format(ErrorCode::kInvalid, "invalid {} {}: {}", what, GoQuote(path), rule);
}

Status CheckElement(std::string_view path, std::string_view element) {
  if (element == "..") return Invalid("path", path, "must not contain \"..\"");
  if (element.size() > kMaxElement) {
    return Invalid("path", path, "no element may be longer than 255 bytes");
  }
  if (element.empty()) {
    return Invalid("filepath", path, "must not contain \"//\" or end in \"/\"");
  }
  if (element == ".") return Invalid("filepath", path, "must not contain a \".\" element");
  return {};
}

}  // namespace

Status CheckVolumePath(std::string_view path) {
  if (path.empty()) return Invalid("path", path, "must not be empty");
  if (path.front() == '/') return Invalid("path", path, "must not be absolute");
  if (path.size() > kMaxPath) return Invalid("path", path, "must not be longer than 4096 bytes");
  if (path.find('\0') != std::string_view::npos) {
    return Invalid("path", path, "must not contain a NUL byte");
  }
  for (std::string_view rest = path;;) {
    const std::size_t slash = rest.find('/');
    if (Status status = CheckElement(path, rest.substr(0, slash)); !status.ok()) return status;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  // Reserved for the driver: ..data and the timestamped directories.
  if (path.starts_with("..")) return Invalid("path", path, "must not start with \"..\"");
  return {};
}

}  // namespace nodekeep

#include "csi/volume.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace nodekeep {

Status CheckTargetPath(std::string_view path) {
  const std::filesystem::path given(path);
  if (given.is_absolute() && given.has_filename() && given.lexically_normal().native() == path) {
    return {};
  }
  return Error::Format(ErrorCode::kInvalid,
                       "target path \"{}\" is not absolute and in its shortest form", path);
}

std::optional<TargetParts> ReadTargetPath(std::string_view path) {
  // From the end: mount, <volume>, kubernetes.io~csi, volumes, <uid>, pods.
  std::array<std::string_view, 6> parts;
  for (std::string_view& part : parts) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    part = path.substr(slash + 1);
    path = path.substr(0, slash);
    if (part.empty()) return std::nullopt;
  }
  const auto& [mount, volume, plugin, volumes, uid, pods] = parts;
  if (mount != "mount" || plugin != "kubernetes.io~csi" || volumes != "volumes" || pods != "pods") {
    return std::nullopt;
  }
  return TargetParts{std::string(uid), std::string(volume)};
}

std::string_view StateNameOf(const VolumeState& state) {
  if (!state.error.empty()) return state.stale ? "stale" : "failing";
  return state.current_at == WallTime() ? "taken_over" : "current";
}

std::string ConditionOf(const VolumeState& state) {
  std::string text;
  if (state.error.empty()) {
    text = state.current_at == WallTime() ? "taken over, not refreshed yet" : "up to date";
  } else {
    text = fmt::format("{} since {}: {}",
                       state.stale ? "serving last good values" : "rotation failing",
                       FormatTime(state.failing_since), state.error);
  }
  if (!state.mirror_error.empty()) text += "; not mirrored: " + state.mirror_error;
  return text;
}

}  // namespace nodekeep

#include "agent/http/permitted_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace nodekeep {
namespace {

std::vector<std::string_view> ElementsOf(std::string_view path) {
  std::vector<std::string_view> elements;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) elements.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return elements;
}

// Whether the path is in a directory that kubelet keeps for pods, or in a volume that it has
// mounted for them. Below its root, which may be anywhere, kubelet uses
//   pods/<uid>/volumes/<plugin>/<name>     plugin: kubernetes.io~csi; of FlexVolume: vendor~driver
//   pods/<uid>/volumeDevices/<plugin>/..., pods/<uid>/volume-subpaths/...
//   plugins/kubernetes.io/...              mounts that are bound into the pods' directories
bool BelongsToPod(std::string_view path) {
  const std::vector<std::string_view> elements = ElementsOf(path);
  const auto is_volumes = [](std::string_view name) {
    return name == "volumes" || name == "volumeDevices";
  };
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::string_view name = elements[i];
    if (name == "volume-subpaths") return true;
    if (i + 1 == elements.size()) break;
    const std::string_view next = elements[i + 1];
    if (is_volumes(name) && next.find('~') != std::string_view::npos) return true;
    if (name == "kubelet" && next == "pods") return true;
    if (name == "plugins" && next == "kubernetes.io") return true;
    if (name == "pods" && i + 2 < elements.size() && is_volumes(elements[i + 2])) return true;
  }
  return false;
}

// "" if a class may name it.
std::string WhyRefused(const std::string& path) {
  for (const char* directory : {"/proc/", "/sys/", "/dev/"}) {
    if ((path + "/").starts_with(directory)) {
      return fmt::format("files below {} are not read", directory);
    }
  }
  if (!BelongsToPod(path)) return "";
  return "it is in a volume of a pod, which is for that pod only; mount the file into the agent";
}

Error SystemError() {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalid;
  return Error(code, std::generic_category().message(errno));
}

Status CheckKind(mode_t mode, PathKind kind) {
  switch (kind) {
    case PathKind::kFile:
      if (S_ISREG(mode)) return {};
      return Error(ErrorCode::kInvalid, "not a regular file");
    case PathKind::kDirectory:
      if (S_ISDIR(mode)) return {};
      return Error(ErrorCode::kInvalid, "not a directory");
    case PathKind::kSocket:
      if (S_ISSOCK(mode)) return {};
      return Error(ErrorCode::kInvalid, "not a socket");
  }
  return Error(ErrorCode::kInternal, "unknown kind of path");
}

Result<Descriptor> OpenChecked(int directory, const std::string& path, PathKind kind) {
  Descriptor place(openat(directory, path.c_str(), O_PATH | O_CLOEXEC));
  if (place.number() < 0) return SystemError();
  // Before the kind, which would tell what is at a place that is refused.
  std::error_code unreadable;
  const std::string real = std::filesystem::read_symlink(place.Path(), unreadable);
  if (unreadable) return Error(ErrorCode::kInvalid, unreadable.message());
  if (const std::string why = WhyRefused(real); !why.empty()) return Error(ErrorCode::kDenied, why);
  struct stat facts;
  if (fstat(place.number(), &facts) != 0) return SystemError();
  if (Status wanted = CheckKind(facts.st_mode, kind); !wanted.ok()) return wanted.error();
  return place;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

std::string Descriptor::Path() const { return fmt::format("/proc/self/fd/{}", number_); }

Result<Descriptor> OpenPermitted(const std::string& path, PathKind kind) {
  const std::string named = std::filesystem::path(path).lexically_normal();
  if (const std::string why = WhyRefused(named); !why.empty()) {
    return Error(ErrorCode::kDenied, why);
  }
  return OpenChecked(AT_FDCWD, path, kind);
}

Result<Descriptor> OpenPermittedIn(const Descriptor& directory, const std::string& name,
                                   PathKind kind) {
  return OpenChecked(directory.number(), name, kind);
}

}  // namespace nodekeep

// The rules for paths inside a volume: an accepted path names a file inside the volume and is
// normalized; a rejection has the upstream driver's error text.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/base/utf8.h"
#include "agent/base/volume_path.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using nodekeep::Require;
  const std::string path(reinterpret_cast<const char*>(data), size);
  const nodekeep::Status status = nodekeep::CheckVolumePath(path);
  if (!status.ok()) {
    const std::string& message = status.error().message();
    Require(message.starts_with("invalid path ") || message.starts_with("invalid filepath "),
            "a rejection starts with the driver's text");
    Require(message.size() < 700, "a rejection is short");
    Require(nodekeep::FindInvalidUtf8(message) == std::string_view::npos, "a rejection is UTF-8");
    return 0;
  }
  const std::filesystem::path volume("/var/volume");
  const std::string inside = (volume / path).lexically_normal().string();
  Require(inside == "/var/volume/" + path, "an accepted path is inside the volume and normalized");
  Require(std::filesystem::path(path).has_filename(), "an accepted path names a file");
  Require(path.find('\0') == std::string::npos, "an accepted path has no NUL");
  Require(path.size() <= 4096, "an accepted path is at most 4096 bytes long");
  for (const std::filesystem::path& element : std::filesystem::path(path)) {
    Require(element.string().size() <= 255, "an accepted element fits a directory entry");
    Require(element != ".." && element != ".", "an accepted element is not . or ..");
  }
  Require(!path.starts_with(".."), "names that start with .. are reserved");
  return 0;
}

// Parses any `objects`: the result is a mount that the driver accepts, or an error.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/volume_path.h"
#include "providers/dev/dev.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodekeep;
  SpcInput input;
  input.parameters["objects"] = std::string(reinterpret_cast<const char*>(data), size);
  const Result<ParsedMount> mount = dev::ParseMount(input, "/store.yaml", Policy());
  if (!mount.ok()) {
    Require(
        mount.error().code() == ErrorCode::kInvalid || mount.error().code() == ErrorCode::kTooLarge,
        "bad parameters are the author's fault");
    Require(mount.error().message().starts_with("parameter objects: "), "the parameter is named");
    return 0;
  }
  Require(!mount->projections.empty(), "a mount has objects");
  std::set<std::string> paths;
  for (const Projection& projection : mount->projections) {
    Require(CheckVolumePath(projection.path).ok(), "every file stays in the volume");
    Require(CheckVolumePath(projection.ref.path).ok(), "every secret stays in the store");
    Require(projection.mode <= 0777, "a mode is permission bits");
    Require(paths.insert(projection.path).second, "no two files share a path");
  }
  return 0;
}

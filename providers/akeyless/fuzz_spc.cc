// Parses arbitrary input: it must not crash, and accepted input must satisfy the invariants of
// ParsedMount. Arbitrary answers are rendered into files likewise.
//
// The input is split at zero bytes: `objects`, an answer, then key=value parameters.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/volume_path.h"
#include "providers/akeyless/item.h"
#include "providers/akeyless/options.h"
#include "tests/fuzz/budget.h"
#include "tests/fuzz/require.h"

namespace nodekeep {
namespace {

std::string_view NextPart(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

void CheckRendering(const Projection& projection, const SecretBytes& answer) {
  Result<std::vector<RenderedFile>> files = akeyless::RenderItem(projection, answer);
  if (!files.ok()) {
    Require(!files.error().message().empty(), "an error has a text");
    return;
  }
  Require(!files->empty(), "files are not empty");
  for (const RenderedFile& file : *files) {
    Require(CheckVolumePath(file.path).ok(), "paths are valid");
    Require(file.path == projection.path || file.path.starts_with(projection.path + "/"),
            "files stay at the path of their object");
  }
}

}  // namespace
}  // namespace nodekeep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodekeep;
  static const AkeylessSettings settings;

  std::string_view rest(reinterpret_cast<const char*>(data), size);
  SpcInput input;
  input.parameters["objects"] = NextPart(rest);
  const SecretBytes answer(NextPart(rest));
  while (!rest.empty()) {
    const std::string_view part = NextPart(rest);
    const std::size_t equals = std::min(part.find('='), part.size());
    input.parameters[std::string(part.substr(0, equals))] =
        part.substr(std::min(equals + 1, part.size()));
  }

  Result<ParsedMount> mount = Budget::Within([&] { return akeyless::ParseMount(input, settings); });
  if (!mount.ok()) {
    Require(!mount.error().message().empty(), "an error has a text");
    return 0;
  }
  Require(mount->options != nullptr, "options");
  Require(!mount->options->LoginText().empty(), "logins can be told apart");
  Require(!mount->projections.empty(), "projections are not empty");
  std::set<std::string> paths;
  for (const Projection& projection : mount->projections) {
    Require(CheckVolumePath(projection.path).ok(), "paths are valid");
    Require(paths.insert(projection.path).second, "paths are unique");
    Require(projection.mode <= 0777, "modes are valid");
    Require(projection.ref.provider == "akeyless", "refs name the provider");
    Require(!projection.ref.path.empty(), "refs name an item");
    Result<akeyless::ItemRequest> request = akeyless::ItemRequest::Parse(projection.ref.request);
    Require(request.ok() && request->Text() == projection.ref.request, "requests survive");
    CheckRendering(projection, answer);
  }
  return 0;
}

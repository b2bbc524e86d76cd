// Parses arbitrary input: it must not crash, and accepted input must satisfy the invariants of
// ParsedMount.
//
// The input is split at zero bytes: `objects`, then key=value parameters.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/volume_path.h"
#include "providers/vault/vault.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
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

}  // namespace
}  // namespace nodekeep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodekeep;
  static FakeHttpClient http;
  static FakeClock clock;
  static const Provider provider = MakeVaultProvider(VaultSettings(), http, clock);

  std::string_view rest(reinterpret_cast<const char*>(data), size);
  SpcInput input;
  input.parameters["roleName"] = "app";
  input.parameters["objects"] = NextPart(rest);
  while (!rest.empty()) {
    const std::string_view part = NextPart(rest);
    const std::size_t equals = std::min(part.find('='), part.size());
    input.parameters[std::string(part.substr(0, equals))] =
        part.substr(std::min(equals + 1, part.size()));
  }

  Result<ParsedMount> mount = Budget::Within([&] { return provider.spc->Parse(input); });
  if (!mount.ok()) {
    Require(!mount.error().message().empty(), "an error has a text");
    return 0;
  }
  Require(mount->options != nullptr, "options");
  Require(!mount->projections.empty(), "projections are not empty");
  for (const Projection& projection : mount->projections) {
    Require(CheckVolumePath(projection.path).ok(), "paths are valid");
    Require(projection.mode <= 0777, "modes are valid");
    Require(projection.ref.path.starts_with("/v1/"), "refs stay inside the API");
    Require(projection.ref.path.find("/../") == std::string::npos, "refs do not climb");
    Require(projection.ref.provider == "vault", "refs name the provider");
  }
  return 0;
}

// Parses any store file: the result is secrets with names and values, or an error.

#include <cstdint>
#include <string_view>

#include "agent/base/volume_path.h"
#include "providers/dev/content.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodekeep;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<dev::Content> content = dev::ParseContent(text);
  if (!content.ok()) {
    Require(content.error().code() == ErrorCode::kInvalid ||
                content.error().code() == ErrorCode::kTooLarge,
            "a bad file is the author's fault");
    return 0;
  }
  for (const auto& [name, secret] : *content) {
    Require(CheckVolumePath(name).ok(), "every name is a path");
    Require(!secret.versions.empty(), "every secret has a value");
    Require(!secret.refused, "a store file refuses as a whole");
  }
  return 0;
}

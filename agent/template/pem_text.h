#pragma once

// PEM as Go's encoding/pem reads and writes it: what counts as a block, as junk and as damaged
// differs from OpenSSL.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::go {

struct GoPemBlock {
  std::string type;  // "CERTIFICATE"
  std::map<std::string, std::string> headers;
  SecretBytes bytes;
};

// The first block of `rest`, which then begins behind it. Damaged blocks are skipped. nullopt:
// there is none, and `rest` is unchanged.
std::optional<GoPemBlock> NextPemBlock(std::string_view& rest);

void AppendPem(const GoPemBlock& block, SecretBytes& out);
SecretBytes PemOf(std::string_view type, std::string_view bytes);

// The text of the panic of upstream's functions that use the result of a failed pem.Decode.
Error NilPointerPanic();

}  // namespace nodekeep::go

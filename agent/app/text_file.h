#pragma once

// Whole small files, read at once. SecretBytes, because some hold tokens.

#include <cstddef>
#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// Errors: kNotFound (no such file), kDenied, kTooLarge (over `max_bytes`), else kInvalid; the text
// names the file. Blocks.
Result<SecretBytes> ReadFile(const std::string& path, std::size_t max_bytes);

}  // namespace nodekeep

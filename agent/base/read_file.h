#pragma once

// A small file that may hold a credential.

#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

// At most 1 MiB. Errors are kInvalid and name the file.
Result<SecretBytes> ReadSmallFile(const std::string& path);

// Its text without the white space that editors leave around a token; empty is an error.
Result<SecretBytes> ReadTokenFile(const std::string& path);

}  // namespace nodekeep

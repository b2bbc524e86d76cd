#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::akeyless {

// A token, certificate or key of the node, without the white space around it. At most 64 KiB.
// Errors are kInvalid and name the file.
Result<SecretBytes> ReadCredentialFile(const std::string& path);

}  // namespace nodekeep::akeyless

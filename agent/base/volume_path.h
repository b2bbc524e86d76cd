#pragma once

// The Secrets Store CSI driver's rules for file paths inside a volume.

#include <string_view>

#include "agent/base/result.h"

namespace nodekeep {

// Ok if `path` names a file inside the volume: relative, in its shortest lexical form, no `..`
// element, the first element not starting with `..`, at most 255 bytes per element and 4096 in
// total. Also refuses NUL bytes and `.`, which the driver accepts and fails on later.
//
// Error texts contain "invalid path" or "invalid filepath", as the driver's do.
Status CheckVolumePath(std::string_view path);

}  // namespace nodekeep

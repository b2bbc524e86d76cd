#pragma once

// The rules the Secrets Store CSI driver has for the path of a file inside a volume.

#include <string_view>

#include "agent/base/result.h"

namespace nodekeep {

// Ok if `path` names a file inside the volume: relative, in its shortest lexical form, no `..`
// element, the first element not starting with `..`, at most 255 bytes an element and 4096 in all.
// Stricter than the driver in two points it would fail on later: no NUL byte, not `.`.
//
// Error texts contain "invalid path" or "invalid filepath", as the driver's do.
Status CheckVolumePath(std::string_view path);

}  // namespace nodekeep

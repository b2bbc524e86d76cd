#pragma once

// Merging of maps as by sprig's merge and mergeOverwrite.

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// Changes `destination`, and maps in it. Keys that it lacks or that are empty in it are taken from
// `source`; with `overwrite` all others too. Two maps under one key are merged. Errors: kInvalid;
// kTooLarge.
Status Merge(Call& call, const Value& destination, const Value& source, bool overwrite);

}  // namespace nodekeep::go

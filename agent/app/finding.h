#pragma once

// A fault in a checked file: the position, the field, the message and the fix.
//
// The configuration loader and `nodekeep validate` report all findings of their input at once.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace nodekeep {

struct Finding {
  std::string source;  // file name, "environment", "command line"
  int line = 0;        // from 1; 0 = the source has no lines, or the whole source
  int column = 0;
  std::string object;   // "SecretProviderClass shop/app": a file may hold many; "" = no object
  std::string field;    // "cache.maxBytes", "spec.parameters.objects"; "" = no single field
  std::string message;  // what is wrong
  std::string fix;      // what to do; "" if the message says it

  // "nodekeep.yaml:3:5: cache.maxBytes: "64Mbi" is not a valid size; write it like 64MiB".
  // "all.yaml:12: SecretProviderClass shop/app: spec.provider: ...".
  std::string Text() const;

  bool operator==(const Finding&) const = default;
};

// A finding from an Error that begins with "line L, column C: ", as those of the YAML reader do.
Finding FindingOf(std::string source, const Error& error);

}  // namespace nodekeep

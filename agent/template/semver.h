#pragma once

// Versions and constraints as the Go package Masterminds/semver reads and compares them.

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// *semver.Version. Immutable.
struct Version final : public Object {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  std::uint64_t patch = 0;
  std::string prerelease;
  std::string metadata;
  std::string original;

  std::string Text() const;
};

// Lenient: a leading "v", missing parts. Errors: kInvalid.
Result<Version> ParseVersion(std::string_view text);
Status ValidatePrerelease(std::string_view text);

// -1, 0 or 1. Metadata does not count.
int CompareVersions(const Version& a, const Version& b);

// Whether `version` satisfies `constraint`: "^1.2, != 1.3.0 || ~2". Errors: kInvalid.
Result<bool> SatisfiesConstraint(const Version& version, std::string_view constraint);

}  // namespace nodekeep::go

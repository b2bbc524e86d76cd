#pragma once

// How long an answer may be served: the `nodekeep/` parameters, and their defaults per provider in
// the configuration.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace nodekeep {

// The longest age that a policy may set. Longer ages are of no use, and much longer ones exceed the
// range of the clock.
inline constexpr Duration kLongestAge = std::chrono::hours(365 * 24);

struct Policy {
  // Age from which the value is read from the backend again (soft age).
  Duration refresh_after = std::chrono::minutes(2);
  // Age up to which the last good value may be served while the backend is down (hard age); at
  // least refresh_after. Zero: never.
  Duration serve_stale_for = std::chrono::hours(1);
  // How long a denial or "not found" is remembered.
  Duration remember_failure = std::chrono::seconds(10);

  bool operator==(const Policy&) const = default;
};

// Overrides `defaults` with `nodekeep/refreshAfter` and `nodekeep/serveStaleFor`; neither may be
// longer than kLongestAge. `known` lists the other reserved keys that the dialect supports
// ("nodekeep/auth"). Any other key that begins with `nodekeep/`, or differs from it only in case or
// punctuation ("nodekeep.io/", "Nodekeep/"), is an error that lists the allowed keys.
Result<Policy> ReadPolicy(const std::map<std::string, std::string>& attributes,
                          const Policy& defaults, std::initializer_list<std::string_view> known);

// Marks the objects named by `nodekeep/optional` (comma list, or "*"). An unknown name is an error.
struct Projection;
Status MarkOptional(const std::map<std::string, std::string>& attributes,
                    std::vector<Projection>& projections);

}  // namespace nodekeep

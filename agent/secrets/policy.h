#pragma once

// How long an answer is good: the `nodekeep/` parameters, and the same per provider in the config.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace nodekeep {

// The longest age that a policy may name. Beyond it lies no use, and far beyond it the end of the
// clock's range.
inline constexpr Duration kLongestAge = std::chrono::hours(365 * 24);

struct Policy {
  // Age from which the backend is asked again (soft age).
  Duration refresh_after = std::chrono::minutes(2);
  // Age up to which the last good value may stand in while the backend is down (hard age); at least
  // refresh_after. Zero: never.
  Duration serve_stale_for = std::chrono::hours(1);
  // How long "denied" and "not found" are remembered.
  Duration remember_failure = std::chrono::seconds(10);

  bool operator==(const Policy&) const = default;
};

// Reads `nodekeep/refreshAfter` and `nodekeep/serveStaleFor` over `defaults`; neither may be longer
// than kLongestAge. `known` lists the further reserved keys that the dialect itself understands
// ("nodekeep/auth"). Any other key that begins with `nodekeep/`, or differs from it only in case or
// punctuation ("nodekeep.io/", "Nodekeep/"), is an error that lists what is allowed.
Result<Policy> ReadPolicy(const std::map<std::string, std::string>& attributes,
                          const Policy& defaults, std::initializer_list<std::string_view> known);

// `nodekeep/optional`: comma list of object names, or "*". Marks them; an unknown name is an error.
struct Projection;
Status MarkOptional(const std::map<std::string, std::string>& attributes,
                    std::vector<Projection>& projections);

}  // namespace nodekeep

#pragma once

// How long an answer may be served: the `nodekeep/` parameters, and their defaults per provider in
// the configuration.

#include <map>
#include <optional>
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
  // The shortest refresh_after that a class gets: what it asks for beyond that would be paid by the
  // node and the backend, which it shares with others.
  Duration refresh_after_min = std::chrono::seconds(10);
  // Age up to which a pod that starts gets a value without a read, if refresh_after is not shorter:
  // people restart pods to have them use a value that was changed a moment ago. No minimum: a class
  // that sets less pays for the reads of its own starts only, with its namespace's share.
  Duration max_age_at_start = std::chrono::seconds(5);
  // Of a class: what it asked for, where refresh_after_min was used instead.
  std::optional<Duration> refresh_after_asked{};

  bool operator==(const Policy&) const = default;
};

// Overrides `defaults` with `nodekeep/refreshAfter`, `nodekeep/serveStaleFor` and
// `nodekeep/maxAgeAtStart`; none may be longer than kLongestAge. A class that asks for a shorter
// age than refresh_after_min gets that, or the default refresh_after if it is even shorter. `known`
// lists the other reserved keys that the dialect supports ("nodekeep/auth"). Any other key that
// begins with `nodekeep/`, or differs from it only in case or punctuation ("nodekeep.io/",
// "Nodekeep/"), is an error that lists the allowed keys.
Result<Policy> ReadPolicy(const std::map<std::string, std::string>& attributes,
                          const Policy& defaults, std::initializer_list<std::string_view> known);

// For users: that the class asked for a shorter age than the node allows; "" if it did not.
std::string TextOfFloor(const Policy& policy);

// Marks the objects named by `nodekeep/optional` (comma list, or "*"). An unknown name is an error.
struct Projection;
Status MarkOptional(const std::map<std::string, std::string>& attributes,
                    std::vector<Projection>& projections);

}  // namespace nodekeep

#include "agent/secrets/policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "agent/base/closest.h"
#include "agent/base/comma_list.h"
#include "agent/base/duration.h"
#include "agent/base/utf8.h"
#include "agent/secrets/provider.h"
#include "agent/secrets/spc_reader.h"

namespace nodekeep {
namespace {

constexpr std::string_view kPrefix = "nodekeep/";
constexpr std::string_view kEveryDialect[] = {"nodekeep/refreshAfter", "nodekeep/serveStaleFor",
                                              "nodekeep/maxAgeAtStart", "nodekeep/optional"};

Status ReadDuration(const std::map<std::string, std::string>& attributes, const std::string& key,
                    Duration& into) {
  auto found = attributes.find(key);
  if (found == attributes.end()) return {};
  Result<Duration> value = ParseDuration(found->second);
  if (!value.ok()) {
    return Error::Format(ErrorCode::kInvalid, "parameter {}: {}", key, value.error().message());
  }
  if (*value < Duration::zero()) {
    return Error::Format(ErrorCode::kInvalid, "parameter {}: must not be negative", key);
  }
  if (*value > kLongestAge) {
    return Error::Format(
        ErrorCode::kInvalid,
        "parameter {}: {} is longer than one year ({}), the longest that is allowed", key,
        Excerpt(found->second), FormatDuration(kLongestAge));
  }
  into = *value;
  return {};
}

}  // namespace

Result<Policy> ReadPolicy(const std::map<std::string, std::string>& attributes,
                          const Policy& defaults, std::initializer_list<std::string_view> known) {
  std::vector<std::string_view> allowed(std::begin(kEveryDialect), std::end(kEveryDialect));
  allowed.insert(allowed.end(), known.begin(), known.end());
  for (const auto& [key, value] : attributes) {
    if (!LooksReserved(key)) continue;
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) continue;
    const std::string closest = ClosestTo(key, allowed);
    return Error::Format(ErrorCode::kInvalid, "parameter {}: unknown{}; keys under {} are: {}", key,
                         closest.empty() ? "" : ": did you mean " + closest + "?", kPrefix,
                         fmt::join(allowed, ", "));
  }
  Policy policy = defaults;
  for (const auto& [key, age] : {std::pair("nodekeep/refreshAfter", &policy.refresh_after),
                                 std::pair("nodekeep/serveStaleFor", &policy.serve_stale_for),
                                 std::pair("nodekeep/maxAgeAtStart", &policy.max_age_at_start)}) {
    if (Status status = ReadDuration(attributes, key, *age); !status.ok()) return status.error();
  }
  const Duration floor = std::min(defaults.refresh_after_min, defaults.refresh_after);
  if (policy.refresh_after < floor) {
    policy.refresh_after_asked = std::exchange(policy.refresh_after, floor);
  }
  return policy;
}

std::string TextOfFloor(const Policy& policy) {
  if (!policy.refresh_after_asked) return "";
  return fmt::format(
      "nodekeep/refreshAfter is {}; the node allows no less than {} "
      "(policy.refreshAfterMin), which is used",
      FormatDuration(*policy.refresh_after_asked), FormatDuration(policy.refresh_after));
}

Status MarkOptional(const std::map<std::string, std::string>& attributes,
                    std::vector<Projection>& projections) {
  auto found = attributes.find("nodekeep/optional");
  if (found == attributes.end()) return {};
  for (const std::string& name : SplitCommas(found->second)) {
    bool matched = false;
    for (Projection& projection : projections) {
      if (name != "*" && name != projection.object) continue;
      projection.optional = true;
      matched = true;
    }
    if (!matched) {
      return Error::Format(
          ErrorCode::kInvalid,
          "parameter nodekeep/optional: no object is named \"{}\"; name objects of "
          "this class, or \"*\" for all",
          Excerpt(name));
    }
  }
  return {};
}

}  // namespace nodekeep

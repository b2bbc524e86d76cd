#pragma once

// Steps of External Secrets' `rewrite`, which change the keys that a backend returned.

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/query/secret_map.h"

namespace nodekeep {

// Replaces the matches of a regular expression of Go in each key.
struct RegexpRewrite {
  std::string source;
  std::string target;  // $1, ${1} and ${name} stand for groups
};

// Errors: kInvalid (the expression), kTooLarge. Of keys that become the same one, the last in the
// order of the old keys wins; upstream's choice is random.
Result<SecretMap> RewriteByRegexp(const RegexpRewrite& rewrite, SecretMap values);

// Merges the members of all values, which are JSON objects.
struct MergeRewrite {
  enum class Strategy {
    kExtract,  // the merged members instead of the values
    kJson,     // the values, and the merged members as one JSON object under the key `into`
    kUnknown,  // upstream then returns nothing, without an error
  };
  Strategy strategy = Strategy::kExtract;
  std::string into;
  // A member of several values is an error, also between values of `priority`.
  bool conflicts_are_errors = true;
  // The keys whose values win, the last one most; the others are before them, sorted.
  std::vector<std::string> priority;
  bool missing_priority_is_error = true;
};

// Errors: kInvalid, kTooLarge.
Result<SecretMap> RewriteByMerge(const MergeRewrite& rewrite, SecretMap values);

}  // namespace nodekeep

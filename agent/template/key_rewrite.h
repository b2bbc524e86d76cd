#pragma once

// External Secrets' `rewrite`: a list of steps, each of which sees the result of the one before.

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/query/rewrite.h"
#include "agent/query/secret_map.h"
#include "agent/template/template.h"

namespace nodekeep {

// Renders each key with a template in which .value is the key.
struct TransformRewrite {
  std::string text;
};

// An empty step changes nothing.
using KeyRewrite = std::variant<std::monostate, RegexpRewrite, MergeRewrite, TransformRewrite>;

// The list `rewrite` of a manifest. Errors: kInvalid.
Result<std::vector<KeyRewrite>> ReadKeyRewrites(const Json& list);

// Errors: kInvalid and kTooLarge, "failed rewrite operation[N]: ...".
Result<SecretMap> RewriteKeys(const TemplateEnvironment& environment,
                              std::span<const KeyRewrite> rewrites, SecretMap values);

}  // namespace nodekeep

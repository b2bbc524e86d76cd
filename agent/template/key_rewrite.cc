#include "agent/template/key_rewrite.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/go_text.h"

namespace nodekeep {
namespace {

std::string TextAt(const Json& object, std::string_view name) {
  return TextOf(Find(object, {name})).value_or("");
}

MergeRewrite ReadMerge(const Json& merge) {
  MergeRewrite rewrite;
  const std::string strategy = TextAt(merge, "strategy");
  if (strategy == "JSON") {
    rewrite.strategy = MergeRewrite::Strategy::kJson;
  } else if (!strategy.empty() && strategy != "Extract") {
    rewrite.strategy = MergeRewrite::Strategy::kUnknown;
  }
  rewrite.into = TextAt(merge, "into");
  rewrite.conflicts_are_errors = TextAt(merge, "conflictPolicy") != "Ignore";
  rewrite.missing_priority_is_error = TextAt(merge, "priorityPolicy") != "IgnoreNotFound";
  const Json* priority = Find(merge, {"priority"});
  if (priority == nullptr || !priority->is_array()) return rewrite;
  for (const Json& key : priority->array_range()) {
    rewrite.priority.push_back(TextOf(key).value_or(""));
  }
  return rewrite;
}

// Of several members upstream uses one, in this order.
KeyRewrite ReadKeyRewrite(const Json& step) {
  const auto member = [&step](std::string_view name) -> const Json* {
    const Json* found = Find(step, {name});
    return found != nullptr && found->is_object() ? found : nullptr;
  };
  if (const Json* merge = member("merge")) return ReadMerge(*merge);
  if (const Json* regexp = member("regexp")) {
    return RegexpRewrite{TextAt(*regexp, "source"), TextAt(*regexp, "target")};
  }
  if (const Json* transform = member("transform")) {
    return TransformRewrite{TextAt(*transform, "template")};
  }
  return std::monostate();
}

// `executions` templates share the limits of one.
TemplateLimits ShareOf(std::size_t executions) {
  TemplateLimits limits;
  const std::size_t parts = std::max<std::size_t>(executions, 1);
  limits.steps = limits.steps / parts + 1'000;
  limits.memory = limits.memory / parts + (64u << 10);
  limits.slow_calls = static_cast<int>(static_cast<std::size_t>(limits.slow_calls) / parts);
  return limits;
}

// `count`: of the rewrites in the list.
Result<SecretMap> RewriteByTransform(const TemplateEnvironment& environment,
                                     const TransformRewrite& rewrite, std::size_t count,
                                     SecretMap values) {
  TemplateOptions options;
  options.missing_key_is_error = false;
  options.limits = ShareOf(values.size() * count);
  const Result<Template> parsed = Template::Parse("transform", rewrite.text, options);
  if (!parsed.ok()) return parsed.error().Prepend("transform failed with failed to parse template");
  SecretMap rewritten;
  for (auto& [key, value] : values) {
    const go::Value dot = go::Value::MapOf(go::Type::kStringMap, {{"value", go::Value::Text(key)}});
    const Result<SecretBytes> name = parsed->Execute(environment, dot);
    if (!name.ok()) {
      return name.error().Prepend("transform failed with failed to execute template for key {}",
                                  GoQuote(key));
    }
    rewritten.insert_or_assign(std::string(name->Reveal()), std::move(value));
  }
  return rewritten;
}

class Step {
 public:
  Step(const TemplateEnvironment& environment, std::size_t count, SecretMap values)
      : environment_(environment), count_(count), values_(std::move(values)) {}

  Result<SecretMap> operator()(std::monostate) { return std::move(values_); }
  Result<SecretMap> operator()(const RegexpRewrite& rewrite) {
    return RewriteByRegexp(rewrite, std::move(values_));
  }
  Result<SecretMap> operator()(const MergeRewrite& rewrite) {
    return RewriteByMerge(rewrite, std::move(values_));
  }
  Result<SecretMap> operator()(const TransformRewrite& rewrite) {
    return RewriteByTransform(environment_, rewrite, count_, std::move(values_));
  }

 private:
  const TemplateEnvironment& environment_;
  const std::size_t count_;
  SecretMap values_;
};

}  // namespace

Result<std::vector<KeyRewrite>> ReadKeyRewrites(const Json& list) {
  if (list.is_null()) return std::vector<KeyRewrite>();
  if (!list.is_array()) return Error(ErrorCode::kInvalid, "rewrite must be a list");
  std::vector<KeyRewrite> rewrites;
  for (const Json& step : list.array_range()) rewrites.push_back(ReadKeyRewrite(step));
  return rewrites;
}

Result<SecretMap> RewriteKeys(const TemplateEnvironment& environment,
                              std::span<const KeyRewrite> rewrites, SecretMap values) {
  for (std::size_t i = 0; i < rewrites.size(); ++i) {
    Result<SecretMap> rewritten =
        std::visit(Step(environment, rewrites.size(), std::move(values)), rewrites[i]);
    if (!rewritten.ok()) return rewritten.error().Prepend("failed rewrite operation[{}]", i);
    values = *std::move(rewritten);
  }
  return values;
}

}  // namespace nodekeep

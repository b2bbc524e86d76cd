#include "agent/query/rewrite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "agent/base/go_regexp.h"
#include "agent/base/go_text.h"
#include "agent/base/json.h"
#include "agent/query/value_text.h"

namespace nodekeep {
namespace {

// For the keys of one map together: seconds of matching, and far more than a Secret can hold.
class KeyBudget final : public RegexpBudget {
 public:
  Status Steps(std::uint64_t count) override { return Take(count, steps_); }
  Status Bytes(std::size_t count) override { return Take(count, bytes_); }

 private:
  static Status Take(std::uint64_t count, std::uint64_t& left) {
    if (count > left) return Error(ErrorCode::kTooLarge, "rewriting the keys takes too much work");
    left -= count;
    return {};
  }

  std::uint64_t steps_ = 5'000;
  std::uint64_t bytes_ = 16u << 20;
};

std::string_view KindName(const Json& value) {
  if (value.is_array()) return "array";
  if (value.is_number()) return "number";
  return value.is_bool() ? "bool" : "string";
}

Result<Json> ObjectOf(const SecretBytes& text) {
  Result<Json> value = ParseJson(text.Reveal());
  if (!value.ok()) return value.error();
  if (value->is_null()) return Json(jsoncons::json_object_arg);
  if (value->is_object()) return value;
  return Error::Format(ErrorCode::kInvalid,
                       "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                       KindName(*value));
}

std::vector<std::string_view> MergeOrder(const MergeRewrite& rewrite, const SecretMap& values) {
  std::vector<std::string_view> order;
  for (const auto& [key, value] : values) {
    const auto& priority = rewrite.priority;
    if (std::find(priority.begin(), priority.end(), key) == priority.end()) order.push_back(key);
  }
  order.insert(order.end(), rewrite.priority.begin(), rewrite.priority.end());
  return order;
}

struct Merged {
  Json members{jsoncons::json_object_arg};
  std::vector<std::string> conflicts;
};

Result<Merged> Merge(const MergeRewrite& rewrite, const SecretMap& values) {
  Merged merged;
  for (const std::string_view key : MergeOrder(rewrite, values)) {
    const auto value = values.find(std::string(key));
    if (value == values.end()) {
      if (!rewrite.missing_priority_is_error) continue;
      return Error::Format(ErrorCode::kInvalid, "merge failed with key {} not found in input map",
                           GoQuote(key));
    }
    const Result<Json> object = ObjectOf(value->second);
    if (!object.ok()) return object.error().Prepend("merge failed with failed to unmarshal JSON");
    for (const auto& member : object->object_range()) {
      if (merged.members.contains(member.key())) merged.conflicts.emplace_back(member.key());
      merged.members.insert_or_assign(member.key(), member.value());
    }
  }
  return merged;
}

Result<SecretMap> Extracted(const Json& members) {
  SecretMap values;
  for (const auto& member : members.object_range()) {
    Result<SecretBytes> text = ValueText(member.value(), JsonNumbers::kFloat);
    if (!text.ok()) return text.error().Prepend("merge failed with failed to unmarshal JSON");
    values.emplace(member.key(), *std::move(text));
  }
  return values;
}

Result<SecretMap> WithJson(const MergeRewrite& rewrite, const Json& members, SecretMap values) {
  if (rewrite.into.empty()) {
    return Error(ErrorCode::kInvalid, "merge failed with missing 'into' field");
  }
  Result<SecretBytes> json = CompactJson(members, JsonNumbers::kFloat, HtmlInJson::kPlain);
  if (!json.ok()) return json.error().Prepend("merge failed with failed to unmarshal JSON");
  values.insert_or_assign(rewrite.into, *std::move(json));
  return values;
}

}  // namespace

Result<SecretMap> RewriteByRegexp(const RegexpRewrite& rewrite, SecretMap values) {
  const Result<GoRegexp> source = GoRegexp::Compile(rewrite.source);
  if (!source.ok()) return source.error().Prepend("regexp failed with failed to compile");
  KeyBudget budget;
  SecretMap rewritten;
  for (auto& [key, value] : values) {
    const Result<SecretBytes> name = source->ReplaceAll(key, rewrite.target, budget);
    if (!name.ok()) return name.error();
    rewritten.insert_or_assign(std::string(name->Reveal()), std::move(value));
  }
  return rewritten;
}

Result<SecretMap> RewriteByMerge(const MergeRewrite& rewrite, SecretMap values) {
  const Result<Merged> merged = Merge(rewrite, values);
  if (!merged.ok()) return merged.error();
  if (rewrite.conflicts_are_errors && !merged->conflicts.empty()) {
    return Error::Format(ErrorCode::kInvalid, "merge failed with conflicts: {}",
                         fmt::join(merged->conflicts, ", "));
  }
  switch (rewrite.strategy) {
    case MergeRewrite::Strategy::kExtract: return Extracted(merged->members);
    case MergeRewrite::Strategy::kJson:
      return WithJson(rewrite, merged->members, std::move(values));
    case MergeRewrite::Strategy::kUnknown: break;
  }
  return SecretMap();
}

}  // namespace nodekeep

#include "agent/secrets/property.h"

#include <optional>
#include <string>
#include <utility>

#include "agent/base/utf8.h"
#include "agent/secrets/spc_reader.h"

namespace nodekeep {
namespace {

// How often a field may be looked up. A key may contain dots, so a name can be read in many ways:
// its author and that of the value could choose both so that there are millions.
constexpr int kMaxLookups = 10'000;

// Null: there is none, or `lookups` are used up.
const Json* FindField(const Json& value, std::string_view name, int& lookups) {
  if (--lookups < 0) return nullptr;
  if (const Json* found = Find(value, {name}); found != nullptr) return found;
  for (std::size_t dot = name.rfind('.'); dot != std::string_view::npos && dot > 0 && lookups > 0;
       dot = name.rfind('.', dot - 1)) {
    --lookups;
    const Json* inner = Find(value, {name.substr(0, dot)});
    if (inner == nullptr) continue;
    if (const Json* found = FindField(*inner, name.substr(dot + 1), lookups)) return found;
  }
  return nullptr;
}

// The value that a text holds as JSON; other values unchanged. nullopt: the text is not JSON.
std::optional<Json> Nested(const Json& value) {
  if (!IsText(value)) return value;
  Result<Json> parsed = ParseJson(value.as_string_view());
  if (!parsed.ok()) return std::nullopt;
  return *std::move(parsed);
}

}  // namespace

Result<Json> PropertyOf(const Json& value, std::string_view name, std::string_view what,
                        std::span<const std::string_view> also_in) {
  const std::optional<Json> root = Nested(value);
  if (root && root->is_null()) return Json::null();
  if (!root || (!root->is_object() && !root->is_array())) {
    return Error::Format(ErrorCode::kInvalid,
                         "{} is not a JSON object: {} \"{}\" cannot be taken from it", what,
                         kPropertyKey, Excerpt(name));
  }
  int lookups = kMaxLookups;
  const Json* found = FindField(*root, name, lookups);
  if (found != nullptr && !found->is_null()) return *found;
  bool is_null = found != nullptr;
  for (std::string_view member : also_in) {
    const Json* outer = Find(*root, {member});
    const std::optional<Json> inner = outer == nullptr ? std::nullopt : Nested(*outer);
    const Json* inside = inner ? FindField(*inner, name, lookups) : nullptr;
    if (inside != nullptr && !inside->is_null()) return *inside;
    is_null |= inside != nullptr;
  }
  if (lookups <= 0) {
    return Error::Format(ErrorCode::kInvalid,
                         "{} \"{}\" can be read in too many ways in {}: use fewer dots",
                         kPropertyKey, Excerpt(name), what);
  }
  if (is_null) return Json::null();
  return Error::Format(ErrorCode::kNotFound,
                       "{} has no property \"{}\": write a key of its JSON, or keys joined by dots",
                       what, Excerpt(name));
}

SecretBytes FileTextOf(const Json& value) {
  return IsText(value) ? SecretBytes(value.as_string_view()) : GoJson(value);
}

Error NoValue(std::string_view what, std::string_view way_out) {
  return Error::Format(ErrorCode::kNotFound,
                       "{} is null, which is no value: write one, or have the object left out with "
                       "nodekeep/optional: true{}",
                       what, way_out);
}

}  // namespace nodekeep

#include "agent/secrets/class_fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/closest.h"
#include "agent/base/utf8.h"

namespace nodekeep {

FieldPath FieldPath::Then(std::string step, std::string text) const {
  FieldPath path = *this;
  path.steps_.push_back(std::move(step));
  path.text_ += text;
  return path;
}

FieldPath FieldPath::Field(std::string_view name) const {
  return Then(std::string(name), (text_.empty() ? "" : ".") + Excerpt(name));
}

FieldPath FieldPath::Member(std::string_view key) const {
  return Then(std::string(key), fmt::format("[\"{}\"]", Excerpt(key)));
}

FieldPath FieldPath::Item(std::size_t index) const {
  return Then(std::to_string(index), fmt::format("[{}]", index));
}

std::string ClassFault::Text() const {
  std::string text = path.text() + ": " + message;
  if (!fix.empty()) text += ": " + fix;
  return text;
}

std::string_view TypeText(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "a map";
  if (value.is_array()) return "a list";
  if (value.is_bool()) return "a boolean";
  return IsText(value) ? "a string" : "a number";
}

ClassFault NoString(FieldPath path, const Json& value) {
  ClassFault fault{.path = std::move(path),
                   .message = fmt::format("must be a string, found {}", TypeText(value))};
  if (value.is_null()) {
    fault.fix = "write \"\" for an empty text, or remove the line";
    fault.of_key = true;  // an absent value has no position of its own
  } else if (value.is_object() || value.is_array()) {
    fault.fix = "write it as a text below `|`";
  } else {
    fault.fix = "put quotes around it";
    fault.needs_quotes = true;
  }
  return fault;
}

void CheckFields(const Json& object, const FieldPath& path,
                 const std::vector<std::string_view>& known, std::vector<ClassFault>& faults) {
  if (!object.is_object()) return;
  for (const auto& member : object.object_range()) {
    const std::string_view key = member.key();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    faults.push_back({.path = path.Field(key),
                      .message = "unknown field",
                      .fix = SuggestOrList(key, known, "known here:"),
                      .of_key = true});
  }
}

}  // namespace nodekeep

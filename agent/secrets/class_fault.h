#pragma once

// A fault in an object of the Kubernetes API, at one of its fields.
//
// Readers report all faults of their part of an object. A manifest's line is found with the path.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"

namespace nodekeep {

// Where a field is: keys and indices from the root of the object, and the same as users write it.
class FieldPath {
 public:
  FieldPath() = default;
  // `name`: "spec.provider" would be two steps.
  FieldPath Field(std::string_view name) const;  // ".name"
  FieldPath Member(std::string_view key) const;  // "[\"key\"]": of a map whose keys are data
  FieldPath Item(std::size_t index) const;       // "[0]"

  const std::vector<std::string>& steps() const { return steps_; }
  const std::string& text() const { return text_; }

 private:
  FieldPath Then(std::string step, std::string text) const;

  std::vector<std::string> steps_;
  std::string text_;
};

struct ClassFault {
  FieldPath path;
  std::string message;  // what is wrong
  std::string fix{};    // what to do; "" if the message says it
  // The key is wrong, not its value.
  bool of_key = false;
  // The value is a boolean or a number where a text is needed: quotes are the fix.
  bool needs_quotes = false;

  // `secretObjects[0].type: secret type is empty: write Opaque`.
  std::string Text() const;
};

// "a boolean", "a list": the type of a value in messages.
std::string_view TypeText(const Json& value);

// Value `value` at `path` is not a string.
ClassFault NoString(FieldPath path, const Json& value);

// Faults of the keys of `object` that are not in `known`; the API server drops them silently.
// Nothing if it is not an object.
void CheckFields(const Json& object, const FieldPath& path,
                 const std::vector<std::string_view>& known, std::vector<ClassFault>& faults);

}  // namespace nodekeep

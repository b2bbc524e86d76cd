#pragma once

// What one class may set in a Secret that several classes of a namespace name. Pure.
//
// Keys, labels and annotations of the classes are merged. A key that two classes set, and a label
// or annotation to which they give different values, stays with the class that has it; the other
// class applies its content without that field, together with an annotation that lists the fields
// refused to it. By that annotation the agents of the first class, on all nodes, know of it.
//
// The type of a Secret and its deletion policy cannot be merged.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/sink/live_secret.h"
#include "agent/sink/secret_object.h"

namespace nodekeep {

// The annotation's name continues with a digest of the class.
inline constexpr std::string_view kRefusedPrefix = "nodekeep/refused.";

// A field that two classes set.
struct Contest {
  std::string field;       // `key "A"`
  std::string class_name;  // the other class

  auto operator<=>(const Contest&) const = default;
};

struct SharedContent {
  Json body;                       // what the class applies
  std::vector<Contest> refused;    // fields that are not in `body`; the other class has them
  std::vector<Contest> contested;  // fields that the other class was refused
  // The class has applied a field that is now refused to it, or its annotation is outdated.
  bool must_apply = false;
  // Content managers whose content no class needs any more: their classes have no pod.
  std::vector<std::string> obsolete;

  // What is to be reported to the users of the class; "" = nothing.
  std::string Fault() const;
};

// The class that wants `content` in a Secret.
struct ContentClaim {
  std::string_view class_name;
  const Json& content;  // ContentBody
  DeletionPolicy deletion = DeletionPolicy::kDelete;
};

// kPrecondition: another class has another type or deletion policy; names it.
Result<SharedContent> ShareContent(const LiveSecret& live, const ContentClaim& claim);

// The managers of the classes, other than the one with `class_mark`, that set content in the Secret
// and have pods.
std::vector<std::string> OtherClassesOf(const LiveSecret& live, std::string_view class_mark);

// Another class with pods waits for a field of the class: its agents write the field and remove the
// rest of the class's content, in this order, once the class has no pod.
bool IsAwaited(const LiveSecret& live, std::string_view class_mark);

}  // namespace nodekeep

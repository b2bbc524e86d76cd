#include "agent/sink/shared_content.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "agent/base/digest.h"

namespace nodekeep {
namespace {

// Of the fields named in an annotation and in an error.
constexpr std::size_t kMaxListed = 20;
constexpr std::size_t kDigestSize = 16;

constexpr std::string_view kRemedy = "set each in one class only, or choose another secretName";

// The policy of a class, from what its managers hold; nullopt: nothing of it is left that says so.
// A user who changes the annotation becomes its manager, so its absence alone means nothing.
std::optional<DeletionPolicy> PolicyOf(const LiveSecret& live, std::string_view mark) {
  const std::string manager = ContentManager(mark);
  const std::string field = fmt::format("f:{}", kDeletionPolicyAnnotation);
  if (live.Manages(manager, {"f:metadata", "f:annotations", field})) {
    const std::string text =
        live.Text({"metadata", "annotations", kDeletionPolicyAnnotation}).value_or("");
    if (text == "Retain") return DeletionPolicy::kRetain;
    return text == "WithClass" ? DeletionPolicy::kWithClass : DeletionPolicy::kDelete;
  }
  if (!live.OwnersOfClass(std::string(mark)).empty()) return DeletionPolicy::kDelete;
  if (!live.OwnersNamedBy(manager).empty()) return DeletionPolicy::kWithClass;
  return std::nullopt;
}

// The class has no pod on any node, or does not exist any more. A Secret without owners says
// nothing: another client may have removed them, and their agents restore them.
bool IsAbandoned(const LiveSecret& live, const std::string& mark) {
  if (live.owners().empty()) return false;
  switch (PolicyOf(live, mark).value_or(DeletionPolicy::kDelete)) {
    case DeletionPolicy::kDelete: return live.OwnersOfClass(mark).empty() && !live.HasOldClaims();
    case DeletionPolicy::kWithClass: return live.OwnersNamedBy(ContentManager(mark)).empty();
    case DeletionPolicy::kRetain: break;
  }
  return false;
}

std::string RefusedAnnotation(std::string_view class_name) {
  return fmt::format("{}{}", kRefusedPrefix, Sha256Hex(class_name).substr(0, kDigestSize));
}

std::string Listed(const std::vector<Contest>& contests, std::string_view word) {
  std::string list;
  for (std::size_t i = 0; i < contests.size() && i < kMaxListed; ++i) {
    list += fmt::format("{}{} ({} \"{}\")", i == 0 ? "" : ", ", contests[i].field, word,
                        contests[i].class_name);
  }
  if (contests.size() > kMaxListed) {
    list += fmt::format(" and {} more", contests.size() - kMaxListed);
  }
  return list;
}

std::string ToText(std::string_view class_name, const std::vector<Contest>& refused) {
  Json list(jsoncons::json_object_arg);
  list["class"] = std::string(class_name);
  for (std::size_t i = 0; i < refused.size() && i < kMaxListed; ++i) {
    list["fields"][refused[i].field] = refused[i].class_name;
  }
  return std::string(GoJson(list).Reveal());
}

std::string FieldText(std::string_view kind, std::string_view name) {
  return fmt::format("{} \"{}\"", kind, name);
}

// The texts of the fields of a ContentBody.
std::set<std::string> FieldsOf(const Json& content) {
  std::set<std::string> fields;
  const auto add = [&fields](std::string_view kind, const Json* map) {
    if (map == nullptr) return;
    for (const auto& member : map->object_range()) fields.insert(FieldText(kind, member.key()));
  };
  add("key", Find(content, {"data"}));
  add("label", Find(content, {"metadata", "labels"}));
  add("annotation", Find(content, {"metadata", "annotations"}));
  return fields;
}

// Divides the fields of one class among it and the other classes.
class Division {
 public:
  Division(const LiveSecret& live, std::string_view mark, std::vector<std::string> others)
      : live_(live), own_(ContentManager(mark)), others_(std::move(others)) {}

  // Removes those members of `map`, the value at `path` of the content, that belong to another
  // class. `fields` is `path` as in managedFields; `kind` says what the members are.
  void Divide(Json& map, std::vector<std::string_view> path, std::vector<std::string_view> fields,
              std::string_view kind, SharedContent& share) const {
    std::vector<std::string> names;
    for (const auto& member : map.object_range()) names.emplace_back(member.key());
    for (const std::string& name : names) {
      path.push_back(name);
      const std::string field = fmt::format("f:{}", name);
      fields.push_back(field);
      // Two classes may give a label the same value; a key has one source.
      const bool is_key = path.front() == "data";
      const bool is_equal = !is_key && live_.Text(path) == TextOf(map.at(name));
      const std::string other = is_equal ? "" : HolderOf(fields, is_key);
      if (!other.empty()) {
        share.refused.push_back({FieldText(kind, name), other});
        share.must_apply = share.must_apply || live_.Manages(own_, fields);
        map.erase(name);
      }
      path.pop_back();
      fields.pop_back();
    }
  }

 private:
  // The other class that has the field; "" = none. If this one has it too, which happens when both
  // applied the same value at the same time, it belongs to the first in the order of names.
  std::string HolderOf(const std::vector<std::string_view>& field, bool is_key) const {
    const bool is_own = is_key && live_.Manages(own_, field);
    for (const std::string& mark : others_) {
      const std::string manager = ContentManager(mark);
      if (live_.Manages(manager, field) && (!is_own || manager < own_)) return mark;
    }
    return "";
  }

  const LiveSecret& live_;
  const std::string own_;
  const std::vector<std::string> others_;
};

// Fields of the class with `own_mark` that one of `others` was refused, according to its
// annotation. Text that is not of an agent is ignored.
std::vector<Contest> RefusedOfOthers(const LiveSecret& live, std::string_view own_mark,
                                     const std::vector<std::string>& others) {
  std::vector<Contest> refused;
  for (const auto& [name, text] : live.AnnotationsWith(kRefusedPrefix)) {
    const Result<Json> list = ParseJson(text);
    if (!list.ok()) continue;
    const std::string other = TextOf(Find(*list, {"class"})).value_or("");
    const Json* fields = Find(*list, {"fields"});
    if (name != RefusedAnnotation(other) || fields == nullptr || !fields->is_object()) continue;
    if (std::find(others.begin(), others.end(), ClassMark(other)) == others.end()) continue;
    std::size_t count = 0;
    for (const auto& field : fields->object_range()) {
      if (++count > kMaxListed) break;
      if (TextOf(field.value()) == own_mark) refused.push_back({std::string(field.key()), other});
    }
  }
  return refused;
}

// Those that the class sets.
std::vector<Contest> Contested(const LiveSecret& live, const Json& content,
                               std::string_view own_mark, const std::vector<std::string>& others) {
  const std::set<std::string> own = FieldsOf(content);
  std::vector<Contest> contested = RefusedOfOthers(live, own_mark, others);
  std::erase_if(contested, [&own](const Contest& contest) { return !own.contains(contest.field); });
  if (contested.size() > kMaxListed) contested.resize(kMaxListed);
  return contested;
}

}  // namespace

std::string SharedContent::Fault() const {
  std::string fault;
  if (!refused.empty()) {
    fault = fmt::format(
        "fields that another SecretProviderClass of the namespace has set are not written: {}",
        Listed(refused, "class"));
  }
  if (!contested.empty()) {
    fault += fmt::format(
        "{}another SecretProviderClass of the namespace sets the same fields, which keep the "
        "values of this one: {}",
        fault.empty() ? "" : "; ", Listed(contested, "class"));
  }
  return fault.empty() ? fault : fmt::format("{}: {}", fault, kRemedy);
}

std::vector<std::string> OtherClassesOf(const LiveSecret& live, std::string_view class_mark) {
  std::vector<std::string> others;
  for (std::string& mark : live.ClassMarks()) {
    if (mark != class_mark && !IsAbandoned(live, mark)) others.push_back(std::move(mark));
  }
  return others;
}

bool IsAwaited(const LiveSecret& live, std::string_view class_mark) {
  return !RefusedOfOthers(live, class_mark, OtherClassesOf(live, class_mark)).empty();
}

Result<SharedContent> ShareContent(const LiveSecret& live, const ContentClaim& claim) {
  const std::string mark = ClassMark(claim.class_name);
  const std::vector<std::string> others = OtherClassesOf(live, mark);
  const std::string type = TextOf(Find(claim.content, {"type"})).value_or("");
  for (const std::string& other : others) {
    const DeletionPolicy policy = PolicyOf(live, other).value_or(claim.deletion);
    if (live.type() == type && policy == claim.deletion) continue;
    const bool is_type = live.type() != type;
    return Error::Format(
        ErrorCode::kPrecondition,
        "has {} {} from the SecretProviderClass \"{}\", not {}: use the same in both classes and "
        "delete the Secret, or choose another secretName",
        is_type ? "type" : "deletionPolicy", is_type ? live.type() : std::string(NameOf(policy)),
        other, is_type ? type : std::string(NameOf(claim.deletion)));
  }
  SharedContent share;
  share.body = claim.content;
  const Division division(live, mark, others);
  if (share.body.contains("data")) {
    division.Divide(share.body["data"], {"data"}, {"f:data"}, "key", share);
    if (share.body["data"].empty()) share.body.erase("data");
  }
  Json& metadata = share.body["metadata"];
  division.Divide(metadata["labels"], {"metadata", "labels"}, {"f:metadata", "f:labels"}, "label",
                  share);
  if (metadata.contains("annotations")) {
    division.Divide(metadata["annotations"], {"metadata", "annotations"},
                    {"f:metadata", "f:annotations"}, "annotation", share);
  }
  share.contested = Contested(live, claim.content, mark, others);

  const std::string annotation = RefusedAnnotation(claim.class_name);
  const std::string field = fmt::format("f:{}", annotation);
  if (!share.refused.empty()) {
    const std::string text = ToText(claim.class_name, share.refused);
    metadata["annotations"][annotation] = text;
    share.must_apply =
        share.must_apply || live.Text({"metadata", "annotations", annotation}) != text;
  } else if (live.Manages(ContentManager(mark), {"f:metadata", "f:annotations", field})) {
    share.must_apply = true;
  }
  for (const std::string& other : live.ClassMarks()) {
    const bool is_gone =
        other != mark && std::find(others.begin(), others.end(), other) == others.end();
    if (is_gone) share.obsolete.push_back(ContentManager(other));
  }
  if (live.HasFieldsOf(kOldContentManager) && !live.HasOldClaims()) {
    share.obsolete.emplace_back(kOldContentManager);
  }
  return share;
}

}  // namespace nodekeep

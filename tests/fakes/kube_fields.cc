#include "tests/fakes/kube_fields.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace nodekeep {
namespace {

constexpr std::string_view kOwners = "ownerReferences";

void Flatten(const Json& value, const FieldPath& path, Fields& fields) {
  static const std::set<FieldPath> kIdentity = {{"apiVersion"},
                                                {"kind"},
                                                {"metadata", "name"},
                                                {"metadata", "namespace"},
                                                {"metadata", "uid"},
                                                {"metadata", "resourceVersion"},
                                                {"metadata", "creationTimestamp"},
                                                {"metadata", "managedFields"}};
  if (kIdentity.contains(path)) return;
  const auto below = [&](std::string step) {
    FieldPath longer = path;
    longer.push_back(std::move(step));
    return longer;
  };
  if (value.is_object() && !value.empty()) {
    for (const auto& member : value.object_range()) {
      Flatten(member.value(), below(std::string(member.key())), fields);
    }
  } else if (value.is_array() && path == FieldPath{"metadata", std::string(kOwners)}) {
    for (const Json& owner : value.array_range()) fields[below(Text(owner, {"uid"}))] = owner;
  } else if (path.size() > 1 || !value.is_object()) {
    fields[path] = value;
  }
}

bool IsOwner(const FieldPath& path) {
  return path.size() == 3 && path[0] == "metadata" && path[1] == kOwners;
}

std::string FieldText(const Json& object, const std::string& dotted) {
  const Json* value = &object;
  for (const std::string& step : Split(dotted, '.')) {
    if (!value->is_object() || !value->contains(step)) return "";
    value = &value->at(step);
  }
  return ScalarText(value).value_or("");
}

}  // namespace

std::vector<std::string> Split(std::string_view text, char mark) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(mark), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string Text(const Json& object, std::initializer_list<std::string_view> path) {
  return TextOf(Find(object, path)).value_or("");
}

Json& Member(Json& object, const std::string& name) {
  if (!object.is_object()) object = Json(jsoncons::json_object_arg);
  if (!object.contains(name)) object.insert_or_assign(name, Json(jsoncons::json_object_arg));
  return object.at(name);
}

Fields FieldsOf(const Json& object) {
  Fields fields;
  Flatten(object, {}, fields);
  return fields;
}

void EraseField(Json& object, const FieldPath& path) {
  Json* parent = &object;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (!parent->is_object() || !parent->contains(path[i])) return;
    parent = &parent->at(path[i]);
  }
  if (!IsOwner(path)) {
    if (parent->is_object()) parent->erase(path.back());
    return;
  }
  Json kept(jsoncons::json_array_arg);
  for (const Json& owner : parent->array_range()) {
    if (Text(owner, {"uid"}) != path.back()) kept.push_back(owner);
  }
  *parent = std::move(kept);
  if (parent->empty()) object.at("metadata").erase(std::string(kOwners));
}

void SetField(Json& object, const FieldPath& path, const Json& value) {
  if (IsOwner(path)) {
    Json& metadata = Member(object, "metadata");
    Json owners(jsoncons::json_array_arg);
    if (metadata.contains(kOwners)) owners = metadata.at(std::string(kOwners));
    bool known = false;
    for (Json& owner : owners.array_range()) {
      if (Text(owner, {"uid"}) != path.back()) continue;
      owner = value;
      known = true;
    }
    if (!known) owners.push_back(value);
    metadata.insert_or_assign(std::string(kOwners), std::move(owners));
    return;
  }
  Json* parent = &object;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) parent = &Member(*parent, path[i]);
  parent->insert_or_assign(path.back(), value);
}

void Merge(Json& target, const Json& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = Json(jsoncons::json_object_arg);
  for (const auto& member : patch.object_range()) {
    const std::string name(member.key());
    if (member.value().is_null()) {
      target.erase(name);
    } else if (member.value().is_object()) {
      Merge(Member(target, name), member.value());
    } else {
      target.insert_or_assign(name, member.value());
    }
  }
}

bool HasLabels(const Json& object, const std::string& selector) {
  for (std::string term : Split(selector, ',')) {
    const bool absent = term.front() == '!';
    if (absent) term.erase(0, 1);
    const std::size_t mark = term.find('=');
    const bool differs = mark != std::string::npos && mark > 0 && term[mark - 1] == '!';
    const std::string name = term.substr(0, differs ? mark - 1 : mark);
    const std::optional<std::string> label =
        TextOf(Find(object, {"metadata", "labels", std::string_view(name)}));
    if (mark == std::string::npos) {
      if (label.has_value() == absent) return false;
      continue;
    }
    const std::size_t value =
        term[std::min(mark + 1, term.size() - 1)] == '=' ? mark + 2 : mark + 1;
    if ((label == term.substr(std::min(value, term.size()))) == differs) return false;
  }
  return true;
}

bool HasFields(const Json& object, const std::string& selector) {
  for (const std::string& term : Split(selector, ',')) {
    const std::size_t mark = term.find('=');
    const std::size_t value = mark + (term.substr(mark).starts_with("==") ? 2 : 1);
    if (FieldText(object, term.substr(0, mark)) != term.substr(value)) return false;
  }
  return true;
}

}  // namespace nodekeep

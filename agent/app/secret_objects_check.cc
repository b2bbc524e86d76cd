#include "agent/app/secret_objects_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/closest.h"

namespace nodekeep {
namespace {

constexpr std::string_view kSpec = "spec";  // the paths of SecretObjectEntry are below it
constexpr std::size_t kMostNamed = 10;

FieldPath KeyPath(const SecretObjectEntry& entry, std::size_t index) {
  return entry.path.Field("data").Item(entry.places[index]);
}

bool Makes(const Projection& projection, const std::string& file) {
  return projection.is_folder ? file.starts_with(projection.path + "/") : file == projection.path;
}

// For an error about a file that the class does not make.
std::string FilesOf(const ParsedMount& mount, const std::string& file) {
  std::vector<std::string_view> paths;
  for (const Projection& projection : mount.projections) paths.push_back(projection.path);
  if (const std::string closest = ClosestTo(file, paths); !closest.empty() && closest != file) {
    return fmt::format("did you mean \"{}\"?", closest);
  }
  std::string text = "its objects are";
  for (std::size_t i = 0; i < paths.size() && i < kMostNamed; ++i) {
    text += fmt::format("{} \"{}\"{}", i == 0 ? "" : ",", paths[i],
                        mount.projections[i].is_folder ? " (a folder)" : "");
  }
  if (paths.size() > kMostNamed) text += fmt::format(" and {} more", paths.size() - kMostNamed);
  return text;
}

void CheckFiles(const SpcManifest& manifest, const SecretObjectEntry& entry,
                const ParsedMount& mount, std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < entry.object.data.size(); ++i) {
    const std::string& file = entry.object.data[i].object_name;
    if (std::ranges::any_of(mount.projections, [&](const Projection& projection) {
          return Makes(projection, file);
        })) {
      continue;
    }
    findings.push_back(manifest.FindingOf(
        {KeyPath(entry, i).Field("objectName"),
         fmt::format("no object of the class makes the file \"{}\"", file), FilesOf(mount, file)},
        kSpec));
  }
}

}  // namespace

void SecretObjectsCheck::Add(const SpcManifest& manifest, const ParsedMount* mount,
                             std::vector<Finding>& findings) {
  for (const SecretObjectEntry& entry : ReadSecretObjectEntries(manifest.secret_objects)) {
    for (const std::vector<ClassFault>* faults : {&entry.unknown_fields, &entry.faults}) {
      for (const ClassFault& fault : *faults) {
        findings.push_back(manifest.FindingOf(fault, kSpec));
      }
    }
    if (mount != nullptr) CheckFiles(manifest, entry, *mount, findings);
    if (entry.faults.empty()) Compare(manifest, entry, findings);
  }
}

void SecretObjectsCheck::Compare(const SpcManifest& manifest, const SecretObjectEntry& entry,
                                 std::vector<Finding>& findings) {
  const SecretObject& object = entry.object;
  Secret& secret = secrets_[{manifest.namespace_name, object.secret_name}];
  // A second manifest of the class replaces the first.
  const auto is_other = [&](const Use& use) {
    return manifest.name.empty() || use.spc != manifest.name;
  };
  const auto use_at = [&](const FieldPath& path, std::string value) {
    const Finding at = manifest.FindingOf({path, ""}, kSpec);
    return Use{manifest.name,
               fmt::format("{} at {}:{}", manifest.ObjectText(), manifest.file, at.line),
               std::move(value)};
  };
  // What all classes have to say alike.
  const auto compare = [&](std::vector<Use>& uses, const FieldPath& path, std::string_view what,
                           const std::string& value) {
    for (const Use& use : uses) {
      if (!is_other(use) || use.value == value) continue;
      findings.push_back(manifest.FindingOf(
          {path,
           fmt::format("Secret \"{}\" has {} {} here, and {} {} in {}", object.secret_name, what,
                       value, what, use.value, use.place),
           fmt::format("write the same {}, or name another Secret", what)},
          kSpec));
      break;
    }
    uses.push_back(use_at(path, value));
  };
  compare(secret.types, entry.path.Field("type"), "type", object.type);
  compare(secret.policies, entry.path, "deletion policy", std::string(NameOf(object.deletion)));
  for (std::size_t i = 0; i < object.data.size(); ++i) {
    const FieldPath path = KeyPath(entry, i).Field("key");
    const auto [known, is_new] =
        secret.keys.try_emplace(object.data[i].key, use_at(path, object.data[i].object_name));
    if (is_new || !is_other(known->second)) continue;
    findings.push_back(manifest.FindingOf(
        {path,
         fmt::format("key \"{}\" of Secret \"{}\" is also set by {}", object.data[i].key,
                     object.secret_name, known->second.place),
         "let one class set it, or name another Secret"},
        kSpec));
  }
}

}  // namespace nodekeep

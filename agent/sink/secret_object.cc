#include "agent/sink/secret_object.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/utf8.h"
#include "agent/sink/tls_parts.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxNameSize = 253;
constexpr std::size_t kMaxSecretSize = 1u << 20;
constexpr std::size_t kMaxListedFiles = 20;

constexpr std::string_view kTlsType = "kubernetes.io/tls";

// Keys that the API server requires: at least one key of each line. Other types require none.
struct NeededKeys {
  std::string_view type;
  std::vector<std::string_view> any_of;
};
const NeededKeys kNeeded[] = {
    {kTlsType, {"tls.crt"}},
    {kTlsType, {"tls.key"}},
    {"kubernetes.io/basic-auth", {"username", "password"}},
    {"kubernetes.io/ssh-auth", {"ssh-privatekey"}},
    {"kubernetes.io/dockerconfigjson", {".dockerconfigjson"}},
    {"kubernetes.io/dockercfg", {".dockercfg"}},
};

std::string Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return std::string(text.substr(0, text.find_last_not_of(kSpace) + 1));
}

bool IsDigitOrLower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// DNS-1123 subdomain: the syntax of a Secret's name.
bool IsObjectName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameSize) return false;
  char before = '.';
  for (const char c : name) {
    const bool is_inner = c == '-' || c == '.';
    if (!IsDigitOrLower(c) && !is_inner) return false;
    if (before == '.' && is_inner) return false;
    if (before == '-' && c == '.') return false;
    before = c;
  }
  return IsDigitOrLower(before);
}

bool IsDataKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxNameSize || key == "." || key.starts_with("..")) return false;
  return std::all_of(key.begin(), key.end(), [](char c) {
    return IsDigitOrLower(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
  });
}

// The functions below add what is wrong to `faults`, and return or fill in what could be read.

// The trimmed text of a required field; "" with a fault if it has none.
std::string NeededText(const Json& object, const FieldPath& path, std::string_view field,
                       std::string_view fault, std::string_view fix,
                       std::vector<ClassFault>& faults) {
  const Json* value = Find(object, {field});
  if (value != nullptr && !value->is_null() && !IsText(*value)) {
    faults.push_back(NoString(path.Field(field), *value));
    return "";
  }
  std::string text = Trimmed(TextOf(value).value_or(""));
  if (text.empty()) {
    faults.push_back({path.Field(field), std::string(fault), std::string(fix)});
  }
  return text;
}

std::map<std::string, std::string> TextMap(const Json& object, const FieldPath& path,
                                           std::vector<ClassFault>& faults) {
  std::map<std::string, std::string> map;
  const Json* value = Find(object, {path.steps().back()});
  if (value == nullptr || value->is_null()) return map;
  if (!value->is_object()) {
    faults.push_back({path, "must be a map of strings", "write `name: value` lines below it"});
    return map;
  }
  for (const auto& member : value->object_range()) {
    if (IsText(member.value())) {
      map.emplace(member.key(), member.value().as_string());
    } else {
      faults.push_back(NoString(path.Member(member.key()), member.value()));
    }
  }
  return map;
}

DeletionPolicy ReadDeletionPolicy(const std::map<std::string, std::string>& annotations,
                                  const FieldPath& path, std::vector<ClassFault>& faults) {
  for (const auto& [name, value] : annotations) {
    if (!StartsWithIgnoreCase(name, "nodekeep/") || name == kDeletionPolicyAnnotation) continue;
    if (name == kAdoptAnnotation) {
      faults.push_back({.path = path.Member(name),
                        .message = "does not belong here",
                        .fix = "set it on the Secret that is to be adopted",
                        .of_key = true});
    } else {
      faults.push_back({.path = path.Member(name),
                        .message = "is unknown",
                        .fix = fmt::format("write {}, or remove it", kDeletionPolicyAnnotation),
                        .of_key = true});
    }
  }
  const auto found = annotations.find(std::string(kDeletionPolicyAnnotation));
  if (found == annotations.end() || found->second == "Delete") return DeletionPolicy::kDelete;
  if (found->second == "Retain") return DeletionPolicy::kRetain;
  if (found->second == "WithClass") return DeletionPolicy::kWithClass;
  faults.push_back({path.Member(kDeletionPolicyAnnotation),
                    fmt::format("is \"{}\"", Excerpt(found->second)),
                    "write Delete, Retain or WithClass"});
  return DeletionPolicy::kDelete;
}

SecretObjectKey ReadKey(const Json& item, const FieldPath& path, const std::string& type,
                        std::vector<ClassFault>& faults) {
  SecretObjectKey key;
  key.object_name = NeededText(item, path, "objectName", "object name is empty",
                               "name a file of the volume", faults);
  key.key =
      NeededText(item, path, "key", "key is empty", "name the key in the Secret's data", faults);
  if (key.key.empty()) return key;
  if (!IsDataKey(key.key)) {
    faults.push_back(
        {path.Field("key"), fmt::format("\"{}\" is not a valid Secret key", Excerpt(key.key)),
         fmt::format("use letters, digits, '-', '_' and '.', not more than {}", kMaxNameSize)});
  } else if (type == kTlsType && key.key != "tls.crt" && key.key != "tls.key" &&
             key.key != "ca.crt") {
    faults.push_back({path.Field("key"),
                      fmt::format("\"{}\" does not fit type {}", Excerpt(key.key), kTlsType),
                      "use tls.crt, tls.key or ca.crt, or type Opaque"});
  }
  return key;
}

void CheckNeededKeys(const FieldPath& path, SecretObjectEntry& entry) {
  const SecretObject& object = entry.object;
  for (const NeededKeys& needed : kNeeded) {
    if (needed.type != object.type) continue;
    const bool has_one =
        std::any_of(needed.any_of.begin(), needed.any_of.end(), [&object](std::string_view wanted) {
          return std::any_of(object.data.begin(), object.data.end(),
                             [wanted](const SecretObjectKey& key) { return key.key == wanted; });
        });
    if (has_one) continue;
    entry.faults.push_back({path, fmt::format("has no key {}", fmt::join(needed.any_of, " or ")),
                            fmt::format("type {} needs it", needed.type)});
  }
}

void ReadData(const Json& item, const FieldPath& path, SecretObjectEntry& entry) {
  const Json* data = Find(item, {"data"});
  if (data == nullptr || !data->is_array() || data->empty()) {
    entry.faults.push_back({path, "data is empty", "list at least one objectName and key"});
    return;
  }
  const std::size_t before = entry.faults.size();
  std::map<std::string, std::string> known;  // object name by key
  for (std::size_t i = 0; i < data->size(); ++i) {
    const FieldPath at = path.Item(i);
    if (!data->at(i).is_object()) {
      entry.faults.push_back({at, "must be a map with objectName and key", ""});
      continue;
    }
    CheckFields(data->at(i), at, {"objectName", "key"}, entry.unknown_fields);
    SecretObjectKey key = ReadKey(data->at(i), at, entry.object.type, entry.faults);
    if (key.key.empty() || key.object_name.empty()) continue;
    const auto [other, is_new] = known.try_emplace(key.key, key.object_name);
    if (is_new) {
      entry.object.data.push_back(std::move(key));
      entry.places.push_back(i);
    } else if (other->second != key.object_name) {  // an identical duplicate counts once
      entry.faults.push_back({at.Field("key"),
                              fmt::format("\"{}\" is set twice, from {} and {}", Excerpt(key.key),
                                          Excerpt(other->second), Excerpt(key.object_name)),
                              "keep one of them"});
    }
  }
  // Else a key that is wrong would be reported as missing too.
  if (entry.faults.size() == before) CheckNeededKeys(path, entry);
}

void ReadEntry(const Json& item, SecretObjectEntry& entry) {
  const FieldPath& path = entry.path;
  std::vector<ClassFault>& faults = entry.faults;
  SecretObject& object = entry.object;
  if (!item.is_object()) {
    faults.push_back({path, "must be a map with secretName, type and data", ""});
    return;
  }
  CheckFields(item, path, {"secretName", "type", "data", "labels", "annotations"},
              entry.unknown_fields);
  object.secret_name = NeededText(item, path, "secretName", "secret name is empty",
                                  "name the Secret to create", faults);
  if (!object.secret_name.empty() && !IsObjectName(object.secret_name)) {
    faults.push_back({path.Field("secretName"),
                      fmt::format("\"{}\" is not a valid Secret name", Excerpt(object.secret_name)),
                      fmt::format("use lower case letters, digits, '-' and '.', not more than {}",
                                  kMaxNameSize)});
  }
  object.type = NeededText(item, path, "type", "secret type is empty",
                           "write Opaque, or what the Secret is for", faults);
  object.labels = TextMap(item, path.Field("labels"), faults);
  object.annotations = TextMap(item, path.Field("annotations"), faults);
  object.deletion = ReadDeletionPolicy(object.annotations, path.Field("annotations"), faults);
  ReadData(item, path.Field("data"), entry);
}

// Calls `take` with one entry after the other, because faults take more memory than the class.
template <typename Take>
void ForEachEntry(const Json& list, const Take& take) {
  if (list.is_null()) return;
  const FieldPath path = FieldPath().Field("secretObjects");
  if (!list.is_array()) {
    SecretObjectEntry entry{.path = path};
    entry.faults.push_back({path, fmt::format("must be a list, found {}", TypeText(list)),
                            "write one `- secretName: ...` per Secret"});
    take(std::move(entry));
    return;
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    SecretObjectEntry entry{.path = path.Item(i)};
    ReadEntry(list.at(i), entry);
    // An invalid entry makes no Secret, so another entry may have its name.
    const std::string& name = entry.object.secret_name;
    if (entry.faults.empty() && !names.insert(name).second) {
      entry.faults.push_back({entry.path.Field("secretName"),
                              fmt::format("\"{}\" is used twice", Excerpt(name)),
                              "put all keys into one entry"});
    }
    take(std::move(entry));
  }
}

const BundleFile* FindFile(const std::vector<BundleFile>& files, const std::string& path) {
  for (const BundleFile& file : files) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

std::string PathsOf(const std::vector<BundleFile>& files) {
  if (files.empty()) return "the volume has no files";
  std::string list = "the volume has the files ";
  for (std::size_t i = 0; i < files.size() && i < kMaxListedFiles; ++i) {
    list += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", files[i].path);
  }
  if (files.size() > kMaxListedFiles) {
    list += fmt::format(" and {} more", files.size() - kMaxListedFiles);
  }
  return list;
}

bool IsAbsent(const std::string& path, const std::vector<std::string>& absent) {
  return std::any_of(absent.begin(), absent.end(), [&path](const std::string& missing) {
    return path.starts_with(missing) &&
           (path.size() == missing.size() || path[missing.size()] == '/');
  });
}

// `tls_key`: the value of tls.key of the Secret, if the type has one.
Result<SecretBytes> ValueOf(const std::string& type, const std::string& key,
                            const SecretBytes& content, std::string_view tls_key) {
  if (type != kTlsType) return content.Clone();
  if (content.size() > kMaxSecretSize) {
    return Error::Format(ErrorCode::kTooLarge, "the file has {} bytes, and a Secret holds {}",
                         content.size(), kMaxSecretSize);
  }
  if (key == "tls.crt") return TlsCertificates(content.Reveal(), tls_key);
  if (key == "tls.key") return TlsPrivateKey(content.Reveal());
  return TlsAuthorities(content.Reveal());
}

// The API server refuses a Secret without them.
Status CheckRequiredKeys(const SecretObject& object, const KubeSecret& secret) {
  for (const NeededKeys& needed : kNeeded) {
    const bool has_one = std::any_of(
        needed.any_of.begin(), needed.any_of.end(),
        [&secret](std::string_view key) { return secret.data.contains(std::string(key)); });
    if (needed.type != object.type || has_one) continue;
    return Error::Format(
        ErrorCode::kNotFound,
        "secret \"{}\": type {} needs the key \"{}\", whose optional object does not exist: "
        "create it, or use type Opaque",
        secret.name, needed.type, fmt::join(needed.any_of, "\" or \""));
  }
  return {};
}

}  // namespace

std::string_view NameOf(DeletionPolicy policy) {
  switch (policy) {
    case DeletionPolicy::kRetain: return "Retain";
    case DeletionPolicy::kWithClass: return "WithClass";
    case DeletionPolicy::kDelete: break;
  }
  return "Delete";
}

std::vector<SecretObjectEntry> ReadSecretObjectEntries(const Json& spec_secret_objects) {
  std::vector<SecretObjectEntry> entries;
  ForEachEntry(spec_secret_objects,
               [&](SecretObjectEntry entry) { entries.push_back(std::move(entry)); });
  return entries;
}

std::vector<Result<SecretObject>> ReadSecretObjects(const Json& spec_secret_objects) {
  std::vector<Result<SecretObject>> objects;
  ForEachEntry(spec_secret_objects, [&](SecretObjectEntry entry) {
    if (entry.faults.empty()) {
      objects.push_back(std::move(entry.object));
      return;
    }
    std::vector<std::string> texts;
    for (const ClassFault& fault : entry.faults) texts.push_back(fault.Text());
    objects.push_back(Error(ErrorCode::kInvalid, fmt::format("{}", fmt::join(texts, "; "))));
  });
  return objects;
}

Result<KubeSecret> BuildSecret(const SecretObject& object, const std::vector<BundleFile>& files,
                               const std::vector<std::string>& absent) {
  KubeSecret secret;
  secret.name = object.secret_name;
  secret.type = object.type;
  secret.labels = object.labels;
  secret.labels.insert_or_assign(std::string(kManagedLabel), "true");
  secret.annotations = object.annotations;
  std::size_t size = 0;
  std::vector<SecretObjectKey> keys = object.data;
  // The certificate is chosen by its key.
  std::stable_partition(keys.begin(), keys.end(),
                        [](const SecretObjectKey& key) { return key.key == "tls.key"; });
  for (const SecretObjectKey& key : keys) {
    const BundleFile* file = FindFile(files, key.object_name);
    if (file == nullptr && IsAbsent(key.object_name, absent)) continue;
    if (file == nullptr) {
      return Error::Format(ErrorCode::kNotFound,
                           "file matching objectName {} not found in the pod: key \"{}\" of secret "
                           "\"{}\": objectName is the path of a file in the volume; {}",
                           key.object_name, key.key, secret.name, PathsOf(files));
    }
    const auto tls_key = secret.data.find("tls.key");
    Result<SecretBytes> value =
        ValueOf(object.type, key.key, file->contents,
                tls_key == secret.data.end() ? std::string_view() : tls_key->second.Reveal());
    if (!value.ok()) {
      return value.error().Prepend("secret \"{}\": key \"{}\" from objectName \"{}\"", secret.name,
                                   key.key, key.object_name);
    }
    size += value->size();
    secret.data.insert_or_assign(key.key, *std::move(value));
  }
  Status complete = CheckRequiredKeys(object, secret);
  if (!complete.ok()) return complete.error();
  if (size > kMaxSecretSize) {
    return Error::Format(
        ErrorCode::kTooLarge,
        "secret \"{}\": {} bytes of data, and a Secret holds {}: mirror fewer files, "
        "or read them from the volume",
        secret.name, size, kMaxSecretSize);
  }
  return secret;
}

}  // namespace nodekeep

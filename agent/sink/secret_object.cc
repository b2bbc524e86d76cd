#include "agent/sink/secret_object.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

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

Error Invalid(std::string message) { return Error(ErrorCode::kInvalid, std::move(message)); }

// An error of an entry, or of a field of it: `secretObjects[0] must be...`,
// `secretObjects[0].type...`.
Error Within(std::string_view list, std::size_t index, const Error& error) {
  const bool is_of_entry = error.message().starts_with("must be");
  return Invalid(fmt::format("{}[{}]{}{}", list, index, is_of_entry ? " " : ".", error.message()));
}

// The trimmed text of a required field.
Result<std::string> NeededText(const Json& object, std::string_view field, std::string_view fault,
                               std::string_view remedy) {
  const Json* value = Find(object, {field});
  if (value != nullptr && !value->is_null() && !IsText(*value)) {
    return Invalid(fmt::format("{} must be a string: put it in quotes", field));
  }
  std::string text = Trimmed(TextOf(value).value_or(""));
  if (text.empty()) return Invalid(fmt::format("{}: {}: {}", field, fault, remedy));
  return text;
}

Result<std::map<std::string, std::string>> TextMap(const Json& object, std::string_view field) {
  std::map<std::string, std::string> map;
  const Json* value = Find(object, {field});
  if (value == nullptr || value->is_null()) return map;
  if (!value->is_object()) {
    return Invalid(fmt::format("{} must be a map of strings", field));
  }
  for (const auto& member : value->object_range()) {
    if (!IsText(member.value())) {
      return Invalid(fmt::format("{}[\"{}\"] must be a string: put it in quotes", field,
                                 std::string_view(member.key())));
    }
    map.emplace(member.key(), member.value().as_string());
  }
  return map;
}

Result<DeletionPolicy> ReadDeletionPolicy(const std::map<std::string, std::string>& annotations) {
  for (const auto& [name, value] : annotations) {
    if (!name.starts_with("nodekeep/") || name == kDeletionPolicyAnnotation) continue;
    if (name == kAdoptAnnotation) {
      return Invalid(
          fmt::format("annotations[\"{}\"] does not belong here: set it on the Secret "
                      "that is to be adopted",
                      name));
    }
    return Invalid(fmt::format("annotations[\"{}\"] is unknown: write {}, or remove it", name,
                               kDeletionPolicyAnnotation));
  }
  const auto found = annotations.find(std::string(kDeletionPolicyAnnotation));
  if (found == annotations.end() || found->second == "Delete") return DeletionPolicy::kDelete;
  if (found->second == "Retain") return DeletionPolicy::kRetain;
  if (found->second == "WithClass") return DeletionPolicy::kWithClass;
  return Invalid(fmt::format("annotations[\"{}\"] is \"{}\": write Delete, Retain or WithClass",
                             kDeletionPolicyAnnotation, found->second));
}

Result<SecretObjectKey> ReadKey(const Json& item, const std::string& type) {
  if (!item.is_object()) return Invalid("must be a map with objectName and key");
  Result<std::string> object_name =
      NeededText(item, "objectName", "object name is empty", "name a file of the volume");
  if (!object_name.ok()) return object_name.error();
  Result<std::string> key =
      NeededText(item, "key", "key is empty", "name the key in the Secret's data");
  if (!key.ok()) return key.error();
  if (!IsDataKey(*key)) {
    return Invalid(
        fmt::format("key \"{}\" is not a valid Secret key: use letters, digits, '-', '_' "
                    "and '.', not more than {}",
                    *key, kMaxNameSize));
  }
  if (type == kTlsType && *key != "tls.crt" && *key != "tls.key" && *key != "ca.crt") {
    return Invalid(
        fmt::format("key \"{}\" does not fit type {}: use tls.crt, tls.key or ca.crt, "
                    "or type Opaque",
                    *key, kTlsType));
  }
  return SecretObjectKey{*std::move(object_name), *std::move(key)};
}

// Adds the key; an identical duplicate counts once.
Status AddKey(SecretObjectKey key, std::vector<SecretObjectKey>& keys) {
  for (const SecretObjectKey& other : keys) {
    if (other.key != key.key) continue;
    if (other.object_name == key.object_name) return {};
    return Invalid(fmt::format("key \"{}\" is set twice, from {} and {}: keep one of them", key.key,
                               other.object_name, key.object_name));
  }
  keys.push_back(std::move(key));
  return {};
}

Status CheckNeededKeys(const SecretObject& object) {
  for (const NeededKeys& needed : kNeeded) {
    if (needed.type != object.type) continue;
    const bool has_one =
        std::any_of(needed.any_of.begin(), needed.any_of.end(), [&object](std::string_view wanted) {
          return std::any_of(object.data.begin(), object.data.end(),
                             [wanted](const SecretObjectKey& key) { return key.key == wanted; });
        });
    if (has_one) continue;
    return Invalid(fmt::format("data has no key {}: type {} needs it",
                               fmt::join(needed.any_of, " or "), needed.type));
  }
  return {};
}

Status ReadData(const Json& item, SecretObject& object) {
  const Json* data = Find(item, {"data"});
  if (data == nullptr || !data->is_array() || data->empty()) {
    return Invalid("data: data is empty: list at least one objectName and key");
  }
  for (std::size_t i = 0; i < data->size(); ++i) {
    Result<SecretObjectKey> key = ReadKey(data->at(i), object.type);
    if (!key.ok()) return Within("data", i, key.error());
    Status added = AddKey(*std::move(key), object.data);
    if (!added.ok()) return Within("data", i, added.error());
  }
  return CheckNeededKeys(object);
}

Result<SecretObject> ReadSecretObject(const Json& item) {
  if (!item.is_object()) return Invalid("must be a map with secretName, type and data");
  SecretObject object;
  Result<std::string> name =
      NeededText(item, "secretName", "secret name is empty", "name the Secret to create");
  if (!name.ok()) return name.error();
  if (!IsObjectName(*name)) {
    return Invalid(
        fmt::format("secretName \"{}\" is not a valid Secret name: use lower case letters, "
                    "digits, '-' and '.', not more than {}",
                    *name, kMaxNameSize));
  }
  object.secret_name = *std::move(name);
  Result<std::string> type =
      NeededText(item, "type", "secret type is empty", "write Opaque, or what the Secret is for");
  if (!type.ok()) return type.error();
  object.type = *std::move(type);
  Result<std::map<std::string, std::string>> labels = TextMap(item, "labels");
  if (!labels.ok()) return labels.error();
  object.labels = *std::move(labels);
  Result<std::map<std::string, std::string>> annotations = TextMap(item, "annotations");
  if (!annotations.ok()) return annotations.error();
  object.annotations = *std::move(annotations);
  Result<DeletionPolicy> deletion = ReadDeletionPolicy(object.annotations);
  if (!deletion.ok()) return deletion.error();
  object.deletion = *deletion;
  Status data = ReadData(item, object);
  if (!data.ok()) return data.error();
  return object;
}

const BundleFile* FindFile(const std::vector<BundleFile>& files, const std::string& path) {
  for (const BundleFile& file : files) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

std::string PathsOf(const std::vector<BundleFile>& files) {
  if (files.empty()) return "it has no files";
  std::string list = "it has ";
  for (std::size_t i = 0; i < files.size() && i < kMaxListedFiles; ++i) {
    list += (i == 0 ? "" : ", ") + files[i].path;
  }
  if (files.size() > kMaxListedFiles) {
    list += fmt::format(" and {} more", files.size() - kMaxListedFiles);
  }
  return list;
}

Result<SecretBytes> ValueOf(const std::string& type, const std::string& key,
                            const SecretBytes& content) {
  if (type != kTlsType) return content.Clone();
  if (key == "tls.crt") return TlsCertificates(content.Reveal());
  if (key == "tls.key") return TlsPrivateKey(content.Reveal());
  return TlsAuthorities(content.Reveal());
}

}  // namespace

std::vector<Result<SecretObject>> ReadSecretObjects(const Json& spec_secret_objects) {
  std::vector<Result<SecretObject>> objects;
  if (spec_secret_objects.is_null()) return objects;
  if (!spec_secret_objects.is_array()) {
    objects.push_back(Invalid("secretObjects must be a list"));
    return objects;
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < spec_secret_objects.size(); ++i) {
    Result<SecretObject> object = ReadSecretObject(spec_secret_objects.at(i));
    if (!object.ok()) {
      objects.push_back(Within("secretObjects", i, object.error()));
    } else if (!names.insert(object->secret_name).second) {
      objects.push_back(
          Invalid(fmt::format("secretObjects[{}].secretName \"{}\" is used twice: "
                              "put all keys into one entry",
                              i, object->secret_name)));
    } else {
      objects.push_back(std::move(object));
    }
  }
  return objects;
}

Result<KubeSecret> BuildSecret(const SecretObject& object, const std::vector<BundleFile>& files) {
  KubeSecret secret;
  secret.name = object.secret_name;
  secret.type = object.type;
  secret.labels = object.labels;
  secret.labels.insert_or_assign(std::string(kManagedLabel), "true");
  secret.annotations = object.annotations;
  std::size_t size = 0;
  for (const SecretObjectKey& key : object.data) {
    const BundleFile* file = FindFile(files, key.object_name);
    if (file == nullptr) {
      return Error::Format(ErrorCode::kNotFound,
                           "file matching objectName {} not found in the pod: key {} of secret {}: "
                           "objectName is the path of a file in the volume, and {}",
                           key.object_name, key.key, secret.name, PathsOf(files));
    }
    Result<SecretBytes> value = ValueOf(object.type, key.key, file->contents);
    if (!value.ok()) {
      return value.error().Prepend("secret {}: key {} from objectName {}", secret.name, key.key,
                                   key.object_name);
    }
    size += value->size();
    secret.data.insert_or_assign(key.key, *std::move(value));
  }
  if (size > kMaxSecretSize) {
    return Error::Format(ErrorCode::kTooLarge,
                         "secret {}: {} bytes of data, and a Secret holds {}: mirror fewer files, "
                         "or read them from the volume",
                         secret.name, size, kMaxSecretSize);
  }
  return secret;
}

}  // namespace nodekeep

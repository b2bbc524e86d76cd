// The SecretProviderClass dialect: the parameter `objects` to refs and files.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "agent/base/closest.h"
#include "agent/base/go_text.h"
#include "agent/base/volume_path.h"
#include "agent/base/yaml.h"
#include "providers/dev/content.h"
#include "providers/dev/dev.h"

namespace nodekeep::dev {
namespace {

constexpr std::int64_t kMaxMode = 0777;
constexpr std::string_view kOptional = "nodekeep/optional";
constexpr std::string_view kFields[] = {"objectName",    "secretPath",     "secretKey",
                                        "secretVersion", "filePermission", "encoding",
                                        kOptional};
constexpr std::string_view kExample =
    "write a YAML list, each item with at least objectName: the file to make";

class DevOptions final : public ProviderOptions {
 public:
  explicit DevOptions(std::string path) : path_(std::move(path)) {}
  std::string LoginText() const override { return "store=" + path_; }
  std::vector<std::pair<std::string, std::string>> Explain() const override {
    return {{"store", path_}};
  }

 private:
  const std::string path_;
};

// "line L, column C: object "name": message".
Error Wrong(const YamlNode& node, std::string_view object, std::string_view message) {
  return object.empty() ? YamlError(node, message)
                        : YamlError(node, fmt::format("object \"{}\": {}", object, message));
}

struct Fields {
  const YamlNode& entry;
  std::string object;  // known once objectName has been read

  // "" for an absent field.
  Result<std::string> Text(std::string_view name) const {
    const YamlNode* value = entry.Find(name);
    if (value == nullptr || value->IsNull()) return std::string();
    if (!value->IsScalar()) return Wrong(*value, object, fmt::format("{}: must be text", name));
    if (value->text.empty()) {
      return Wrong(*value, object, fmt::format("{}: is empty; leave it out instead", name));
    }
    return value->text;
  }
};

Status CheckKeys(const YamlNode& entry, std::string_view object) {
  for (const auto& [key, value] : entry.entries) {
    if (std::ranges::find(kFields, key.text) != std::end(kFields)) continue;
    const std::string closest = ClosestTo(key.text, kFields);
    return Wrong(
        key, object,
        fmt::format("unknown field \"{}\": {}", key.text,
                    closest.empty() ? fmt::format("the fields are {}", fmt::join(kFields, ", "))
                                    : fmt::format("did you mean {}?", closest)));
  }
  return {};
}

Status ReadMode(const Fields& fields, Projection& projection) {
  const YamlNode* value = fields.entry.Find("filePermission");
  if (value == nullptr || value->IsNull()) return {};
  Result<std::int64_t> mode = YamlInt(*value);
  if (!mode.ok()) {
    return Wrong(*value, fields.object,
                 "filePermission: must be a number without quotes, such as 0400");
  }
  if (*mode < 0 || *mode > kMaxMode) {
    return Wrong(*value, fields.object,
                 fmt::format("filePermission: {} is outside 0000 to 0777; octal numbers begin with "
                             "0, such as 0400",
                             value->text));
  }
  projection.mode = static_cast<std::uint32_t>(*mode);
  return {};
}

Status ReadOptional(const Fields& fields, Projection& projection) {
  const YamlNode* value = fields.entry.Find(kOptional);
  if (value == nullptr || value->IsNull()) return {};
  Result<bool> optional = YamlBool(*value);
  if (!optional.ok()) {
    return Wrong(*value, fields.object, fmt::format("{}: must be true or false", kOptional));
  }
  projection.optional = *optional;
  return {};
}

Status ReadEncoding(const Fields& fields, Projection& projection) {
  Result<std::string> encoding = fields.Text("encoding");
  if (!encoding.ok()) return encoding.error();
  for (std::string_view known : {"", "utf-8", "base64", "hex"}) {
    if (*encoding != known) continue;
    projection.encoding = *std::move(encoding);
    return {};
  }
  return Wrong(*fields.entry.Find("encoding"), fields.object,
               fmt::format("encoding: \"{}\" is unknown: use utf-8, base64 or hex", *encoding));
}

Status CheckPath(const Fields& fields, std::string_view name, const std::string& path) {
  Status check = CheckVolumePath(path);
  if (check.ok()) return check;
  const YamlNode* node = fields.entry.Find(name);
  return Wrong(node != nullptr ? *node : fields.entry, fields.object,
               fmt::format("{}: {}", name, check.error().message()));
}

Result<Projection> ReadEntry(const YamlNode& entry, const std::string& store_path,
                             std::uint32_t default_mode) {
  if (!entry.IsMapping()) {
    return YamlError(entry, "must be a mapping with objectName, not a bare value");
  }
  Fields fields{entry, ""};
  Result<std::string> name = fields.Text("objectName");
  if (!name.ok()) return name.error();
  if (Status keys = CheckKeys(entry, *name); !keys.ok()) return keys.error();
  if (name->empty()) return YamlError(entry, "objectName is missing: it names the file to make");
  fields.object = *name;

  Projection projection;
  projection.object = *name;
  projection.path = *name;
  projection.mode = default_mode;
  if (Status path = CheckPath(fields, "objectName", *name); !path.ok()) return path.error();
  Result<std::string> secret_path = fields.Text("secretPath");
  if (!secret_path.ok()) return secret_path.error();
  Result<std::string> key = fields.Text("secretKey");
  if (!key.ok()) return key.error();
  Result<std::string> version = fields.Text("secretVersion");
  if (!version.ok()) return version.error();
  projection.ref.provider = "dev";
  projection.ref.endpoint = store_path;
  projection.ref.path = secret_path->empty() ? *name : *secret_path;
  projection.ref.version = *std::move(version);
  projection.field = *std::move(key);
  if (Status path = CheckPath(fields, "secretPath", projection.ref.path); !path.ok()) {
    return path.error();
  }
  for (auto read : {ReadMode, ReadEncoding, ReadOptional}) {
    if (Status status = read(fields, projection); !status.ok()) return status.error();
  }
  projection.read_error =
      fmt::format("dev: read \"{}\" for object \"{}\"", projection.ref.path, projection.object);
  return projection;
}

// Two objects must not want the same path, nor one the other's file as its directory.
Status CheckClash(const YamlNode& entry, const std::string& path, std::set<std::string>& taken) {
  if (!taken.insert(path).second) {
    return Wrong(entry, path, "the name is used twice: each object needs a file of its own");
  }
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (taken.contains(path.substr(0, slash))) {
      return Wrong(entry, path,
                   fmt::format("another object makes the file \"{}\", which here is "
                               "the directory",
                               path.substr(0, slash)));
    }
  }
  const auto inside = taken.lower_bound(path + "/");
  if (inside != taken.end() && inside->starts_with(path + "/")) {
    return Wrong(entry, path,
                 fmt::format("another object makes the file \"{}\", for which this is "
                             "the directory",
                             *inside));
  }
  return {};
}

Result<std::vector<Projection>> ReadObjects(const std::string& text, const std::string& store_path,
                                            std::uint32_t default_mode) {
  Result<YamlNode> root = ParseYaml(text);
  if (!root.ok()) return root.error();
  if (!root->IsSequence() || root->items.empty()) {
    return YamlError(*root, fmt::format("lists no objects: {}", kExample));
  }
  std::vector<Projection> projections;
  std::set<std::string> taken;
  for (const YamlNode& entry : root->items) {
    Result<Projection> projection = ReadEntry(entry, store_path, default_mode);
    if (!projection.ok()) return projection.error();
    if (Status clash = CheckClash(entry, projection->path, taken); !clash.ok()) {
      return clash.error();
    }
    projections.push_back(*std::move(projection));
  }
  return projections;
}

Error NoObjects(const SpcInput& input) {
  constexpr std::string_view kKnown[] = {"objects"};
  for (const auto& [key, value] : input.parameters) {
    if (ClosestTo(key, kKnown).empty()) continue;
    return Error::Format(ErrorCode::kInvalid,
                         "parameter objects is missing: did you mean objects by \"{}\"?", key);
  }
  return Error::Format(ErrorCode::kInvalid, "parameter objects is missing: {}", kExample);
}

}  // namespace

Result<ParsedMount> ParseMount(const SpcInput& input, const std::string& store_path,
                               const Policy& defaults) {
  ParsedMount mount;
  Result<Policy> policy = ReadPolicy(input.parameters, defaults, {});
  if (!policy.ok()) return policy.error();
  mount.policy = *policy;
  auto objects = input.parameters.find("objects");
  if (objects == input.parameters.end()) return NoObjects(input);
  auto projections = ReadObjects(objects->second, store_path, input.mode);
  if (!projections.ok()) return projections.error().Prepend("parameter objects");
  mount.projections = *std::move(projections);
  if (Status marked = MarkOptional(input.parameters, mount.projections); !marked.ok()) {
    return marked.error();
  }
  mount.options = std::make_shared<DevOptions>(store_path);
  return mount;
}

}  // namespace nodekeep::dev

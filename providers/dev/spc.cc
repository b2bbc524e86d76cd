// The SecretProviderClass dialect: parses the parameter `objects` into refs and files.

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/closest.h"
#include "agent/base/utf8.h"
#include "agent/base/volume_path.h"
#include "agent/secrets/spc_reader.h"
#include "providers/dev/content.h"
#include "providers/dev/dev.h"

namespace nodekeep::dev {
namespace {

constexpr std::string_view kOptional = "nodekeep/optional";
constexpr std::string_view kFields[] = {"objectName",    "secretPath",     "secretKey",
                                        "secretVersion", "filePermission", "encoding",
                                        kPropertyKey,    kOptional};
constexpr std::string_view kEncodings[] = {"utf-8", "base64", "hex"};
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

// An empty text is usually a mistake: the field would be left out otherwise.
std::string NonEmptyText(SpcEntry& reader, std::string_view key) {
  std::string text = reader.Text(key);
  if (text.empty() && reader.Find(key) != nullptr) {
    reader.FailAt(key, fmt::format("{}: is empty; leave it out instead", key));
  }
  return text;
}

void CheckKeys(const YamlNode& node, SpcEntry& reader) {
  for (const auto& [key, value] : node.entries) {
    if (std::ranges::find(kFields, key.text) != std::end(kFields)) continue;
    reader.Fail(key, fmt::format("unknown field \"{}\": {}", Excerpt(key.text),
                                 SuggestOrList(key.text, kFields, "the fields are")));
  }
}

void CheckPath(SpcEntry& reader, std::string_view key, const std::string& path) {
  if (Status check = CheckVolumePath(path); !check.ok()) {
    reader.FailAt(key, fmt::format("{}: {}", key, check.error().message()));
  }
}

Result<Projection> ReadEntry(const YamlNode& node, const std::string& store_path,
                             std::uint32_t default_mode, SpcWarnings& warnings) {
  SpcEntry reader(node, "must be a mapping with objectName, not a bare value");
  Projection projection;
  projection.object = NonEmptyText(reader, "objectName");
  reader.SetObject(projection.object);
  CheckKeys(node, reader);
  if (projection.object.empty()) reader.Fail("objectName is missing: it names the file to make");
  CheckPath(reader, "objectName", projection.object);
  projection.path = projection.object;
  projection.ref.provider = "dev";
  projection.ref.endpoint = store_path;
  projection.ref.path = NonEmptyText(reader, "secretPath");
  if (projection.ref.path.empty()) projection.ref.path = projection.object;
  projection.field = NonEmptyText(reader, "secretKey");
  NonEmptyText(reader, kPropertyKey);
  projection.property = reader.Property();
  projection.ref.version = NonEmptyText(reader, "secretVersion");
  CheckPath(reader, "secretPath", projection.ref.path);
  projection.mode = reader.Mode("filePermission").value_or(default_mode);
  NonEmptyText(reader, "encoding");
  projection.encoding = reader.OneOf("encoding", kEncodings);
  projection.optional = reader.Flag(kOptional).value_or(false);
  projection.read_error = fmt::format("dev: read \"{}\" for object \"{}\"",
                                      Excerpt(projection.ref.path), Excerpt(projection.object));
  if (reader.failed()) return reader.status().error();
  reader.WarnOfKeys(kFields, "filePermission", warnings);
  return projection;
}

Result<std::vector<Projection>> ReadObjects(const std::string& text, const std::string& store_path,
                                            std::uint32_t default_mode, SpcWarnings& warnings) {
  Result<std::vector<YamlNode>> nodes =
      ReadObjectList(text, fmt::format("lists no objects: {}", kExample));
  if (!nodes.ok()) return nodes.error();
  std::vector<Projection> projections;
  VolumePaths paths;
  for (const YamlNode& node : *nodes) {
    Result<Projection> projection = ReadEntry(node, store_path, default_mode, warnings);
    if (!projection.ok()) return projection.error().Prepend("parameter objects");
    if (Status clash = paths.Add(node, projection->path, {}); !clash.ok()) {
      return clash.error().Prepend("parameter objects");
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
                         "parameter objects is missing: did you mean objects by \"{}\"?",
                         Excerpt(key));
  }
  return Error::Format(ErrorCode::kInvalid, "parameter objects is missing: {}", kExample);
}

}  // namespace

Result<ParsedMount> ParseMount(const SpcInput& input, const std::string& store_path,
                               const Policy& defaults) {
  if (Status sizes = CheckParameterSizes(input.parameters); !sizes.ok()) return sizes.error();
  ParsedMount mount;
  // A local file may be read as often as a class likes.
  Policy own_defaults = defaults;
  own_defaults.refresh_after_min = Duration::zero();
  Result<Policy> policy = ReadPolicy(input.parameters, own_defaults, {});
  if (!policy.ok()) return policy.error();
  mount.policy = *policy;
  auto objects = input.parameters.find("objects");
  if (objects == input.parameters.end()) return NoObjects(input);
  auto projections = ReadObjects(objects->second, store_path, input.mode, mount.warnings);
  if (!projections.ok()) return projections.error();
  mount.projections = *std::move(projections);
  if (Status marked = MarkOptional(input.parameters, mount.projections); !marked.ok()) {
    return marked.error();
  }
  constexpr std::string_view kKnown[] = {"objects"};
  WarnOfParameters(SpcParameters(input.parameters), kKnown, {{kOptional}}, mount.warnings);
  mount.options = std::make_shared<DevOptions>(store_path);
  return mount;
}

}  // namespace nodekeep::dev

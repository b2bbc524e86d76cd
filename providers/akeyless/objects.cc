// Keys that upstream knows are read as upstream reads them, unknown ones are ignored; what begins
// with `nodekeep` is ours and checked.

#include "providers/akeyless/objects.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <span>

#include "agent/base/closest.h"
#include "agent/base/comma_list.h"
#include "agent/base/volume_path.h"
#include "agent/base/yaml.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::int64_t kMaxMode = 0777;
constexpr std::int64_t kMaxVersion = 2147483647;  // the API's integers are 32 bits wide
constexpr std::int64_t kMaxTimeoutSeconds = 600;

constexpr std::string_view kType = "nodekeep/type";
constexpr std::string_view kVersion = "nodekeep/version";
constexpr std::string_view kProperty = "nodekeep/property";
constexpr std::string_view kDecode = "nodekeep/decode";
constexpr std::string_view kMode = "nodekeep/filePermission";
constexpr std::string_view kIgnoreCache = "nodekeep/ignoreCache";
constexpr std::string_view kJsonText = "nodekeep/jsonText";
constexpr std::string_view kOptional = "nodekeep/optional";
constexpr std::string_view kArguments = "nodekeep/arguments";
constexpr std::string_view kKeys[] = {kType,        kVersion,  kProperty, kDecode,   kMode,
                                      kIgnoreCache, kJsonText, kOptional, kArguments};

constexpr ItemKind kKinds[] = {ItemKind::kDynamic, ItemKind::kPki, ItemKind::kSsh,
                               ItemKind::kClassicKey, ItemKind::kFolder};

constexpr std::string_view kKeyTypes[] = {"rsa2048", "rsa4096", "ec256", "ec384", "ed25519"};

// An entry on its way; errors are told at the place in the manifest and name the object.
struct Reader {
  const YamlNode& node;
  ObjectEntry entry;

  Error Wrong(const YamlNode& at, std::string_view message) const {
    if (entry.file_name.empty()) return YamlError(at, message);
    return YamlError(at, fmt::format("object \"{}\": {}", entry.file_name, message));
  }

  // The value of `key`, or null where it is absent or says nothing.
  const YamlNode* Value(std::string_view key) const {
    const YamlNode* value = node.Find(key);
    return value == nullptr || value->IsNull() ? nullptr : value;
  }

  Status Text(std::string_view key, std::string& into) const {
    const YamlNode* value = Value(key);
    if (value == nullptr) return {};
    if (!value->IsScalar()) return Wrong(*value, fmt::format("{}: must be text", key));
    into = value->text;
    return {};
  }

  Status Flag(std::string_view key, std::optional<bool>& into) const {
    const YamlNode* value = Value(key);
    if (value == nullptr) return {};
    Result<bool> flag = YamlBool(*value);
    if (!flag.ok()) return Wrong(*value, fmt::format("{}: must be true or false", key));
    into = *flag;
    return {};
  }
};

std::string MeantOrAll(std::string_view word, std::span<const std::string_view> known) {
  const std::string closest = ClosestTo(word, known);
  if (!closest.empty()) return fmt::format("did you mean {}?", closest);
  return fmt::format("they are {}", fmt::join(known, ", "));
}

bool LooksReserved(std::string_view key) {
  constexpr std::string_view kName = "nodekeep";
  return key.size() >= kName.size() &&
         std::equal(kName.begin(), kName.end(), key.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

Status CheckKeys(const Reader& reader) {
  for (const auto& [key, value] : reader.node.entries) {
    if (!LooksReserved(key.text)) continue;
    if (std::ranges::find(kKeys, key.text) != std::end(kKeys)) continue;
    return reader.Wrong(key, fmt::format("key {} is unknown; of the keys under nodekeep/: {}",
                                         key.text, MeantOrAll(key.text, kKeys)));
  }
  return {};
}

// Upstream's own keys: secretType and secretArgs are accepted and mean nothing.
Status ReadUpstreamKeys(Reader& reader) {
  if (Status read = reader.Text("fileName", reader.entry.file_name); !read.ok()) return read;
  if (Status read = reader.Text("secretPath", reader.entry.secret_path); !read.ok()) return read;
  std::string ignored;
  if (Status read = reader.Text("secretType", ignored); !read.ok()) return read;
  const YamlNode* args = reader.Value("secretArgs");
  if (args != nullptr && !args->IsMapping()) {
    return reader.Wrong(*args, "secretArgs: must be a mapping");
  }
  reader.entry.secret_args = args != nullptr && !args->entries.empty();
  return {};
}

Status ReadKind(Reader& reader) {
  const YamlNode* value = reader.Value(kType);
  if (value == nullptr) return {};
  std::vector<std::string_view> names;
  for (ItemKind kind : kKinds) {
    names.push_back(ItemKindName(kind));
    if (value->IsScalar() && value->text == names.back()) {
      reader.entry.request.kind = kind;
      return {};
    }
  }
  return reader.Wrong(
      *value, fmt::format("{}: \"{}\" is no type to ask for: {}; leave it out for static, rotated "
                          "and certificate items",
                          kType, value->text, MeantOrAll(value->text, names)));
}

Status ReadVersion(Reader& reader) {
  const YamlNode* value = reader.Value(kVersion);
  if (value == nullptr) return {};
  const std::string& text = value->text;
  const bool digits = value->IsScalar() && !text.empty() && text.size() <= 10 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  const std::int64_t number = digits ? std::stoll(text) : 0;
  if (number < 1 || number > kMaxVersion) {
    return reader.Wrong(*value,
                        fmt::format("{}: must be a number of 1 and above, such as 3", kVersion));
  }
  reader.entry.version = std::to_string(number);
  return {};
}

Status ReadMode(Reader& reader) {
  const YamlNode* value = reader.Value(kMode);
  if (value == nullptr) return {};
  Result<std::int64_t> mode = YamlInt(*value);
  if (!mode.ok() || *mode < 0 || *mode > kMaxMode) {
    return reader.Wrong(
        *value,
        fmt::format("{}: must be a number of 0 to 0777 without quotes, such as 0400", kMode));
  }
  reader.entry.mode = static_cast<std::uint32_t>(*mode);
  return {};
}

Status ReadDecode(Reader& reader) {
  const YamlNode* value = reader.Value(kDecode);
  if (value == nullptr) return {};
  if (!value->IsScalar() || (value->text != "base64" && value->text != "hex")) {
    return reader.Wrong(*value, fmt::format("{}: must be base64 or hex", kDecode));
  }
  reader.entry.decode = value->text;
  return {};
}

Status ReadFlags(Reader& reader) {
  ObjectEntry& entry = reader.entry;
  if (Status read = reader.Flag(kIgnoreCache, entry.ignore_cache); !read.ok()) return read;
  if (Status read = reader.Flag(kJsonText, entry.json_text); !read.ok()) return read;
  std::optional<bool> optional;
  if (Status read = reader.Flag(kOptional, optional); !read.ok()) return read;
  entry.optional = optional.value_or(false);
  return {};
}

// Texts of a scalar, or of a list of them.
Result<std::vector<std::string>> ReadTexts(const Reader& reader, const YamlNode& value,
                                           std::string_view name) {
  if (value.IsScalar()) return std::vector<std::string>{value.text};
  std::vector<std::string> texts;
  for (const YamlNode& item : value.items) {
    if (!item.IsScalar()) return reader.Wrong(item, fmt::format("{}: must hold texts", name));
    texts.push_back(item.text);
  }
  if (!value.IsSequence()) {
    return reader.Wrong(value, fmt::format("{}: must be text or a list of texts", name));
  }
  return texts;
}

// `args` of a dynamic secret: "key=value" texts, or a mapping.
Result<std::vector<std::string>> ReadArgs(const Reader& reader, const YamlNode& value) {
  if (!value.IsMapping()) return ReadTexts(reader, value, "args");
  std::vector<std::string> args;
  for (const auto& [key, item] : value.entries) {
    if (!item.IsScalar()) {
      return reader.Wrong(item, fmt::format("args: {}: must be text", key.text));
    }
    args.push_back(key.text + "=" + item.text);
  }
  std::sort(args.begin(), args.end());
  return args;
}

// A number with a unit of s, m, h or d; without one, seconds. nullopt when it is none, or zero.
std::optional<std::int64_t> SecondsOf(std::string_view text) {
  std::int64_t unit = 1;
  if (!text.empty()) {
    const std::map<char, std::int64_t> units = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    if (auto found = units.find(text.back()); found != units.end()) {
      unit = found->second;
      text.remove_suffix(1);
    }
  }
  if (text.empty() || text.size() > 9) return std::nullopt;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const std::int64_t seconds = std::stoll(std::string(text)) * unit;
  return seconds > 0 ? std::optional(seconds) : std::nullopt;
}

std::vector<std::string_view> ArgumentNames(ItemKind kind) {
  switch (kind) {
    case ItemKind::kDetected: return {"host"};
    case ItemKind::kDynamic: return {"args", "host", "target", "dbName", "timeout"};
    case ItemKind::kPki:
      return {"commonName", "altNames", "uriSans", "extendedKeyUsage", "ttl", "keyType"};
    case ItemKind::kSsh: return {"username", "ttl", "keyType"};
    default: return {};
  }
}

Status ReadArgument(const Reader& reader, std::string_view name, const YamlNode& value,
                    ItemRequest& request) {
  if (name == "args") {
    Result<std::vector<std::string>> args = ReadArgs(reader, value);
    if (!args.ok()) return args.error();
    request.args = *std::move(args);
    return {};
  }
  Result<std::vector<std::string>> texts = ReadTexts(reader, value, name);
  if (!texts.ok()) return texts.error();
  const std::string text = fmt::format("{}", fmt::join(*texts, ","));
  if (name == "ttl") {
    const std::optional<std::int64_t> seconds = SecondsOf(text);
    if (!seconds) return reader.Wrong(value, "ttl: must be like 90s, 30m, 12h or 30d");
    request.ttl_seconds = *seconds;
    return {};
  }
  if (name == "timeout") {
    const std::optional<std::int64_t> seconds = SecondsOf(text);
    if (!seconds || *seconds > kMaxTimeoutSeconds) {
      return reader.Wrong(value, "timeout: must be like 15 or 1m, at most 10m");
    }
    request.timeout_seconds = static_cast<int>(*seconds);
    return {};
  }
  if (name == "keyType" && std::ranges::find(kKeyTypes, text) == std::end(kKeyTypes)) {
    return reader.Wrong(
        value, fmt::format("keyType: \"{}\" is unknown: {}", text, MeantOrAll(text, kKeyTypes)));
  }
  const std::pair<std::string_view, std::string*> fields[] = {
      {"host", &request.host},
      {"target", &request.target},
      {"dbName", &request.db_name},
      {"commonName", &request.common_name},
      {"altNames", &request.alt_names},
      {"uriSans", &request.uri_sans},
      {"extendedKeyUsage", &request.extended_key_usage},
      {"username", &request.username},
      {"keyType", &request.key_type},
  };
  for (const auto& [field, into] : fields) {
    if (field == name) *into = text;
  }
  for (std::string* list :
       {&request.alt_names, &request.uri_sans, &request.extended_key_usage, &request.username}) {
    *list = fmt::format("{}", fmt::join(SplitCommas(*list), ","));
  }
  return {};
}

Status ReadArguments(Reader& reader) {
  ItemRequest& request = reader.entry.request;
  if (request.kind == ItemKind::kPki) request.key_type = "rsa2048";
  if (request.kind == ItemKind::kSsh) request.key_type = "ed25519";
  const YamlNode* value = reader.Value(kArguments);
  if (value != nullptr && !value->IsMapping()) {
    return reader.Wrong(*value, fmt::format("{}: must be a mapping", kArguments));
  }
  const std::vector<std::string_view> names = ArgumentNames(request.kind);
  for (std::size_t i = 0; value != nullptr && i < value->entries.size(); ++i) {
    const auto& [key, argument] = value->entries[i];
    if (std::find(names.begin(), names.end(), key.text) == names.end()) {
      return reader.Wrong(
          key, fmt::format("{}: {} is no argument of {}: {}", kArguments, key.text,
                           ItemKindName(request.kind),
                           names.empty() ? "it takes none" : MeantOrAll(key.text, names)));
    }
    if (argument.IsNull()) continue;
    if (Status read = ReadArgument(reader, key.text, argument, request); !read.ok()) return read;
  }
  if (request.kind == ItemKind::kSsh && request.username.empty()) {
    return reader.Wrong(reader.node, fmt::format("{}: username is missing: the principal that the "
                                                 "certificate is for",
                                                 kArguments));
  }
  return {};
}

Status CheckEntry(const Reader& reader) {
  const ObjectEntry& entry = reader.entry;
  if (entry.file_name.empty()) {
    return reader.Wrong(reader.node, "fileName is missing: it names the file to make");
  }
  if (Status path = CheckVolumePath(entry.file_name); !path.ok()) {
    const YamlNode* name = reader.node.Find("fileName");
    return reader.Wrong(*name, "fileName: " + path.error().message());
  }
  if (entry.secret_path.empty()) {
    return reader.Wrong(reader.node, "secretPath is missing: it names the item in Akeyless");
  }
  const bool control = std::any_of(entry.secret_path.begin(), entry.secret_path.end(),
                                   [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) {
    return reader.Wrong(*reader.node.Find("secretPath"), "secretPath: holds control characters");
  }
  const ItemKind kind = entry.request.kind;
  const bool versioned = kind == ItemKind::kDetected || kind == ItemKind::kClassicKey;
  if (!entry.version.empty() && !versioned) {
    return reader.Wrong(*reader.node.Find(kVersion),
                        fmt::format("{}: {} has no versions", kVersion, ItemKindName(kind)));
  }
  if (!entry.property.empty() && kind == ItemKind::kFolder) {
    return reader.Wrong(*reader.node.Find(kProperty),
                        fmt::format("{}: a folder has none; name its items one by one", kProperty));
  }
  return {};
}

Result<ObjectEntry> ReadEntry(const YamlNode& node) {
  if (!node.IsNull() && !node.IsMapping()) {
    return YamlError(node, "must be a mapping with fileName and secretPath");
  }
  Reader reader{node, {}};
  if (Status read = ReadUpstreamKeys(reader); !read.ok()) return read.error();
  if (Status keys = CheckKeys(reader); !keys.ok()) return keys.error();
  if (Status read = reader.Text(kProperty, reader.entry.property); !read.ok()) return read.error();
  for (auto read : {ReadKind, ReadVersion, ReadMode, ReadDecode, ReadFlags, ReadArguments}) {
    if (Status status = read(reader); !status.ok()) return status.error();
  }
  if (Status check = CheckEntry(reader); !check.ok()) return check.error();
  return std::move(reader.entry);
}

// Two entries must not want the same path, nor one the other's file as its folder.
Status CheckClash(const YamlNode& node, const std::string& path, std::set<std::string>& taken) {
  const auto wrong = [&](std::string_view message) {
    return YamlError(node, fmt::format("object \"{}\": {}", path, message));
  };
  if (!taken.insert(path).second) {
    return wrong("the fileName is used twice: each object needs a file of its own");
  }
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (!taken.contains(path.substr(0, slash))) continue;
    return wrong(
        fmt::format("invalid path: \"{}\" belongs to another object", path.substr(0, slash)));
  }
  const auto inside = taken.lower_bound(path + "/");
  if (inside == taken.end() || !inside->starts_with(path + "/")) return {};
  return wrong(fmt::format("invalid path: it is the folder of another object's \"{}\"", *inside));
}

}  // namespace

Result<std::vector<ObjectEntry>> ReadObjects(std::string_view text) {
  Result<YamlNode> root = ParseYaml(text);
  if (!root.ok()) return root.error().Prepend("parameter objects");
  std::vector<ObjectEntry> entries;
  if (root->IsNull()) return entries;
  if (!root->IsSequence()) {
    return YamlError(*root, "must be a list of objects").Prepend("parameter objects");
  }
  std::set<std::string> taken;
  for (const YamlNode& node : root->items) {
    Result<ObjectEntry> entry = ReadEntry(node);
    if (!entry.ok()) return entry.error().Prepend("parameter objects");
    if (std::find(entries.begin(), entries.end(), *entry) != entries.end()) continue;
    if (Status clash = CheckClash(node, entry->file_name, taken); !clash.ok()) {
      return clash.error().Prepend("parameter objects");
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace nodekeep::akeyless

// Upstream's keys are read as upstream reads them, and unknown keys are ignored. Keys that begin
// with `nodekeep` are our own and are checked.

#include "providers/akeyless/objects.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "agent/base/ascii.h"
#include "agent/base/closest.h"
#include "agent/base/comma_list.h"
#include "agent/base/utf8.h"
#include "agent/base/volume_path.h"
#include "agent/secrets/spc_reader.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::int64_t kMaxVersion = 2147483647;  // the API's integers are 32 bits wide
constexpr std::int64_t kMaxTimeoutSeconds = 600;

constexpr std::string_view kType = "nodekeep/type";
constexpr std::string_view kVersion = "nodekeep/version";
constexpr std::string_view kDecode = "nodekeep/decode";
constexpr std::string_view kMode = "nodekeep/filePermission";
constexpr std::string_view kIgnoreCache = "nodekeep/ignoreCache";
constexpr std::string_view kJsonText = "nodekeep/jsonText";
constexpr std::string_view kOptional = "nodekeep/optional";
constexpr std::string_view kArguments = "nodekeep/arguments";
constexpr std::string_view kKeys[] = {kType,        kVersion,  kPropertyKey, kDecode,   kMode,
                                      kIgnoreCache, kJsonText, kOptional,    kArguments};

constexpr std::string_view kUpstreamKeys[] = {"fileName", "secretPath", "secretType", "secretArgs"};

constexpr ItemKind kKinds[] = {ItemKind::kDynamic, ItemKind::kPki, ItemKind::kSsh,
                               ItemKind::kClassicKey, ItemKind::kFolder};

constexpr std::string_view kKeyTypes[] = {"rsa2048", "rsa4096", "ec256", "ec384", "ed25519"};

constexpr VolumePaths::Words kClashes = {
    .same = "the fileName is used twice: each object needs a file of its own",
    .below_other = "invalid path: \"{}\" belongs to another object",
    .above_other = "invalid path: it is the folder of another object's \"{}\"",
};

// An entry being read. The functions that fill it leave the first error in `reader`.
struct Draft {
  SpcEntry reader;
  ObjectEntry entry;
};

void CheckKeys(Draft& draft) {
  const YamlNode* key = draft.reader.UnknownReservedKey(kKeys);
  if (key == nullptr) return;
  draft.reader.Fail(*key, fmt::format("key \"{}\" is unknown; of the keys under nodekeep/: {}",
                                      Excerpt(key->text), SuggestOrList(key->text, kKeys)));
}

// Upstream's own keys; secretType and secretArgs are accepted without effect.
void ReadUpstreamKeys(Draft& draft) {
  auto& [reader, entry] = draft;
  entry.file_name = reader.Text("fileName");
  reader.SetObject(entry.file_name);
  entry.secret_path = reader.Text("secretPath");
  reader.Text("secretType");
  const YamlNode* args = reader.Find("secretArgs");
  if (args == nullptr) return;
  if (!args->IsMapping()) reader.Fail(*args, "secretArgs: must be a mapping");
  entry.secret_args = !args->entries.empty();
}

void ReadKind(Draft& draft) {
  auto& [reader, entry] = draft;
  const YamlNode* value = reader.Find(kType);
  if (value == nullptr) return;
  std::vector<std::string_view> names;
  for (ItemKind kind : kKinds) {
    names.push_back(ItemKindName(kind));
    if (value->IsScalar() && value->text == names.back()) {
      entry.request.kind = kind;
      return;
    }
  }
  reader.Fail(*value, fmt::format("{}: \"{}\" is not a type to request: {}; leave it out for "
                                  "static, rotated and certificate items",
                                  kType, Excerpt(value->text), SuggestOrList(value->text, names)));
}

void ReadVersion(Draft& draft) {
  auto& [reader, entry] = draft;
  const YamlNode* value = reader.Find(kVersion);
  if (value == nullptr) return;
  const std::string& text = value->text;
  const bool digits = value->IsScalar() && !text.empty() && text.size() <= 10 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  const std::int64_t number = digits ? std::stoll(text) : 0;
  if (number < 1 || number > kMaxVersion) {
    reader.Fail(*value, fmt::format("{}: must be a number of 1 and above, such as 3", kVersion));
  }
  entry.version = std::to_string(number);
}

void ReadDecode(Draft& draft) {
  auto& [reader, entry] = draft;
  const YamlNode* value = reader.Find(kDecode);
  if (value == nullptr) return;
  if (!value->IsScalar() || (value->text != "base64" && value->text != "hex")) {
    reader.Fail(*value, fmt::format("{}: must be base64 or hex", kDecode));
  }
  entry.decode = value->text;
}

// The text of a scalar, or the texts of a list of scalars.
std::vector<std::string> ReadTexts(SpcEntry& reader, const YamlNode& value, std::string_view name) {
  if (value.IsScalar()) return {value.text};
  std::vector<std::string> texts;
  for (const YamlNode& item : value.items) {
    if (!item.IsScalar()) reader.Fail(item, fmt::format("{}: must hold texts", name));
    texts.push_back(item.text);
  }
  if (!value.IsSequence()) {
    reader.Fail(value, fmt::format("{}: must be text or a list of texts", name));
  }
  return texts;
}

// `args` of a dynamic secret: "key=value" texts, or a mapping.
std::vector<std::string> ReadArgs(SpcEntry& reader, const YamlNode& value) {
  if (!value.IsMapping()) return ReadTexts(reader, value, "args");
  std::vector<std::string> args;
  for (const auto& [key, item] : value.entries) {
    if (!item.IsScalar())
      reader.Fail(item, fmt::format("args: \"{}\": must be text", Excerpt(key.text)));
    args.push_back(key.text + "=" + item.text);
  }
  std::sort(args.begin(), args.end());
  return args;
}

// A number with the unit s, m, h or d, by default s. nullopt when it is malformed or zero.
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

void ReadArgument(Draft& draft, std::string_view name, const YamlNode& value) {
  auto& [reader, entry] = draft;
  ItemRequest& request = entry.request;
  if (name == "args") {
    request.args = ReadArgs(reader, value);
    return;
  }
  const std::string text = fmt::format("{}", fmt::join(ReadTexts(reader, value, name), ","));
  if (name == "ttl") {
    const std::optional<std::int64_t> seconds = SecondsOf(text);
    if (!seconds) reader.Fail(value, "ttl: must be like 90s, 30m, 12h or 30d");
    request.ttl_seconds = seconds.value_or(0);
    return;
  }
  if (name == "timeout") {
    const std::optional<std::int64_t> seconds = SecondsOf(text);
    if (!seconds || *seconds > kMaxTimeoutSeconds) {
      reader.Fail(value, "timeout: must be like 15 or 1m, at most 10m");
    }
    request.timeout_seconds = static_cast<int>(seconds.value_or(0));
    return;
  }
  if (name == "keyType" && std::ranges::find(kKeyTypes, text) == std::end(kKeyTypes)) {
    reader.Fail(value, fmt::format("keyType: \"{}\" is unknown: {}", Excerpt(text),
                                   SuggestOrList(text, kKeyTypes)));
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
}

void ReadArguments(Draft& draft) {
  auto& [reader, entry] = draft;
  ItemRequest& request = entry.request;
  if (request.kind == ItemKind::kPki) request.key_type = "rsa2048";
  if (request.kind == ItemKind::kSsh) request.key_type = "ed25519";
  const YamlNode* value = reader.Find(kArguments);
  if (value != nullptr && !value->IsMapping()) {
    reader.Fail(*value, fmt::format("{}: must be a mapping", kArguments));
  }
  const std::vector<std::string_view> names = ArgumentNames(request.kind);
  for (std::size_t i = 0; value != nullptr && i < value->entries.size(); ++i) {
    const auto& [key, argument] = value->entries[i];
    if (std::find(names.begin(), names.end(), key.text) == names.end()) {
      reader.Fail(
          key, fmt::format("{}: \"{}\" is not an argument of {}: {}", kArguments, Excerpt(key.text),
                           ItemKindName(request.kind),
                           names.empty() ? "it takes none" : SuggestOrList(key.text, names)));
    } else if (!argument.IsNull()) {
      ReadArgument(draft, key.text, argument);
    }
  }
  if (request.kind == ItemKind::kSsh && request.username.empty()) {
    reader.Fail(fmt::format("{}: username is missing: the principal that the certificate is for",
                            kArguments));
  }
}

void CheckEntry(Draft& draft) {
  auto& [reader, entry] = draft;
  if (entry.file_name.empty()) {
    reader.Fail("fileName is missing: it names the file to make");
  } else if (Status path = CheckVolumePath(entry.file_name); !path.ok()) {
    reader.FailAt("fileName", "fileName: " + path.error().message());
  }
  if (entry.secret_path.empty()) {
    reader.Fail("secretPath is missing: it names the item in Akeyless");
  }
  if (HasControlCharacters(entry.secret_path)) {
    reader.FailAt("secretPath", "secretPath: holds control characters");
  }
  const ItemKind kind = entry.request.kind;
  if (!entry.version.empty() && kind != ItemKind::kDetected && kind != ItemKind::kClassicKey) {
    reader.FailAt(kVersion, fmt::format("{}: {} has no versions", kVersion, ItemKindName(kind)));
  }
  if (!entry.property.empty() && kind == ItemKind::kFolder) {
    reader.FailAt(kPropertyKey,
                  fmt::format("{}: a folder has none; name its items one by one", kPropertyKey));
  }
}

Result<ObjectEntry> ReadEntry(const YamlNode& node, SpcWarnings& warnings) {
  Draft draft{SpcEntry(node, "must be a mapping with fileName and secretPath"), {}};
  ReadUpstreamKeys(draft);
  CheckKeys(draft);
  auto& [reader, entry] = draft;
  entry.property = reader.Property();
  ReadKind(draft);
  ReadVersion(draft);
  entry.mode = reader.Mode(kMode);
  ReadDecode(draft);
  entry.ignore_cache = reader.Flag(kIgnoreCache);
  entry.json_text = reader.Flag(kJsonText);
  entry.optional = reader.Flag(kOptional).value_or(false);
  ReadArguments(draft);
  CheckEntry(draft);
  if (reader.failed()) return reader.status().error();
  reader.WarnOfKeys(kUpstreamKeys, kMode, warnings);
  return std::move(entry);
}

}  // namespace

Result<std::vector<ObjectEntry>> ReadObjects(std::string_view text, SpcWarnings& warnings) {
  Result<std::vector<YamlNode>> nodes = ReadObjectList(text);
  if (!nodes.ok()) return nodes.error();
  std::vector<ObjectEntry> entries;
  VolumePaths paths;
  for (const YamlNode& node : *nodes) {
    Result<ObjectEntry> entry = ReadEntry(node, warnings);
    if (!entry.ok()) return entry.error().Prepend("parameter objects");
    if (std::find(entries.begin(), entries.end(), *entry) != entries.end()) continue;
    if (Status clash = paths.Add(node, entry->file_name, kClashes); !clash.ok()) {
      return clash.error().Prepend("parameter objects");
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace nodekeep::akeyless

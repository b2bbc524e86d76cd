#include "providers/akeyless/item.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "agent/base/codecs.h"
#include "agent/base/go_json.h"
#include "agent/base/utf8.h"
#include "agent/base/volume_path.h"
#include "agent/secrets/property.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::pair<ItemKind, std::string_view> kNames[] = {
    {ItemKind::kDetected, "an item of a detected type"},
    {ItemKind::kStatic, "static"},
    {ItemKind::kCertificate, "certificate"},
    {ItemKind::kRotated, "rotated"},
    {ItemKind::kDynamic, "dynamic"},
    {ItemKind::kPki, "pki"},
    {ItemKind::kSsh, "ssh"},
    {ItemKind::kClassicKey, "classic-key"},
    {ItemKind::kFolder, "folder"},
};

std::optional<ItemKind> KindOf(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

Error Broken(std::string_view why) {
  return Error::Format(ErrorCode::kInternal, "akeyless: packed answer: {}", why);
}

Json PackedItem(const Item& item) {
  Json packed(jsoncons::json_object_arg);
  packed.insert_or_assign("kind", std::string(ItemKindName(item.kind)));
  packed.insert_or_assign("name", item.name);
  packed.insert_or_assign("version", item.version);
  packed.insert_or_assign("value", item.value);
  return packed;
}

Result<Item> Unpack(const Json& packed) {
  const std::optional<std::string> kind = TextOf(Find(packed, {"kind"}));
  const std::optional<std::string> name = TextOf(Find(packed, {"name"}));
  const std::optional<std::int64_t> version = IntOf(Find(packed, {"version"}));
  const Json* value = Find(packed, {"value"});
  const std::optional<ItemKind> known = kind ? KindOf(*kind) : std::nullopt;
  if (!known || !name || !version || value == nullptr) return Broken("an item lacks a member");
  Item item;
  item.kind = *known;
  item.name = *name;
  item.version = *version;
  item.value = *value;
  return item;
}

// As Go's json.MarshalIndent: two spaces per level, sorted keys, no final newline.
void AppendIndented(const Json& value, int depth, SecretBytes& out) {
  const bool object = value.is_object();
  if ((!object && !value.is_array()) || value.empty()) {
    out.Append(GoJson(value).Reveal());
    return;
  }
  const std::string indent(static_cast<std::size_t>(2 * (depth + 1)), ' ');
  bool first = true;
  const auto begin_element = [&] {
    out.Append(first ? "\n" : ",\n");
    out.Append(indent);
    first = false;
  };
  out.Append(object ? "{" : "[");
  if (object) {
    for (const auto& member : value.object_range()) {
      begin_element();
      AppendGoJsonString(std::string(member.key()), out);
      out.Append(": ");
      AppendIndented(member.value(), depth + 1, out);
    }
  } else {
    for (const Json& item : value.array_range()) {
      begin_element();
      AppendIndented(item, depth + 1, out);
    }
  }
  out.Append("\n" + std::string(static_cast<std::size_t>(2 * depth), ' '));
  out.Append(object ? "}" : "]");
}

// The Go type that encoding/json decodes a value into, as %T prints it.
std::string_view GoTypeOf(const Json& value) {
  if (value.is_object()) return "map[string]interface {}";
  if (value.is_array()) return "[]interface {}";
  if (value.is_bool()) return "bool";
  if (value.is_null()) return "<nil>";
  return "float64";
}

// The whole of an item as a file (docs/protocol/secret-provider-class.md, "akeyless objects").
Result<SecretBytes> WholeOf(const Item& item, bool json_text) {
  if (item.kind == ItemKind::kRotated) {
    SecretBytes text;
    AppendIndented(item.value, 0, text);
    return text;
  }
  if (item.kind != ItemKind::kStatic) return GoJson(item.value);
  if (std::optional<std::string> text = TextOf(item.value)) {
    return SecretBytes::MoveFrom(*std::move(text));
  }
  if (json_text) return GoJson(item.value);
  return Error::Format(ErrorCode::kInvalid,
                       "value must be a string, got {}: secret \"{}\"; ask for its JSON text with "
                       "nodekeep/jsonText: true, or for one field of it with nodekeep/property",
                       GoTypeOf(item.value), Excerpt(item.name));
}

Result<SecretBytes> TextOfProperty(const Item& item, const std::string& name) {
  // Where rotators and producers of the user's own put their fields
  // (docs/protocol/akeyless-api.md, "Rotated secrets" and "Dynamic secrets").
  constexpr std::string_view kAlsoIn[] = {"payload", "target_value", "value"};
  const std::string what = fmt::format("secret \"{}\"", Excerpt(item.name));
  Result<Json> found = PropertyOf(item.value, name, what, kAlsoIn);
  if (!found.ok()) return found.error();
  if (found->is_null()) {
    return NoValue(fmt::format("property \"{}\" of {}", Excerpt(name), what));
  }
  return FileTextOf(*found);
}

Result<SecretBytes> ContentsOf(const Projection& projection, const Item& item) {
  Result<SecretBytes> contents = projection.property.empty()
                                     ? WholeOf(item, projection.encoding == "json")
                                     : TextOfProperty(item, projection.property);
  if (!contents.ok()) return contents;
  if (projection.encoding != "base64" && projection.encoding != "hex") return contents;
  std::string_view text = contents->Reveal();
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  contents->Truncate(text.size());
  Result<SecretBytes> decoded = Decode(projection.encoding, *std::move(contents));
  if (!decoded.ok()) {
    return decoded.error().Prepend("secret \"{}\": nodekeep/decode {}", Excerpt(item.name),
                                   projection.encoding);
  }
  return decoded;
}

Result<RenderedFile> RenderOne(const Projection& projection, const Item& item, std::string path,
                               std::string_view name) {
  Result<SecretBytes> contents = ContentsOf(projection, item);
  if (!contents.ok()) return contents.error().Prepend("object \"{}\"", Excerpt(path));
  RenderedFile file;
  file.object = fmt::format("{}:{}", path, name);
  if (item.version > 0) file.version = std::to_string(item.version);
  file.path = std::move(path);
  file.contents = *std::move(contents);
  return file;
}

// Renders each item below the projection's path, at its path relative to the folder.
Result<std::vector<RenderedFile>> RenderFolder(const Projection& projection, const Json& items) {
  const std::string& folder = projection.ref.path;
  std::vector<RenderedFile> files;
  std::set<std::string> paths;
  for (const Json& packed : items.array_range()) {
    Result<Item> item = Unpack(packed);
    if (!item.ok()) return item.error();
    std::string_view name = item->name;
    if (!name.starts_with(folder)) {
      return Error::Format(ErrorCode::kInternal, "akeyless: item \"{}\" is not in folder \"{}\"",
                           Excerpt(name), Excerpt(folder));
    }
    std::string path = fmt::format("{}/{}", projection.path, name.substr(folder.size()));
    if (Status check = CheckVolumePath(path); !check.ok()) {
      return check.error().Prepend("object \"{}\": item \"{}\" has no usable file name",
                                   Excerpt(projection.object), Excerpt(name));
    }
    paths.insert(path);
    Result<RenderedFile> file = RenderOne(projection, *item, std::move(path), name);
    if (!file.ok()) return file.error();
    files.push_back(*std::move(file));
  }
  for (const std::string& path : paths) {
    const auto inside = paths.lower_bound(path + "/");
    if (inside == paths.end() || !inside->starts_with(path + "/")) continue;
    return Error::Format(ErrorCode::kInvalid,
                         "object \"{}\": item and folder of one name: \"{}\" cannot be a file and "
                         "the folder of \"{}\"; name the items of \"{}\" one by one",
                         Excerpt(projection.object), Excerpt(path), Excerpt(*inside),
                         Excerpt(folder));
  }
  if (files.empty()) {
    return Error::Format(ErrorCode::kNotFound,
                         "object \"{}\": folder \"{}\" holds no item that this identity may list "
                         "and read; its access rules need list and read on it",
                         Excerpt(projection.object), Excerpt(folder));
  }
  return files;
}

}  // namespace

std::string_view ItemKindName(ItemKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "";
}

std::string ItemRequest::Text() const {
  if (*this == ItemRequest()) return "";
  Json text(jsoncons::json_object_arg);
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text.insert_or_assign(name, value);
  };
  if (kind != ItemKind::kDetected) add("kind", std::string(ItemKindName(kind)));
  if (ignore_cache) text.insert_or_assign("ignoreCache", true);
  if (leave_out) text.insert_or_assign("leaveOut", true);
  if (!args.empty()) {
    Json list(jsoncons::json_array_arg);
    for (const std::string& arg : args) list.push_back(arg);
    text.insert_or_assign("args", std::move(list));
  }
  if (timeout_seconds > 0) text.insert_or_assign("timeout", timeout_seconds);
  if (ttl_seconds > 0) text.insert_or_assign("ttl", ttl_seconds);
  add("host", host);
  add("target", target);
  add("dbName", db_name);
  add("keyType", key_type);
  add("commonName", common_name);
  add("altNames", alt_names);
  add("uriSans", uri_sans);
  add("extendedKeyUsage", extended_key_usage);
  add("username", username);
  return std::string(GoJson(text).Reveal());
}

Result<ItemRequest> ItemRequest::Parse(std::string_view text) {
  ItemRequest request;
  if (text.empty()) return request;
  Result<Json> json = ParseJson(text);
  if (!json.ok() || !json->is_object()) return Broken("the request is not a JSON object");
  const std::optional<std::string> kind = TextOf(Find(*json, {"kind"}));
  if (kind) {
    const std::optional<ItemKind> known = KindOf(*kind);
    if (!known) return Broken("the request names an unknown kind");
    request.kind = *known;
  }
  request.ignore_cache = BoolOf(Find(*json, {"ignoreCache"})).value_or(false);
  request.leave_out = BoolOf(Find(*json, {"leaveOut"})).value_or(false);
  if (const Json* args = Find(*json, {"args"}); args != nullptr && args->is_array()) {
    for (const Json& arg : args->array_range()) request.args.push_back(TextOf(arg).value_or(""));
  }
  request.timeout_seconds = static_cast<int>(IntOf(Find(*json, {"timeout"})).value_or(0));
  request.ttl_seconds = IntOf(Find(*json, {"ttl"})).value_or(0);
  const std::pair<std::string_view, std::string*> texts[] = {
      {"host", &request.host},
      {"target", &request.target},
      {"dbName", &request.db_name},
      {"keyType", &request.key_type},
      {"commonName", &request.common_name},
      {"altNames", &request.alt_names},
      {"uriSans", &request.uri_sans},
      {"extendedKeyUsage", &request.extended_key_usage},
      {"username", &request.username},
  };
  for (const auto& [name, into] : texts) *into = TextOf(Find(*json, {name})).value_or("");
  return request;
}

SecretBytes PackItem(const Item& item) { return GoJson(PackedItem(item)); }

SecretBytes PackFolder(const std::vector<Item>& items) {
  Json list(jsoncons::json_array_arg);
  for (const Item& item : items) list.push_back(PackedItem(item));
  return GoJson(list);
}

Result<std::vector<RenderedFile>> RenderItem(const Projection& projection,
                                             const SecretBytes& answer) {
  Result<Json> packed = ParseJson(answer.Reveal());
  if (!packed.ok()) return Broken(packed.error().message());
  if (packed->is_array()) return RenderFolder(projection, *packed);
  Result<Item> item = Unpack(*packed);
  if (!item.ok()) return item.error();
  Result<RenderedFile> file = RenderOne(projection, *item, projection.path, projection.ref.path);
  if (!file.ok()) return file.error();
  std::vector<RenderedFile> files;
  files.push_back(*std::move(file));
  return files;
}

}  // namespace nodekeep::akeyless

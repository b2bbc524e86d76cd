// Parses the text of a store file.

#include "providers/dev/content.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/base/closest.h"
#include "agent/base/codecs.h"
#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "agent/base/volume_path.h"
#include "agent/base/yaml.h"

namespace nodekeep::dev {
namespace {

constexpr std::string_view kSecretKeys =
    "value, base64, values, version, versions and serviceAccounts";

// Nodes converted from JSON have no line.
constexpr int kNoLine = 0;

Error Wrong(const YamlNode& node, const std::string& message) {
  if (node.line == kNoLine) return Error(ErrorCode::kInvalid, message);
  return YamlError(node, message);
}

YamlNode NodeOf(const Json& json) {
  YamlNode node;
  node.line = kNoLine;
  if (json.is_object()) {
    node.kind = YamlNode::Kind::kMapping;
    for (const auto& member : json.object_range()) {
      YamlNode key;
      key.kind = YamlNode::Kind::kScalar;
      key.line = kNoLine;
      key.quoted = true;
      key.text = std::string(member.key());
      node.entries.emplace_back(std::move(key), NodeOf(member.value()));
    }
  } else if (json.is_array()) {
    node.kind = YamlNode::Kind::kSequence;
    for (const Json& item : json.array_range()) node.items.push_back(NodeOf(item));
  } else if (!json.is_null()) {
    node.kind = YamlNode::Kind::kScalar;
    node.quoted = IsText(json);
    node.text = ScalarText(json).value_or("");
  }
  return node;
}

void Wipe(YamlNode& node) {
  WipeString(node.text);
  for (YamlNode& item : node.items) Wipe(item);
  for (auto& [key, value] : node.entries) Wipe(value);
}

// The parsed tree of a store's text; wiped on destruction, because its scalars are the secrets.
struct Tree {
  YamlNode root;

  Tree() = default;
  Tree(Tree&&) = default;
  ~Tree() { Wipe(root); }
};

Result<Tree> TreeOf(std::string_view text) {
  Tree tree;
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text[start] == '{') {
    // As JSON first, for what YAML parsers do not accept: tabs, surrogate pairs. YAML may begin
    // with a brace too, so a failure here is not final.
    if (Result<Json> json = ParseJson(text); json.ok()) {
      tree.root = NodeOf(*json);
      return tree;
    }
  }
  Result<YamlNode> root = ParseYaml(text);
  if (!root.ok()) return root.error();
  tree.root = *std::move(root);
  return tree;
}

Result<SecretBytes> ReadValues(const YamlNode& node) {
  if (!node.IsMapping()) return Wrong(node, "values: must be a mapping of key to text");
  // Sorted, so that equal content has equal bytes in any order of its keys.
  std::map<std::string_view, const YamlNode*> members;
  for (const auto& [key, value] : node.entries) {
    if (!value.IsScalar() && !value.IsNull()) {
      return Wrong(value, fmt::format("values: key \"{}\": must be text; for structure write the "
                                      "JSON text under value",
                                      key.text));
    }
    members[key.text] = &value;
  }
  GoJsonObject json;
  for (const auto& [key, value] : members) {
    if (value->IsNull()) {
      json.Raw(key, "null");  // refused where a class asks for it
    } else {
      json.String(key, value->text);
    }
  }
  return json.Finish();
}

// The value of a version: exactly one of value, base64 and values.
Result<SecretBytes> ReadValue(const YamlNode& node) {
  const YamlNode* text = node.Find("value");
  const YamlNode* base64 = node.Find("base64");
  const YamlNode* values = node.Find("values");
  const int given = (text != nullptr) + (base64 != nullptr) + (values != nullptr);
  if (given != 1) {
    return Wrong(node, given == 0 ? "has no value: give one of value, base64 and values"
                                  : "has more than one of value, base64 and values: keep one");
  }
  if (values != nullptr) return ReadValues(*values);
  const YamlNode& scalar = text != nullptr ? *text : *base64;
  const std::string_view name = text != nullptr ? "value" : "base64";
  if (!scalar.IsScalar()) {
    return Wrong(scalar, fmt::format("{}: must be text; \"\" for an empty one", name));
  }
  if (text != nullptr) return SecretBytes(text->text);
  Result<SecretBytes> bytes = Base64Decode(base64->text);
  if (!bytes.ok()) return Wrong(scalar, "base64: " + bytes.error().message());
  return bytes;
}

Result<std::string> ReadVersion(const YamlNode& node) {
  const YamlNode* version = node.Find("version");
  if (version == nullptr || version->IsNull()) return std::string();
  if (!version->IsScalar()) return Wrong(*version, "version: must be text or a number");
  if (version->text.empty()) return Wrong(*version, "version: is empty; leave it out instead");
  return version->text;
}

Status CheckKeys(const YamlNode& node, std::initializer_list<std::string_view> known,
                 std::string_view hint) {
  for (const auto& [key, value] : node.entries) {
    if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
    const std::string closest = ClosestTo(key.text, {known.begin(), known.size()});
    return Wrong(key, closest.empty()
                          ? fmt::format("unknown key \"{}\": {}", key.text, hint)
                          : fmt::format("unknown key \"{}\": did you mean {}?", key.text, closest));
  }
  return {};
}

Result<std::vector<std::string>> ReadServiceAccounts(const YamlNode& node) {
  constexpr std::string_view kForm =
      "serviceAccounts: must be a list of \"namespace/account\", where either half may be \"*\"";
  if (!node.IsSequence()) return Wrong(node, std::string(kForm));
  std::vector<std::string> accounts;
  for (const YamlNode& item : node.items) {
    const std::string& text = item.text;
    const std::size_t slash = text.find('/');
    const auto fits = [](std::string_view half) {
      return !half.empty() && (half == "*" || half.find_first_of("*/") == std::string_view::npos);
    };
    if (!item.IsScalar() || slash == std::string::npos ||
        !fits(std::string_view(text).substr(0, slash)) ||
        !fits(std::string_view(text).substr(slash + 1))) {
      return Wrong(item, std::string(kForm));
    }
    accounts.push_back(text);
  }
  return accounts;
}

Result<WrittenVersion> ReadOneVersion(const YamlNode& node) {
  WrittenVersion written;
  Result<std::string> version = ReadVersion(node);
  if (!version.ok()) return version.error();
  Result<SecretBytes> value = ReadValue(node);
  if (!value.ok()) return value.error();
  written.version = *std::move(version);
  written.value = *std::move(value);
  return written;
}

Status ReadOlderVersions(const YamlNode& node, WrittenSecret& secret) {
  if (!node.IsSequence()) return Wrong(node, "versions: must be a list, the newest first");
  std::set<std::string> seen{secret.versions.front().version};
  for (const YamlNode& item : node.items) {
    if (!item.IsMapping()) return Wrong(item, "versions: each must be a mapping with a version");
    if (Status keys = CheckKeys(item, {"value", "base64", "values", "version"},
                                "a version has value, base64 or values, and version");
        !keys.ok()) {
      return keys.error().Prepend("versions");
    }
    Result<WrittenVersion> older = ReadOneVersion(item);
    if (!older.ok()) return older.error().Prepend("versions");
    if (older->version.empty()) return Wrong(item, "versions: each needs its version");
    if (!seen.insert(older->version).second) {
      return Wrong(item, fmt::format("versions: \"{}\" is there twice", older->version));
    }
    secret.versions.push_back(*std::move(older));
  }
  return {};
}

Error NoValue(const YamlNode& node) {
  return Wrong(
      node, fmt::format("must be text, or a mapping with {}; \"\" for an empty text", kSecretKeys));
}

Result<WrittenSecret> ReadSecret(const YamlNode& node) {
  WrittenSecret secret;
  if (node.IsScalar()) {
    secret.versions.push_back({"", SecretBytes(node.text)});
    return secret;
  }
  if (!node.IsMapping()) return NoValue(node);
  if (Status keys =
          CheckKeys(node, {"value", "base64", "values", "version", "versions", "serviceAccounts"},
                    fmt::format("a secret has {}; put the keys of the secret itself under values",
                                kSecretKeys));
      !keys.ok()) {
    return keys.error();
  }
  Result<WrittenVersion> current = ReadOneVersion(node);
  if (!current.ok()) return current.error();
  secret.versions.push_back(*std::move(current));
  if (const YamlNode* older = node.Find("versions")) {
    if (Status read = ReadOlderVersions(*older, secret); !read.ok()) return read.error();
  }
  if (const YamlNode* accounts = node.Find("serviceAccounts")) {
    auto list = ReadServiceAccounts(*accounts);
    if (!list.ok()) return list.error();
    secret.service_accounts = *std::move(list);
  }
  return secret;
}

}  // namespace

Result<Content> ParseContent(std::string_view text) {
  Result<Tree> tree = TreeOf(text);
  if (!tree.ok()) return tree.error();
  const YamlNode& root = tree->root;
  if (!root.IsMapping()) {
    return Error(
        ErrorCode::kInvalid,
        "the file must be a mapping with the key \"secrets\"; is it empty or half written?");
  }
  if (Status keys = CheckKeys(root, {"secrets"}, "the only one is secrets"); !keys.ok()) {
    return keys.error();
  }
  const YamlNode* secrets = root.Find("secrets");
  if (secrets == nullptr || !secrets->IsMapping()) {
    return Wrong(secrets == nullptr ? root : *secrets,
                 "secrets: must be a mapping of name to secret; {} when there are none");
  }
  Content content;
  for (const auto& [name, node] : secrets->entries) {
    if (Status path = CheckVolumePath(name.text); !path.ok()) {
      return Wrong(name,
                   "a secret's name is a path such as \"db/password\": " + path.error().message());
    }
    // The YAML reader gives a null the position of the next token, so the name's is used.
    Result<WrittenSecret> secret = node.IsNull() ? NoValue(name) : ReadSecret(node);
    if (!secret.ok()) return secret.error().Prepend("secret \"{}\"", name.text);
    content.emplace(name.text, *std::move(secret));
  }
  if (content.size() > kMaxSecrets) {
    return Error::Format(ErrorCode::kTooLarge, "more than {} secrets in one store", kMaxSecrets);
  }
  return content;
}

}  // namespace nodekeep::dev

#include "agent/app/external_secret_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "agent/base/closest.h"
#include "agent/base/codecs.h"
#include "agent/base/go_number.h"
#include "agent/base/utf8.h"
#include "agent/base/yaml.h"

namespace nodekeep {
namespace {

using Part = ExternalSecretTemplate::Part;

const YamlNode* At(const YamlNode& node, std::initializer_list<std::string_view> path) {
  const YamlNode* at = &node;
  for (const std::string_view key : path) {
    at = at->Find(key);
    if (at == nullptr) return nullptr;
  }
  return at->IsNull() ? nullptr : at;
}

std::string TextAt(const YamlNode& node, std::string_view key) {
  const YamlNode* value = node.Find(key);
  return value != nullptr && value->IsScalar() ? value->text : std::string();
}

bool IsExternalSecret(const YamlNode& document, const std::string& name) {
  const YamlNode* own_name = At(document, {"metadata", "name"});
  return TextAt(document, "kind") == "ExternalSecret" &&
         (TextAt(document, "apiVersion") == "external-secrets.io/v1" ||
          TextAt(document, "apiVersion") == "external-secrets.io/v1beta1") &&
         (name.empty() || (own_name != nullptr && own_name->text == name));
}

// "it has SecretStore \"vault\"", for an error about a file without the wanted object.
std::string WhatIsIn(const std::vector<YamlNode>& documents) {
  constexpr std::size_t kMost = 5;
  std::string list;
  std::size_t count = 0;
  for (const YamlNode& document : documents) {
    const std::string kind = TextAt(document, "kind");
    if (kind.empty()) continue;
    if (++count > kMost) {
      list += ", ...";
      break;
    }
    const YamlNode* name = At(document, {"metadata", "name"});
    if (!list.empty()) list += ", ";
    list += Excerpt(kind);
    if (name != nullptr) list += fmt::format(" \"{}\"", Excerpt(name->text));
  }
  return list.empty() ? "it has no Kubernetes object" : "it has " + list;
}

Result<YamlNode> FindExternalSecret(std::string_view text, const std::string& name) {
  Result<std::vector<YamlNode>> documents = ParseYamlDocuments(text);
  if (!documents.ok()) return documents.error();
  std::optional<YamlNode> found;
  for (const YamlNode& document : *documents) {
    if (!IsExternalSecret(document, name)) continue;
    if (found) {
      return Error::Format(ErrorCode::kInvalid,
                           "has several ExternalSecrets: choose one with --name: {}",
                           WhatIsIn(*documents));
    }
    found = document;
  }
  if (found) return *std::move(found);
  const std::string what = name.empty() ? "" : fmt::format(" \"{}\"", Excerpt(name));
  return Error::Format(ErrorCode::kInvalid,
                       "has no ExternalSecret{} of external-secrets.io/v1 or v1beta1: {}", what,
                       WhatIsIn(*documents));
}

using Names = std::span<const std::string_view>;

// The API server refuses a manifest with another field or type, or drops what it does not know.
Status CheckFields(const YamlNode& node, std::string_view place, Names known) {
  if (!node.IsMapping()) return YamlError(node, fmt::format("{} must be a mapping", place));
  for (const YamlEntry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key.text) != known.end()) continue;
    return YamlError(entry.key, fmt::format("{}.{}: unknown field: {}", place, entry.key.text,
                                            SuggestOrList(entry.key.text, known)));
  }
  return {};
}

// Absent and "" are allowed.
Status CheckChoice(const YamlNode& node, std::string_view place, std::string_view key,
                   Names choices) {
  const YamlNode* value = node.Find(key);
  if (value == nullptr || value->IsNull()) return {};
  if (!value->IsScalar()) return YamlError(*value, fmt::format("{}.{} must be text", place, key));
  if (value->text.empty()) return {};
  if (std::find(choices.begin(), choices.end(), value->text) != choices.end()) return {};
  return YamlError(*value, fmt::format("{}.{}: unknown value \"{}\": {}", place, key,
                                       Excerpt(value->text), SuggestOrList(value->text, choices)));
}

// For fields that hold a template: a number, a boolean or null is not a string.
Status CheckText(const YamlNode& node, std::string_view place, std::string_view key) {
  if (!node.IsNull() && !node.IsScalar()) {
    return YamlError(node, fmt::format("{}.{} must be text", place, key));
  }
  if (node.IsScalar() &&
      (node.quoted || (!YamlInt(node).ok() && !YamlBool(node).ok() && !ParseGoFloat(node.text)))) {
    return {};
  }
  return YamlError(node, fmt::format("{}.{} must be text: write it in quotes", place, key));
}

Result<TemplateTexts> ReadTexts(const YamlNode& node, std::string_view place) {
  if (!node.IsMapping()) return YamlError(node, fmt::format("{} must be a mapping", place));
  TemplateTexts texts;
  for (const YamlEntry& entry : node.entries) {
    if (Status text = CheckText(entry.value, place, entry.key.text); !text.ok()) {
      return text.error();
    }
    texts.insert_or_assign(entry.key.text, entry.value.text);
  }
  return texts;
}

Status AddTexts(const YamlNode& root, std::initializer_list<std::string_view> path,
                TemplateTarget target, ExternalSecretTemplate& out) {
  const YamlNode* node = At(root, path);
  if (node == nullptr) return {};
  std::string place = "spec.target.template";
  for (const std::string_view key : path) place += "." + std::string(key);
  Result<TemplateTexts> texts = ReadTexts(*node, place);
  if (!texts.ok()) return texts.error();
  out.parts.push_back({place, target, {.texts = *std::move(texts)}});
  return {};
}

Result<Part> ReadTemplateFrom(const YamlNode& item, std::size_t index) {
  Part part{.place = fmt::format("spec.target.template.templateFrom[{}]", index)};
  constexpr std::string_view kFields[] = {"literal", "configMap", "secret", "target",
                                          "valuesDecodingStrategy"};
  if (Status known = CheckFields(item, part.place, kFields); !known.ok()) return known.error();
  const YamlNode* literal = item.Find("literal");
  if (literal == nullptr && item.Find("configMap") == nullptr && item.Find("secret") == nullptr) {
    return YamlError(item, part.place + " must have a literal, a configMap or a secret");
  }
  if (literal == nullptr) {
    return YamlError(item, part.place +
                               ": has no literal: what is in ConfigMaps and Secrets of the cluster "
                               "is not known here; write it as a literal");
  }
  if (Status text = CheckText(*literal, part.place, "literal"); !text.ok()) return text.error();
  const Result<TemplateTarget> target = ParseTemplateTarget(TextAt(item, "target"));
  if (!target.ok()) return target.error().Prepend("{}.target", part.place);
  const Result<DecodingStrategy> decoding =
      ParseDecodingStrategy(TextAt(item, "valuesDecodingStrategy"));
  if (!decoding.ok()) return decoding.error().Prepend("{}", part.place);
  part.place += ".literal";
  part.target = *target;
  part.content = {.texts = {{"literal", literal->text}},
                  .scope = TemplateScope::kKeysAndValues,
                  .decoding = *decoding};
  return part;
}

Status AddTemplateFrom(const YamlNode& root, ExternalSecretTemplate& out) {
  const YamlNode* list = At(root, {"templateFrom"});
  if (list == nullptr) return {};
  if (!list->IsSequence()) {
    return YamlError(*list, "spec.target.template.templateFrom must be a list");
  }
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    Result<Part> part = ReadTemplateFrom(list->items[i], i);
    if (!part.ok()) return part.error();
    out.parts.push_back(*std::move(part));
  }
  return {};
}

Status CheckTemplate(const YamlNode& root) {
  constexpr std::string_view kPlace = "spec.target.template";
  constexpr std::string_view kFields[] = {"type",        "engineVersion", "metadata",
                                          "mergePolicy", "data",          "templateFrom"};
  constexpr std::string_view kMetadata[] = {"labels", "annotations", "finalizers"};
  constexpr std::string_view kPolicies[] = {"Replace", "Merge"};
  if (Status known = CheckFields(root, kPlace, kFields); !known.ok()) return known;
  if (const YamlNode* metadata = At(root, {"metadata"})) {
    Status known = CheckFields(*metadata, "spec.target.template.metadata", kMetadata);
    if (!known.ok()) return known;
  }
  if (Status choice = CheckChoice(root, kPlace, "mergePolicy", kPolicies); !choice.ok()) {
    return choice;
  }
  const std::string version = TextAt(root, "engineVersion");
  if (version.empty() || version == "v2") return {};
  return YamlError(*root.Find("engineVersion"),
                   fmt::format("spec.target.template.engineVersion: unsupported template engine "
                               "version: {}: only v2 exists, whose functions have other names",
                               Excerpt(version)));
}

struct Place {
  std::size_t line = 0;               // from 1
  std::optional<std::size_t> column;  // from 0, in bytes
};

// The number that `text` begins with, and a colon, are removed.
std::optional<std::size_t> TakeNumber(std::string_view& text) {
  std::size_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end == text.data() + text.size() || *end != ':') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return number;
}

// Of "... template: NAME:LINE:COLUMN: ..." or "... template: NAME:LINE: ...".
std::optional<Place> PlaceIn(std::string_view message, std::string_view name) {
  const std::string prefix = fmt::format("template: {}:", name);
  const std::size_t at = message.rfind(prefix);
  if (at == std::string_view::npos) return std::nullopt;
  message.remove_prefix(at + prefix.size());
  const std::optional<std::size_t> line = TakeNumber(message);
  if (!line) return std::nullopt;
  return Place{*line, TakeNumber(message)};
}

std::string_view LineOf(std::string_view text, std::size_t line) {
  for (; line > 1; --line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// A tab stays one, so that the caret is under its character.
std::string CaretLine(std::string_view before) {
  std::string blanks;
  while (!before.empty()) {
    const std::size_t length = FirstRune(before).length;
    blanks += before.front() == '\t' ? '\t' : ' ';
    before.remove_prefix(length);
  }
  return blanks + "^";
}

Error WithPlace(const Part& part, const std::string& key, const std::string& text,
                const Error& error) {
  const bool keys_too = part.content.scope == TemplateScope::kKeysAndValues;
  const std::string where = keys_too ? part.place : part.place + "." + key;
  const std::optional<Place> place = PlaceIn(error.message(), keys_too ? text : key);
  if (!place) return error.Prepend("{}", where);
  const std::string_view line = LineOf(text, place->line);
  std::string position = fmt::format("{}: line {}", where, place->line);
  if (place->column) position += fmt::format(", column {}", *place->column + 1);
  std::string shown = fmt::format("\n    {}", line);
  if (place->column) shown += "\n    " + CaretLine(line.substr(0, *place->column));
  return Error(error.code(), fmt::format("{}: {}{}", position, error.message(), shown));
}

bool IsPlainText(const SecretBytes& value) {
  return FindInvalidUtf8(value.Reveal()) == std::string_view::npos &&
         value.Reveal().find('\0') == std::string_view::npos;
}

Json TextsOf(const SecretMap& values) {
  Json texts(jsoncons::json_object_arg);
  for (const auto& [key, value] : values) {
    if (IsPlainText(value)) texts[key] = std::string(value.Reveal());
  }
  return texts;
}

Json EncodedOf(const SecretMap& values) {
  Json encoded(jsoncons::json_object_arg);
  for (const auto& [key, value] : values) {
    if (!IsPlainText(value)) encoded[key] = Base64Encode(value.Reveal());
  }
  return encoded;
}

void Overwrite(SecretMap& values, SecretMap with) {
  for (auto& [key, value] : with) values.insert_or_assign(key, std::move(value));
}

Result<SecretMap> RenderPart(const TemplateEnvironment& environment, const Part& part,
                             const go::Value& dot, const TemplateOptions& options) {
  SecretMap out;
  for (const auto& [key, text] : part.content.texts) {
    const TargetTemplate one{
        .texts = {{key, text}}, .scope = part.content.scope, .decoding = part.content.decoding};
    Result<SecretMap> rendered = RenderTarget(environment, one, dot, options);
    if (!rendered.ok()) return WithPlace(part, key, text, rendered.error());
    Overwrite(out, *std::move(rendered));
  }
  return out;
}

}  // namespace

Result<ExternalSecretTemplate> ReadExternalSecret(std::string_view text, const std::string& name) {
  const Result<YamlNode> document = FindExternalSecret(text, name);
  if (!document.ok()) return document.error();
  ExternalSecretTemplate out;
  if (const YamlNode* target = At(*document, {"spec", "target"})) {
    constexpr std::string_view kFields[] = {"name",     "creationPolicy", "deletionPolicy",
                                            "template", "manifest",       "immutable"};
    if (Status known = CheckFields(*target, "spec.target", kFields); !known.ok()) {
      return known.error();
    }
    if (const YamlNode* manifest = At(*target, {"manifest"})) {
      return YamlError(*manifest, "spec.target.manifest: only Secrets are rendered here");
    }
  }
  const YamlNode* root = At(*document, {"spec", "target", "template"});
  if (root == nullptr) {
    out.keeps_data = true;
    return out;
  }
  if (Status checked = CheckTemplate(*root); !checked.ok()) return checked.error();
  if (Status added = AddTemplateFrom(*root, out); !added.ok()) return added.error();
  if (Status added = AddTexts(*root, {"data"}, TemplateTarget::kData, out); !added.ok()) {
    return added.error();
  }
  out.keeps_data = out.parts.empty() || TextAt(*root, "mergePolicy") == "Merge";
  if (Status added = AddTexts(*root, {"metadata", "labels"}, TemplateTarget::kLabels, out);
      !added.ok()) {
    return added.error();
  }
  if (Status added =
          AddTexts(*root, {"metadata", "annotations"}, TemplateTarget::kAnnotations, out);
      !added.ok()) {
    return added.error();
  }
  return out;
}

Result<Json> RenderExternalSecret(const TemplateEnvironment& environment,
                                  const ExternalSecretTemplate& manifest, const SecretMap& data,
                                  const TemplateOptions& options) {
  const go::Value dot = TemplateData(data);
  SecretMap targets[3];
  if (manifest.keeps_data) {
    for (const auto& [key, value] : data) targets[0].emplace(key, value.Clone());
  }
  for (const Part& part : manifest.parts) {
    Result<SecretMap> rendered = RenderPart(environment, part, dot, options);
    if (!rendered.ok()) return rendered.error();
    Overwrite(targets[static_cast<int>(part.target)], *std::move(rendered));
  }
  Json json(jsoncons::json_object_arg);
  json["data"] = TextsOf(targets[0]);
  if (Json encoded = EncodedOf(targets[0]); !encoded.empty()) json["data64"] = std::move(encoded);
  if (!targets[1].empty()) json["labels"] = TextsOf(targets[1]);
  if (!targets[2].empty()) json["annotations"] = TextsOf(targets[2]);
  return json;
}

}  // namespace nodekeep

#include "agent/app/spc_manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "agent/base/go_json.h"
#include "agent/base/read_file.h"

namespace nodekeep {
namespace {

constexpr std::string_view kGroup = "secrets-store.csi.x-k8s.io/";

std::string TextAt(const YamlNode& node, std::string_view key) {
  const YamlNode* value = node.Find(key);
  return value != nullptr && value->IsScalar() ? value->text : "";
}

// The type that kubectl, which reads YAML 1.1, gives a scalar: a string, or a type that the API
// server refuses where it expects a string.
std::string_view TypeOf(const YamlNode& node) {
  if (node.IsMapping()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "null";
  if (node.quoted) return "a string";
  if (YamlBool(node).ok()) return "a boolean";
  if (YamlInt(node).ok()) return "a number";
  std::string digits = node.text;
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  std::string_view rest = digits;
  if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
  for (std::string_view word : {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}) {
    if (rest == word) return "a number";
  }
  double number = 0;
  const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  const bool starts_as_number =
      !rest.empty() && (std::isdigit(static_cast<unsigned char>(rest[0])) != 0 || rest[0] == '.');
  const bool whole = end == rest.data() + rest.size() && failure != std::errc::invalid_argument;
  return starts_as_number && whole ? "a number" : "a string";
}

// The document as the API server gets it. Of booleans and numbers only the type is kept, because no
// field of a class has one.
Json JsonOf(const YamlNode& node) {
  const std::string_view type = TypeOf(node);
  if (type == "null") return Json::null();
  if (type == "a boolean") return Json(true);
  if (type == "a number") return Json(0);
  if (type == "a string") return Json(node.text);
  if (node.IsSequence()) {
    Json list(jsoncons::json_array_arg);
    for (const YamlNode& item : node.items) list.push_back(JsonOf(item));
    return list;
  }
  Json map(jsoncons::json_object_arg);
  for (const auto& [key, value] : node.entries) {
    if (!map.contains(key.text)) map.insert_or_assign(key.text, JsonOf(value));
  }
  return map;
}

// What only a manifest can have wrong: the API server refuses it or drops it.
void CheckManifest(const Json& object, const SpcManifest& manifest,
                   std::vector<ClassFault>& faults) {
  const FieldPath root;
  const FieldPath metadata_path = root.Field("metadata");
  const FieldPath spec_path = root.Field("spec");
  const std::string api = TextOf(Find(object, {"apiVersion"})).value_or("");
  const std::string version = api.substr(kGroup.size());
  if (version != "v1" && version != "v1alpha1") {
    faults.push_back({root.Field("apiVersion"),
                      fmt::format("unknown version {}", GoJsonString(version)),
                      fmt::format("write {}v1", kGroup)});
  }
  CheckFields(object, root, {"apiVersion", "kind", "metadata", "spec", "status"}, faults);
  const Json* metadata = Find(object, {"metadata"});
  if (metadata == nullptr || !metadata->is_object()) {
    faults.push_back({metadata_path, "missing", "add metadata with a name"});
  } else {
    if (manifest.name.empty() && !metadata->contains("generateName")) {
      faults.push_back({metadata_path.Field("name"), "missing", "give the class a name"});
    }
    for (const char* key : {"name", "namespace"}) {
      const Json* value = Find(*metadata, {key});
      if (value != nullptr && !IsText(*value)) {
        faults.push_back(NoString(metadata_path.Field(key), *value));
      }
    }
  }
  if (const Json* spec = Find(object, {"spec"})) {
    CheckFields(*spec, spec_path, {"provider", "parameters", "secretObjects"}, faults);
  }
  if (!manifest.provider.empty() && !IsProviderName(manifest.provider)) {
    faults.push_back({spec_path.Field("provider"),
                      fmt::format("invalid provider: provider {}", GoJsonString(manifest.provider)),
                      fmt::format("use at most {} letters, digits, - and _", kMaxProviderName)});
  }
}

// Fills in the lines, and checks the keys of parameters, which JSON has as texts.
void ReadLines(SpcManifest& manifest, std::vector<ClassFault>& faults) {
  const YamlNode* spec = manifest.document.Find("spec");
  if (spec == nullptr) return;
  if (const YamlNode* provider = spec->Find("provider")) manifest.provider_line = provider->line;
  const YamlNode* parameters = spec->Find("parameters");
  if (parameters == nullptr) return;
  for (const auto& [key, value] : parameters->entries) {
    manifest.parameter_lines.emplace(key.text, key.line);
    const std::string_view type = TypeOf(key);
    if (type == "a string") continue;
    faults.push_back({.path = FieldPath().Field("spec").Field("parameters").Field(key.text),
                      .message = fmt::format("must be a string, found {}", type),
                      .fix = fmt::format("quote it: {}", GoJsonString(key.text)),
                      .of_key = true});
  }
}

void ReadClass(const std::string& file, const YamlNode& document, ManifestCheck& check) {
  std::vector<ClassFault> faults;
  std::vector<ClassFault> of_manifest;
  const Json object = JsonOf(document);
  SpcManifest manifest{ReadSecretProviderClass(object, faults)};
  manifest.file = file;
  manifest.line = document.line;
  manifest.document = document;
  CheckManifest(object, manifest, of_manifest);
  ReadLines(manifest, of_manifest);
  for (const ClassFault& fault : of_manifest) check.findings.push_back(manifest.FindingOf(fault));
  for (const ClassFault& fault : faults) check.findings.push_back(manifest.FindingOf(fault));
  std::vector<SpcManifest>& into =
      faults.empty() && of_manifest.empty() ? check.classes : check.faulty;
  into.push_back(std::move(manifest));
}

bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '/' ||
         c == '.';
}

bool HasWord(std::string_view text, std::string_view word) {
  if (word.empty()) return false;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; ++at) {
    const bool starts = at == 0 || !IsWordByte(text[at - 1]);
    const std::size_t end = at + word.size();
    if (starts && (end == text.size() || !IsWordByte(text[end]))) return true;
  }
  return false;
}

// The double-quoted strings in `message`.
std::vector<std::string_view> QuotedWords(std::string_view message) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t open = message.find('"');
    if (open == std::string_view::npos) return words;
    message.remove_prefix(open + 1);
    const std::size_t close = message.find('"');
    if (close == std::string_view::npos) return words;
    if (close > 0) words.push_back(message.substr(0, close));
    message.remove_prefix(close + 1);
  }
}

// N of "line N" in `message`; 0 = none.
int NumberedLine(std::string_view message) {
  constexpr std::string_view kWord = "line ";
  const std::size_t at = message.find(kWord);
  if (at == std::string_view::npos) return 0;
  int number = 0;
  std::from_chars(message.data() + at + kWord.size(), message.data() + message.size(), number);
  return std::max(number, 0);
}

std::string_view LineOf(std::string_view text, int number) {
  for (int line = 1; line < number && !text.empty(); ++line) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The first line in [first, last) of `text` that holds one of `words` as a word; 0 = none.
int LineWith(std::string_view text, int first, int last,
             const std::vector<std::string_view>& words) {
  int line = 1;
  while (!text.empty() && line < last) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (line >= first) {
      for (std::string_view word : words) {
        if (HasWord(text.substr(0, end), word)) return line;
      }
    }
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line;
  }
  return 0;
}

}  // namespace

std::string SpcManifest::ObjectText() const {
  return "SecretProviderClass" + (name.empty() ? "" : " " + Text());
}

Finding SpcManifest::FindingOf(const ClassFault& fault, std::string_view parent) const {
  std::vector<std::string> steps = fault.path.steps();
  if (!parent.empty()) steps.insert(steps.begin(), std::string(parent));
  const YamlNode* at = &document;
  const YamlNode* key = nullptr;  // of `at`
  bool found = true;
  for (const std::string& step : steps) {
    std::size_t index = 0;
    const YamlNode* below = nullptr;
    if (at->IsSequence()) {
      std::from_chars(step.data(), step.data() + step.size(), index);
      if (index < at->items.size()) below = &at->items[index];
      key = below == nullptr ? key : nullptr;
    }
    for (const YamlEntry& entry : at->entries) {
      if (entry.key.text != step) continue;
      key = &entry.key;
      below = &entry.value;
      break;
    }
    if (below == nullptr) {
      found = false;
      break;
    }
    at = below;
  }
  Finding finding{.source = file,
                  .object = ObjectText(),
                  .field = (parent.empty() ? "" : std::string(parent) + ".") + fault.path.text(),
                  .message = fault.message,
                  .fix = fault.fix};
  if (fault.needs_quotes && at->IsScalar()) {
    finding.fix = fmt::format("quote it: {}", GoJsonString(at->text));
  }
  // An absent value has no position of its own.
  if (key != nullptr && ((fault.of_key && found) || at->IsNull())) at = key;
  finding.line = at->line;
  finding.column = at->column;
  return finding;
}

Finding SpcManifest::FindingOfParseError(const Error& error, std::string_view text) const {
  // The longest parameter that the message names. Errors of an object's fields do not name the list
  // that contains them, which every dialect calls `objects`.
  std::string parameter;
  for (const auto& [key, value] : parameters) {
    // A hint may name another parameter.
    if (error.message().starts_with(fmt::format("parameter {}: ", key))) {
      parameter = key;
      break;
    }
    if (HasWord(error.message(), key) && key.size() > parameter.size()) parameter = key;
  }
  if (parameter.empty() && parameters.contains("objects")) parameter = "objects";

  Finding finding{.source = file,
                  .line = provider_line,
                  .object = ObjectText(),
                  .field = "spec.parameters",
                  .message = error.message()};
  if (parameter.empty()) return finding;
  finding.field += "." + parameter;
  finding.line = parameter_lines.at(parameter);
  // The dialect counts lines from the start of the parameter's text. A block scalar's lines are
  // those of the file.
  const int numbered = NumberedLine(error.message());
  if (numbered > 0 && LineOf(text, finding.line).find_first_of("|>") != std::string_view::npos) {
    finding.line += numbered;
    return finding;
  }
  int next = static_cast<int>(text.size()) + 1;
  for (const auto& [key, line_of_key] : parameter_lines) {
    if (line_of_key > finding.line) next = std::min(next, line_of_key);
  }
  const int inside = LineWith(text, finding.line + 1, next, QuotedWords(error.message()));
  if (inside > 0) finding.line = inside;
  return finding;
}

DocumentKind KindOf(const YamlNode& document) {
  const std::string api = TextAt(document, "apiVersion");
  const std::string kind = TextAt(document, "kind");
  if (kind == "SecretProviderClass" && api.starts_with(kGroup)) {
    return DocumentKind::kSecretProviderClass;
  }
  const bool is_object = document.Find("apiVersion") != nullptr || document.Find("kind") != nullptr;
  return is_object ? DocumentKind::kOtherObject : DocumentKind::kOther;
}

void ReadManifest(const std::string& file, const YamlNode& document, ManifestCheck& check) {
  const YamlNode* items = document.Find("items");
  if (TextAt(document, "kind").ends_with("List") && items != nullptr) {
    for (const YamlNode& item : items->items) ReadManifest(file, item, check);
    return;
  }
  if (KindOf(document) != DocumentKind::kSecretProviderClass) {
    if (TextAt(document, "kind") != "SecretProviderClass") return;
    SpcManifest manifest;
    manifest.file = file;
    manifest.document = document;
    if (const YamlNode* metadata = document.Find("metadata")) {
      manifest.name = TextAt(*metadata, "name");
      manifest.namespace_name = TextAt(*metadata, "namespace");
    }
    Finding finding = manifest.FindingOf(
        {FieldPath(), "not the API of SecretProviderClass", fmt::format("write {}v1", kGroup)});
    finding.field = "apiVersion";
    check.findings.push_back(std::move(finding));
    return;
  }
  ReadClass(file, document, check);
}

ManifestCheck ReadManifests(const std::string& file, std::string_view text) {
  ManifestCheck check;
  const Result<std::vector<YamlNode>> documents = ParseYamlDocuments(text);
  if (!documents.ok()) {
    check.findings.push_back(FindingOf(file, documents.error()));
    return check;
  }
  for (const YamlNode& document : *documents) ReadManifest(file, document, check);
  return check;
}

Result<SpcManifest> LoadManifest(const std::string& path, const std::string& name) {
  const Result<SecretBytes> text = ReadFile(path, kMaxYamlBytes, FileKind::kAny);
  if (!text.ok()) return text.error();
  ManifestCheck check = ReadManifests(path, text->Reveal());
  if (!check.findings.empty()) {
    std::vector<std::string> lines;
    for (const Finding& finding : check.findings) lines.push_back(finding.Text());
    return Error(ErrorCode::kInvalid, fmt::format("{}", fmt::join(lines, "\n  ")));
  }
  std::vector<std::string> names;
  for (SpcManifest& manifest : check.classes) {
    if (!name.empty() && manifest.name == name) return std::move(manifest);
    names.push_back(manifest.name);
  }
  if (names.empty()) {
    return Error::Format(ErrorCode::kNotFound, "{}: there is no SecretProviderClass in it", path);
  }
  if (!name.empty()) {
    return Error::Format(ErrorCode::kNotFound, "{}: no SecretProviderClass \"{}\" in it; it has {}",
                         path, name, fmt::join(names, ", "));
  }
  if (names.size() > 1) {
    return Error::Format(ErrorCode::kInvalid,
                         "{}: has several SecretProviderClasses; choose from {}", path,
                         fmt::join(names, ", "));
  }
  return std::move(check.classes.front());
}

}  // namespace nodekeep

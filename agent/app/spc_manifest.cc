#include "agent/app/spc_manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "agent/base/closest.h"
#include "agent/base/go_json.h"
#include "agent/base/read_file.h"
#include "agent/secrets/secret_provider_class.h"

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

class Reader {
 public:
  Reader(const std::string& file, std::vector<Finding>& findings)
      : file_(file), findings_(findings) {}

  SpcManifest Read(const YamlNode& document) {
    SpcManifest manifest{.file = file_, .line = document.line};
    const YamlNode* api = document.Find("apiVersion");
    const std::string version = api->text.substr(kGroup.size());
    if (version != "v1" && version != "v1alpha1") {
      Report(*api, "apiVersion", fmt::format("unknown version {}", GoJsonString(version)),
             fmt::format("write {}v1", kGroup));
    }
    CheckKeys(document, "", {"apiVersion", "kind", "metadata", "spec", "status"});
    ReadMetadata(document, manifest);
    const YamlNode* spec = document.Find("spec");
    if (spec == nullptr || !spec->IsMapping()) {
      Report(spec == nullptr ? document : *spec, "spec", "missing",
             "add spec with provider and parameters");
      return manifest;
    }
    CheckKeys(*spec, "spec", {"provider", "parameters", "secretObjects"});
    ReadProvider(*spec, manifest);
    ReadParameters(*spec, manifest);
    const YamlNode* objects = spec->Find("secretObjects");
    if (objects != nullptr && !objects->IsSequence() && !objects->IsNull()) {
      Report(*objects, "spec.secretObjects",
             fmt::format("expected a list, found {}", TypeOf(*objects)),
             "write one `- secretName: ...` per Secret");
    }
    return manifest;
  }

 private:
  void ReadMetadata(const YamlNode& document, SpcManifest& manifest) {
    const YamlNode* metadata = document.Find("metadata");
    if (metadata == nullptr || !metadata->IsMapping()) {
      Report(metadata == nullptr ? document : *metadata, "metadata", "missing",
             "add metadata with a name");
      return;
    }
    manifest.name = TextAt(*metadata, "name");
    manifest.namespace_name = TextAt(*metadata, "namespace");
    if (manifest.name.empty() && TextAt(*metadata, "generateName").empty()) {
      Report(*metadata, "metadata.name", "missing", "give the class a name");
    }
    for (const char* key : {"name", "namespace"}) {
      const YamlNode* value = metadata->Find(key);
      if (value != nullptr && TypeOf(*value) != "a string") {
        ReportType(*value, fmt::format("metadata.{}", key));
      }
    }
  }

  void ReadProvider(const YamlNode& spec, SpcManifest& manifest) {
    const YamlNode* provider = spec.Find("provider");
    if (provider == nullptr || (provider->IsScalar() && provider->text.empty())) {
      Report(provider == nullptr ? spec : *provider, "spec.provider", "missing",
             "name the provider, such as vault");
      return;
    }
    if (TypeOf(*provider) != "a string") return ReportType(*provider, "spec.provider");
    manifest.provider = provider->text;
    manifest.provider_line = provider->line;
    if (!IsProviderName(manifest.provider)) {
      Report(*provider, "spec.provider",
             fmt::format("invalid provider: provider {}", GoJsonString(manifest.provider)),
             fmt::format("use at most {} letters, digits, - and _", kMaxProviderName));
    }
  }

  void ReadParameters(const YamlNode& spec, SpcManifest& manifest) {
    const YamlNode* parameters = spec.Find("parameters");
    if (parameters == nullptr || parameters->IsNull() ||
        (parameters->IsMapping() && parameters->entries.empty())) {
      Report(parameters == nullptr ? spec : *parameters, "spec.parameters", "missing",
             "add the parameters of the provider; the driver refuses a class without any");
      return;
    }
    if (!parameters->IsMapping()) {
      Report(*parameters, "spec.parameters",
             fmt::format("expected a map, found {}", TypeOf(*parameters)),
             "write `name: value` lines below it");
      return;
    }
    for (const auto& [key, value] : parameters->entries) {
      if (TypeOf(key) != "a string") ReportType(key, "spec.parameters." + key.text);
      if (TypeOf(value) != "a string") {
        YamlNode place = value;
        if (value.IsNull()) {  // an absent value has no position of its own
          place.line = key.line;
          place.column = key.column;
        }
        ReportType(place, "spec.parameters." + key.text);
        continue;
      }
      manifest.parameters[key.text] = value.text;
      manifest.parameter_lines[key.text] = key.line;
    }
  }

  // Fields that no version of the API has: the API server drops them silently.
  void CheckKeys(const YamlNode& node, const std::string& path,
                 std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : node.entries) {
      if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
      Report(key, path.empty() ? key.text : path + "." + key.text, "unknown field",
             SuggestOrList(key.text, {known.begin(), known.size()}, "known here:"));
    }
  }

  void ReportType(const YamlNode& node, const std::string& field) {
    const std::string_view type = TypeOf(node);
    const std::string fix = node.IsScalar() ? fmt::format("quote it: {}", GoJsonString(node.text))
                            : node.IsNull() ? "write \"\" for an empty text, or remove the line"
                                            : "write it as a text below `|`";
    Report(node, field, fmt::format("must be a string, found {}", type), fix);
  }

  void Report(const YamlNode& node, std::string field, std::string message, std::string fix) {
    findings_.push_back({.source = file_,
                         .line = node.line,
                         .column = node.column,
                         .field = std::move(field),
                         .message = std::move(message),
                         .fix = std::move(fix)});
  }

  const std::string& file_;
  std::vector<Finding>& findings_;
};

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

Finding SpcManifest::FindingOfParseError(const Error& error, std::string_view text) const {
  // The longest parameter that the message names. Errors of an object's fields do not name the list
  // that contains them, which every dialect calls `objects`.
  std::string parameter;
  for (const auto& [key, value] : parameters) {
    if (HasWord(error.message(), key) && key.size() > parameter.size()) parameter = key;
  }
  if (parameter.empty() && parameters.contains("objects")) parameter = "objects";

  Finding finding{.source = file,
                  .line = provider_line,
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
    check.findings.push_back({.source = file,
                              .line = document.line,
                              .column = document.column,
                              .field = "apiVersion",
                              .message = "not the API of SecretProviderClass",
                              .fix = fmt::format("write {}v1", kGroup)});
    return;
  }
  const std::size_t before = check.findings.size();
  SpcManifest manifest = Reader(file, check.findings).Read(document);
  if (check.findings.size() == before) check.classes.push_back(std::move(manifest));
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

#include "agent/secrets/spc_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/closest.h"
#include "agent/base/go_text.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// "a, b or c"
std::string Alternatives(std::span<const std::string_view> words) {
  if (words.size() < 2) return fmt::format("{}", fmt::join(words, ""));
  return fmt::format("{} or {}", fmt::join(words.first(words.size() - 1), ", "), words.back());
}

Error TooLong(std::string_view what, std::string_view name, std::size_t size, std::size_t most) {
  return Error::Format(ErrorCode::kInvalid, "{}{} has {} bytes; {} are the most", what,
                       Excerpt(name), size, most);
}

bool Contains(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// What is at an end of a text that has one line; "" = nothing.
std::string_view WhiteSpaceOf(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  if (text.empty()) return "";
  if (text.find('\n') != std::string_view::npos) return "has a line end in it";
  const bool spaced = kSpace.find(text.front()) != std::string_view::npos ||
                      kSpace.find(text.back()) != std::string_view::npos;
  return spaced ? "begins or ends with white space" : "";
}

// Whether `text`, a decimal number, is three digits that are a usual mode when read as octal. 420
// and 416, which are 0644 and 0640, are not.
bool LooksOctal(std::string_view text) {
  if (text.size() != 3) return false;
  int outer = 07;
  for (const char c : text) {
    const int bits = c - '0';
    // Others than the owner have no bits that those before them lack.
    if (c < '0' || c > '7' || (bits != 0 && bits < 4) || (bits & ~outer) != 0) return false;
    outer = bits;
  }
  return text.front() != '0';
}

}  // namespace

Status CheckParameterSizes(const std::map<std::string, std::string>& parameters,
                           std::span<const std::string_view> pem) {
  if (parameters.size() > kMaxParameters) {
    return Error::Format(ErrorCode::kInvalid, "the class has {} parameters; {} are the most",
                         parameters.size(), kMaxParameters);
  }
  for (const auto& [name, value] : parameters) {
    if (name.size() > kMaxParameterName) {
      return TooLong("the name of parameter ", name, name.size(), kMaxParameterName);
    }
    const bool is_pem = std::ranges::find(pem, name) != pem.end();
    const std::size_t most = name == "objects" ? kMaxObjectsText
                             : is_pem          ? kMaxPemParameter
                                               : kMaxParameter;
    if (value.size() > most) return TooLong("parameter ", name, value.size(), most);
  }
  return {};
}

bool LooksReserved(std::string_view key) { return StartsWithIgnoreCase(key, "nodekeep"); }

const std::string* SpcParameters::Find(std::string_view name) const {
  auto found = values_.find(std::string(name));
  return found == values_.end() ? nullptr : &found->second;
}

std::string SpcParameters::Or(std::string_view name, std::string_view node) const {
  const std::string* value = Find(name);
  return value == nullptr || value->empty() ? std::string(node) : *value;
}

std::string SpcParameters::SourceOf(std::string_view name, std::string_view setting) const {
  if (!Get(name).empty()) return std::string(name);
  return fmt::format("{} of the node's configuration", setting);
}

Result<bool> SpcParameters::Flag(std::string_view name, bool otherwise) const {
  const std::string* value = Find(name);
  if (value == nullptr) return otherwise;
  Result<bool> flag = ParseGoBool(*value);
  if (!flag.ok()) return flag.error().Prepend("parameter {}: must be true or false", name);
  return flag;
}

void WarnOfParameters(const SpcParameters& parameters, std::span<const std::string_view> known,
                      std::span<const std::string_view> long_texts, SpcWarnings& warnings) {
  for (const auto& parameter : parameters.values()) {
    const std::string& name = parameter.first;
    const std::string& value = parameter.second;
    if (name == "objects" || Contains(long_texts, name)) continue;
    if (!Contains(known, name) && !LooksReserved(name)) {
      warnings.Add([&] {
        return fmt::format("parameter {}: is unknown and ignored: {}", Excerpt(name),
                           SuggestOrList(name, known, "the parameters are"));
      });
    } else if (const std::string_view what = WhiteSpaceOf(value); !what.empty()) {
      warnings.Add([&] {
        return fmt::format("parameter {}: {}: write it on one line, without `|`", Excerpt(name),
                           what);
      });
    }
  }
}

void WarnOfUrlPath(const SpcParameters& parameters, std::string_view name,
                   std::span<const std::string_view> wrong, std::string_view fix,
                   SpcWarnings& warnings) {
  const std::string url = parameters.Get(name);
  const std::size_t host = url.find("://");
  // A user name in a URL usually comes with a password.
  if (!StartsWithIgnoreCase(url, "http") || host == std::string::npos ||
      url.find('@') != std::string::npos) {
    return;
  }
  std::string path = url.substr(std::min(url.find('/', host + 3), url.size()));
  while (path.ends_with('/')) path.pop_back();
  for (const std::string_view part : wrong) {
    if (!path.ends_with(part) && !path.starts_with(fmt::format("{}/", part))) continue;
    warnings.Add([&] {
      return fmt::format("parameter {}: \"{}\" has the path {}, below which is no API: {}", name,
                         Excerpt(url), part, fix);
    });
    return;
  }
}

TlsSettings TlsOverNode(const TlsSettings& of_class, const TlsSettings& node) {
  TlsSettings tls = node;
  if (!of_class.ca_file.empty() || !of_class.ca_directory.empty() || !of_class.ca_pem.empty()) {
    tls.ca_file = of_class.ca_file;
    tls.ca_directory = of_class.ca_directory;
    tls.ca_pem = of_class.ca_pem;
  }
  if (!of_class.server_name.empty()) tls.server_name = of_class.server_name;
  if (!of_class.client_cert_file.empty() || !of_class.client_key_file.empty()) {
    tls.client_cert_file = of_class.client_cert_file;
    tls.client_key_file = of_class.client_key_file;
  }
  tls.skip_verify = of_class.skip_verify || node.skip_verify;
  return tls;
}

Result<std::vector<YamlNode>> ReadObjectList(std::string_view text, std::string_view when_empty) {
  Result<YamlNode> root = ParseYaml(text);
  if (!root.ok()) return root.error().Prepend("parameter objects");
  if (root->items.empty() && !when_empty.empty()) {
    return YamlError(*root, when_empty).Prepend("parameter objects");
  }
  if (!root->IsSequence() && !root->IsNull()) {
    return YamlError(*root, "must be a list of objects").Prepend("parameter objects");
  }
  if (root->items.size() > kMaxObjects) {
    return Error::Format(ErrorCode::kInvalid,
                         "parameter objects lists {} objects; {} are the most: use several classes",
                         root->items.size(), kMaxObjects);
  }
  return std::move(root->items);
}

void SpcEntry::SetObject(std::string_view name) { object_ = Excerpt(name); }

SpcEntry::SpcEntry(const YamlNode& node, std::string_view wanted) : node_(node) {
  if (!node.IsMapping() && !node.IsNull()) Fail(node, wanted);
}

const YamlNode* SpcEntry::Find(std::string_view key) const {
  const YamlNode* value = node_.Find(key);
  return value == nullptr || value->IsNull() ? nullptr : value;
}

std::string SpcEntry::Text(std::string_view key) {
  const YamlNode* value = Find(key);
  if (value == nullptr) return "";
  if (!value->IsScalar()) Fail(*value, fmt::format("{}: must be text", key));
  return value->text;
}

std::string SpcEntry::Property() {
  std::string name = Text(kPropertyKey);
  // Each of its dots is a place where a key may end, so a long one is expensive to look up.
  if (name.size() > kMaxProperty) {
    FailAt(kPropertyKey, fmt::format("{}: has {} bytes; {} are the most", kPropertyKey, name.size(),
                                     kMaxProperty));
  }
  return name;
}

std::optional<bool> SpcEntry::Flag(std::string_view key) {
  const YamlNode* value = Find(key);
  if (value == nullptr) return std::nullopt;
  Result<bool> flag = YamlBool(*value);
  if (flag.ok()) return *flag;
  Fail(*value, fmt::format("{}: must be true or false", key));
  return std::nullopt;
}

std::optional<std::uint32_t> SpcEntry::Mode(std::string_view key) {
  const YamlNode* value = Find(key);
  if (value == nullptr) return std::nullopt;
  Result<std::int64_t> mode = YamlInt(*value);
  if (!mode.ok()) {
    Fail(*value, fmt::format("{}: must be a number without quotes, such as 0400", key));
    return std::nullopt;
  }
  if (*mode < 0 || *mode > kMaxFileMode) {
    Fail(*value, fmt::format("{}: {} is outside 0000 to 0777; octal numbers begin with 0, such as "
                             "0400",
                             key, Excerpt(value->text)));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*mode);
}

std::string SpcEntry::OneOf(std::string_view key, std::span<const std::string_view> known) {
  std::string text = Text(key);
  if (!text.empty() && std::ranges::find(known, text) == known.end()) {
    FailAt(key,
           fmt::format("{}: \"{}\" is unknown: use {}", key, Excerpt(text), Alternatives(known)));
  }
  return text;
}

const YamlNode* SpcEntry::UnknownReservedKey(std::span<const std::string_view> known) const {
  for (const YamlEntry& entry : node_.entries) {
    const std::string& key = entry.key.text;
    if (LooksReserved(key) && std::ranges::find(known, key) == known.end()) return &entry.key;
  }
  return nullptr;
}

void SpcEntry::WarnOfKeys(std::span<const std::string_view> known, std::string_view mode_key,
                          SpcWarnings& warnings) const {
  for (const auto& [key, value] : node_.entries) {
    const std::string& name = key.text;
    if (name == mode_key) {
      if (!value.IsScalar() || value.quoted || !LooksOctal(value.text)) continue;
      Warn(name,
           fmt::format("{}: {} is a decimal number, the mode {:04o}: octal numbers begin with 0: "
                       "write 0{}",
                       name, value.text, std::stoi(value.text), value.text),
           warnings);
    } else if (!Contains(known, name)) {
      if (LooksReserved(name)) continue;
      warnings.Add([this, at = &key, known] {
        return InObjects(*at, fmt::format("key {} is unknown and ignored: {}", Excerpt(at->text),
                                          SuggestOrList(at->text, known, "the keys are")));
      });
    } else if (value.IsScalar() && !WhiteSpaceOf(value.text).empty()) {
      Warn(name,
           fmt::format("{}: {}: write it on one line, without `|`", name, WhiteSpaceOf(value.text)),
           warnings);
    }
  }
}

void SpcEntry::Warn(std::string_view key, std::string_view message, SpcWarnings& warnings) const {
  const YamlNode* value = Find(key);
  warnings.Add([&] { return InObjects(value == nullptr ? node_ : *value, message); });
}

std::string SpcEntry::InObjects(const YamlNode& at, std::string_view message) const {
  return "parameter objects: " + TextAt(at, message);
}

std::string SpcEntry::TextAt(const YamlNode& at, std::string_view message) const {
  return YamlError(at, object_.empty() ? std::string(message)
                                       : fmt::format("object \"{}\": {}", object_, message))
      .message();
}

void SpcEntry::Fail(const YamlNode& at, std::string_view message) {
  if (!failed()) status_ = Error(ErrorCode::kInvalid, TextAt(at, message));
}

void SpcEntry::FailAt(std::string_view key, std::string_view message) {
  const YamlNode* value = Find(key);
  Fail(value == nullptr ? node_ : *value, message);
}

std::optional<VolumePaths::Clash> VolumePaths::Add(const std::string& path) {
  using Kind = Clash::Kind;
  if (!paths_.insert(path).second) return Clash{Kind::kSame, path};
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    std::string folder = path.substr(0, slash);
    if (paths_.contains(folder)) return Clash{Kind::kBelowOther, std::move(folder)};
  }
  const auto inside = paths_.lower_bound(path + "/");
  if (inside == paths_.end() || !inside->starts_with(path + "/")) return std::nullopt;
  return Clash{Kind::kAboveOther, *inside};
}

Status VolumePaths::Add(const YamlNode& node, const std::string& path, const Words& words) {
  const std::optional<Clash> clash = Add(path);
  if (!clash) return {};
  const std::string_view text = clash->kind == Clash::Kind::kSame         ? words.same
                                : clash->kind == Clash::Kind::kBelowOther ? words.below_other
                                                                          : words.above_other;
  return YamlError(node, fmt::format("object \"{}\": {}", Excerpt(path),
                                     fmt::format(fmt::runtime(text), Excerpt(clash->other))));
}

}  // namespace nodekeep

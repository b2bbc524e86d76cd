#include "agent/template/signature.h"

#include <algorithm>
#include <map>

#include "agent/base/mutex.h"

namespace nodekeep::go {
namespace {

struct Alias {
  std::string_view name;
  Type type;
};

constexpr Alias kAliases[] = {
    {"[]any", Type::kAnyList},
    {"[][]any", Type::kListOfLists},
    {"map[string]any", Type::kMap},
    {"certificate", Type::kCertificate},
};

std::optional<Type> FindType(std::string_view name) {
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return alias.type;
  }
  for (int i = 1; i <= static_cast<int>(Type::kCertificate); ++i) {
    if (NameOf(static_cast<Type>(i)) == name) return static_cast<Type>(i);
  }
  return std::nullopt;
}

std::string_view WithoutBlanks(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<Type> Signature::TypeAt(std::size_t index) const {
  return parameters[std::min(index, parameters.size() - 1)];
}

std::optional<Signature> ParseSignature(std::string_view parameters) {
  Signature signature;
  std::size_t untyped = 0;  // names whose type stands with a later one: "a, b string"
  while (!WithoutBlanks(parameters).empty()) {
    const std::size_t comma = std::min(parameters.find(','), parameters.size());
    const std::string_view parameter = WithoutBlanks(parameters.substr(0, comma));
    parameters.remove_prefix(std::min(comma + 1, parameters.size()));
    ++untyped;
    const std::size_t blank = parameter.find(' ');
    if (blank == std::string_view::npos) continue;
    std::string_view name = WithoutBlanks(parameter.substr(blank));
    if (name.starts_with("...")) {
      signature.variadic = true;
      name.remove_prefix(3);
    }
    const bool is_any = name == "any" || name == "interface{}" || name == "interface {}";
    const std::optional<Type> type = is_any ? std::nullopt : FindType(name);
    if (!is_any && !type) return std::nullopt;
    signature.parameters.insert(signature.parameters.end(), untyped, type);
    untyped = 0;
  }
  if (untyped > 0) return std::nullopt;
  return signature;
}

const Signature& SignatureOf(std::string_view parameters) {
  static Mutex mutex;
  static std::map<std::string_view, Signature> known;
  const MutexLock lock(mutex);
  const auto found = known.find(parameters);
  if (found != known.end()) return found->second;
  // Every text comes from a table of this program; a test parses them all.
  return known.emplace(parameters, ParseSignature(parameters).value_or(Signature())).first->second;
}

}  // namespace nodekeep::go

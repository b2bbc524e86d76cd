#include <algorithm>
#include <map>

#include "agent/template/format.h"
#include "agent/template/function.h"

namespace nodekeep::go {

std::span<const FunctionGroup> FunctionGroups() {
  static const FunctionGroup groups[] = {
      {"Text", StringFunctions()},
      {"Regular expressions", RegexpFunctions()},
      {"Encodings", EncodingFunctions()},
      {"Numbers", NumberFunctions()},
      {"Lists", ListFunctions()},
      {"Maps", MapFunctions()},
      {"Defaults, logic, reflection", LogicFunctions()},
      {"JSON", JsonFunctions()},
      {"YAML", YamlFunctions()},
      {"Paths", PathFunctions()},
      {"Dates", DateFunctions()},
      {"URLs", UrlFunctions()},
      {"Versions", VersionFunctions()},
      {"Passwords, encryption, random values", PasswordFunctions()},
      {"Keys and certificates", CertificateFunctions()},
      {"PKCS#12", Pkcs12Functions()},
      {"PEM", PemFunctions()},
      {"JWK", JwkFunctions()},
  };
  return groups;
}

const Function* FindFunction(std::string_view name) {
  static const std::map<std::string_view, const Function*> table = [] {
    std::map<std::string_view, const Function*> all;
    for (const FunctionGroup& group : FunctionGroups()) {
      for (const Function& function : group.functions) all.emplace(function.name, &function);
    }
    return all;
  }();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

const Method* FindMethod(Type receiver, std::string_view name) {
  for (const std::span<const Method> methods :
       {TimeMethods(), VersionMethods(), CertificateMethods()}) {
    const auto found = std::find_if(methods.begin(), methods.end(), [&](const Method& method) {
      return method.receiver == receiver && method.function.name == name;
    });
    if (found != methods.end()) return &*found;
  }
  return nullptr;
}

std::optional<std::string> StringOf(const Value& value) {
  if (std::optional<std::string> text = TimeText(value)) return text;
  return VersionText(value);
}

}  // namespace nodekeep::go

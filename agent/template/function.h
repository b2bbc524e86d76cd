#pragma once

// The table of template functions: External Secrets' own 18 and the 209 that it has from sprig.
// Each group of functions is one file functions_<group>.cc, which exports its part of the table.
//
// The executor checks the arguments against `parameters` as Go's reflection does, so a function
// finds its arguments in the stated types. For `any` it may find nil; for lists and maps the nil of
// their type.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// Errors: kInvalid with the text of Go's error or panic, without "error calling NAME: ", which the
// executor adds; kTooLarge for a limit.
using FunctionCall = Result<Value> (*)(Call& call, std::span<const Value> arguments);

struct Function {
  std::string_view name;
  // As in Go, with `any`: "old string, new string, s string"; the last may be variadic: "items
  // ...any". Types: any bool int int64 uint32 float64 string sprig.HashAlgorithm []any []string
  // map[string]any time.Time certificate.
  std::string_view parameters;
  FunctionCall call;
  // One line for the reference: what it returns. Plain text.
  std::string_view summary;
  // A template that shows it; its output stands beside it in the reference. "" for an alias or a
  // variant that is explained with another function.
  std::string_view example = "";
};

// A field or method of a type: `{{ (semver .v).Major }}`. The receiver is the first argument.
struct Method {
  Type receiver;
  Function function;
  bool is_field = false;  // takes no arguments, not even "()"
};

std::span<const Function> StringFunctions();       // functions_strings.cc
std::span<const Function> RegexpFunctions();       // functions_regexp.cc
std::span<const Function> EncodingFunctions();     // functions_encoding.cc
std::span<const Function> NumberFunctions();       // functions_numbers.cc
std::span<const Function> ListFunctions();         // functions_lists.cc
std::span<const Function> MapFunctions();          // functions_maps.cc
std::span<const Function> LogicFunctions();        // functions_logic.cc
std::span<const Function> JsonFunctions();         // functions_json.cc
std::span<const Function> PathFunctions();         // functions_paths.cc
std::span<const Function> YamlFunctions();         // functions_yaml.cc
std::span<const Function> DateFunctions();         // functions_dates.cc
std::span<const Function> UrlFunctions();          // functions_urls.cc
std::span<const Function> VersionFunctions();      // functions_versions.cc
std::span<const Function> PasswordFunctions();     // functions_passwords.cc
std::span<const Function> CertificateFunctions();  // functions_certificates.cc
std::span<const Function> Pkcs12Functions();       // functions_pkcs12.cc
std::span<const Function> PemFunctions();          // functions_pem.cc
std::span<const Function> JwkFunctions();          // functions_jwk.cc

std::span<const Method> TimeMethods();  // time, Duration, Month, Weekday, Location
std::span<const Method> VersionMethods();
std::span<const Method> CertificateMethods();

// What a String method prints: of times, durations, months, weekdays and locations; of versions.
// nullopt for values of other types.
std::optional<std::string> TimeText(const Value& value);     // functions_dates.cc
std::optional<std::string> VersionText(const Value& value);  // functions_versions.cc

// Null if there is no such function or method.
const Function* FindFunction(std::string_view name);
const Method* FindMethod(Type receiver, std::string_view name);

struct FunctionGroup {
  std::string_view title;
  std::span<const Function> functions;
};
// All functions, in the order of the reference.
std::span<const FunctionGroup> FunctionGroups();

}  // namespace nodekeep::go

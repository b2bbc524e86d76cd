#pragma once

// The syntax of gjson paths: how a path is divided into its first part and the rest. Pure.
//
// A path is parsed as far as one step of the evaluation needs, because what the rest means depends
// on the JSON value that the first part selects: "0" is a key of an object and an index of an
// array. Nothing is an error: text that is not a valid path is a key.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nodekeep {

// What follows the first part of a path.
enum class PathNext {
  kNothing,
  kPath,  // after a dot: continues inside of the value
  kPipe,  // after '|', or after a dot before a modifier or a multipath: applies to the result
};

// The first part of a path that is applied to an object.
struct ObjectStep {
  std::string key;  // without escapes
  bool is_wildcard = false;
  PathNext next = PathNext::kNothing;
  std::string_view rest;
};
ObjectStep ParseObjectStep(std::string_view path);

// #(path op value). Views into the path, except for a quoted value.
struct ArrayQuery {
  std::string_view path;
  std::string_view op;  // "" = exists; "==" is "="
  std::string value;    // without quotes and escapes
  bool all = false;     // #(...)#
};

// The first part of a path that is applied to an array.
struct ArrayStep {
  enum class Kind {
    kIndex,    // `part`
    kLength,   // "#"
    kCollect,  // "#.path": `collect` of each element
    kQuery,    // `query`
    kNothing,  // contains '#', but is none of these
  };
  Kind kind = Kind::kIndex;
  std::string_view part;
  std::string_view collect;
  ArrayQuery query;
  PathNext next = PathNext::kNothing;
  std::string_view rest;
};
ArrayStep ParseArrayStep(std::string_view path);

// The first '|' of a path outside of queries and escapes, and what is left and right of it.
struct PipeSplit {
  std::string_view left;
  std::string_view right;
};
std::optional<PipeSplit> SplitAtPipe(std::string_view path);

// One member of a multipath.
struct SubPath {
  std::string_view name;  // as written, with quotes; "" = none
  std::string_view path;
};
struct Multipath {
  std::vector<SubPath> members;
  std::string_view rest;  // of the path, after the closing bracket
};
// Precondition: `path` begins with '[' or '{'. nullopt: the bracket is not closed.
std::optional<Multipath> ParseMultipath(std::string_view path);

// The name of a member without one in {path, ...}: the last part of its path, or "_".
std::string_view NameOfPath(std::string_view path);

// "@name:argument" or "@name", at the start of a path.
struct ModifierCall {
  std::string_view name;
  std::string_view argument;
  std::string_view rest;  // begins with '.' or '|', or with something else after an argument
};
// nullopt: no modifier has that name. Precondition: `path` begins with '@'.
std::optional<ModifierCall> ParseModifier(std::string_view path);
bool IsModifierName(std::string_view name);

// "!literal" at the start of a path.
struct StaticValue {
  std::string_view json;
  std::string_view rest;
};
// nullopt: it is not a literal. Precondition: `path` begins with '!'.
std::optional<StaticValue> ParseStaticValue(std::string_view path);

}  // namespace nodekeep

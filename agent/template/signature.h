#pragma once

// The parameters of template functions, as types.

#include <optional>
#include <string_view>
#include <vector>

#include "agent/template/value.h"

namespace nodekeep::go {

struct Signature {
  // nullopt: any.
  std::vector<std::optional<Type>> parameters;
  // The last parameter takes any number of arguments.
  bool variadic = false;

  // Of the argument at `index`; precondition: the signature takes that many.
  std::optional<Type> TypeAt(std::size_t index) const;
  // How many arguments there must be at least.
  std::size_t fixed() const { return parameters.size() - (variadic ? 1 : 0); }
};

// `parameters`: as in Function::parameters, of a function of the table or a builtin, whose text
// outlives the process's last call.
const Signature& SignatureOf(std::string_view parameters);

// nullopt: a type is unknown.
std::optional<Signature> ParseSignature(std::string_view parameters);

}  // namespace nodekeep::go

#pragma once

// Executes parsed templates.

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"
#include "agent/template/syntax.h"
#include "agent/template/value.h"

namespace nodekeep::go {

struct Execution {
  const SyntaxTree& tree;
  std::string_view name;  // of the template to execute
  std::string_view text;  // of all templates, for positions in error texts
  bool missing_key_is_error = true;
};

// Appends the output to `out`. Errors: kInvalid with the text of Go; kTooLarge for a limit.
Status ExecuteTemplate(const Execution& execution, Call& call, const Value& dot, SecretBytes& out);

}  // namespace nodekeep::go

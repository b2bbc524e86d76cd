#pragma once

// Go's text/template with the functions of External Secrets, byte for byte, and bounded.
// https://pkg.go.dev/text/template (Go 1.26)

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"
#include "agent/template/limits.h"
#include "agent/template/value.h"

namespace nodekeep {

struct TemplateOptions {
  std::string left = "{{";
  std::string right = "}}";
  // Option missingkey=error: a missing map key is an error. Otherwise it prints "<no value>".
  bool missing_key_is_error = true;
  TemplateLimits limits;
};

// A parsed template. Immutable, hence thread-safe.
class Template {
 public:
  // `name` stands in error texts: "template: NAME:1:3: executing ...". Errors: kInvalid with the
  // text of Go; kTooLarge for a limit.
  static Result<Template> Parse(std::string name, std::string_view text,
                                const TemplateOptions& options = {});

  // `dot`: usually a kStringMap. Errors: kInvalid with the text of Go; kTooLarge for a limit.
  Result<SecretBytes> Execute(const TemplateEnvironment& environment, const go::Value& dot) const;

  // The keys of the top-level map that the template may read: sorted, each once. `all`: it may
  // read others too (it uses the map as a whole, or computes keys).
  struct Fields {
    std::vector<std::string> names;
    bool all = false;
  };
  Fields ReadFields() const;

 private:
  struct Parsed;
  explicit Template(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace nodekeep

#include "agent/template/template.h"

#include <algorithm>
#include <utility>

#include "agent/template/executor.h"
#include "agent/template/field_analysis.h"
#include "agent/template/parser.h"
#include "agent/template/syntax.h"

namespace nodekeep {
namespace {

// Of blocks in each other, and of parentheses, in one template: the parser recurses over them on
// the caller's stack, in large frames. Far more than a template that somebody writes has.
constexpr int kMostNested = 200;

}  // namespace

struct Template::Parsed {
  std::string name;
  SecretBytes text;  // which `tree` refers to
  TemplateOptions options;
  go::SyntaxTree tree;
};

Result<Template> Template::Parse(std::string name, std::string_view text,
                                 const TemplateOptions& options) {
  if (text.size() > options.limits.template_bytes) {
    return Error::Format(ErrorCode::kTooLarge, "this template has {} bytes: at most {} are allowed",
                         text.size(), options.limits.template_bytes);
  }
  auto parsed = std::make_shared<Parsed>();
  parsed->name = std::move(name);
  parsed->text = SecretBytes(text);
  parsed->options = options;
  go::ParseInput input;
  input.name = parsed->name;
  input.text = parsed->text.Reveal();
  input.left = options.left.empty() ? "{{" : std::string_view(parsed->options.left);
  input.right = options.right.empty() ? "}}" : std::string_view(parsed->options.right);
  input.depth = std::min(options.limits.depth, kMostNested);
  Result<go::SyntaxTree> tree = go::ParseTemplate(input);
  if (!tree.ok()) return tree.error();
  parsed->tree = *std::move(tree);
  return Template(std::move(parsed));
}

Result<SecretBytes> Template::Execute(const TemplateEnvironment& environment,
                                      const go::Value& dot) const {
  go::Call call(environment, parsed_->options.limits);
  const go::Execution execution{parsed_->tree, parsed_->name, parsed_->text.Reveal(),
                                parsed_->options.missing_key_is_error};
  SecretBytes out;
  if (Status done = go::ExecuteTemplate(execution, call, dot, out); !done.ok()) {
    return done.error();
  }
  return out;
}

Template::Fields Template::ReadFields() const {
  const go::FieldUse use = go::AnalyzeFields(parsed_->tree, parsed_->name);
  return {{use.names.begin(), use.names.end()}, use.all};
}

}  // namespace nodekeep

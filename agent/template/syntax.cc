#include "agent/template/syntax.h"

#include "agent/template/format.h"

namespace nodekeep::go {
namespace {

void AppendFields(const std::vector<std::string_view>& fields, std::string& out) {
  for (const std::string_view field : fields) {
    out += '.';
    out += field;
  }
}

std::string InParentheses(const Operand& operand) {
  if (operand.kind != Operand::Kind::kPipeline) return TextOf(operand);
  return "(" + TextOf(operand) + ")";
}

}  // namespace

std::string TextOf(const Operand& operand) {
  if (operand.kind == Operand::Kind::kPipeline) return TextOf(*operand.pipeline);
  std::string text = operand.base ? InParentheses(*operand.base) : std::string(operand.text);
  AppendFields(operand.fields, text);
  return text;
}

std::string TextOf(const Command& command) {
  std::string text;
  for (const Operand& operand : command.operands) {
    if (!text.empty()) text += ' ';
    text += InParentheses(operand);
  }
  return text;
}

std::string TextOf(const Pipeline& pipeline) {
  std::string text;
  for (const std::string_view variable : pipeline.variables) {
    if (!text.empty()) text += ", ";
    text += variable;
  }
  if (!text.empty()) text += pipeline.assigns ? " = " : " := ";
  for (const Command& command : pipeline.commands) {
    if (&command != &pipeline.commands.front()) text += " | ";
    text += TextOf(command);
  }
  return text;
}

std::string TextOf(const Statement& statement) {
  switch (statement.kind) {
    case Statement::Kind::kTemplate: {
      std::string text = "{{template ";
      text += Quote(*statement.name).Reveal();
      if (statement.pipeline) text += " " + TextOf(*statement.pipeline);
      return text + "}}";
    }
    case Statement::Kind::kBreak: return "{{break}}";
    case Statement::Kind::kContinue: return "{{continue}}";
    case Statement::Kind::kText: return std::string(statement.text);
    default: return "{{" + TextOf(*statement.pipeline) + "}}";
  }
}

}  // namespace nodekeep::go

#include "agent/template/field_analysis.h"

#include <utility>
#include <vector>

namespace nodekeep::go {
namespace {

// Walks through a template and those that it executes. For each value it knows only whether it may
// be the root: the map that the template is executed with.
class Analysis {
 public:
  explicit Analysis(const SyntaxTree& tree) : tree_(tree) {}

  FieldUse Run(std::string_view name);

 private:
  // A template, and whether its dot may be the root.
  using Visit = std::pair<std::string_view, bool>;

  // Visits it later: templates may execute each other in long chains.
  void Enqueue(std::string_view name, bool dot_is_root);
  void VisitList(const StatementList& list, bool dot_is_root);
  void VisitStatement(const Statement& statement, bool dot_is_root);
  void VisitCall(const Statement& statement, bool dot_is_root);
  // These return whether the value may be the root.
  bool VisitPipeline(const Pipeline& pipeline, bool dot_is_root);
  bool VisitCommand(const Command& command, bool piped_root, bool dot_is_root);
  bool VisitOperand(const Operand& operand, bool dot_is_root);
  bool VisitFields(const Operand& operand, bool receiver_is_root);
  // {{ index . "key" }}
  bool IsLiteralIndex(const Command& command) const;
  void UseWhole(bool is_root) { use_.all = use_.all || is_root; }

  const SyntaxTree& tree_;
  FieldUse use_;
  std::set<Visit> visited_;
  std::vector<std::pair<const StatementList*, bool>> waiting_;
  // Variables that held the root at some time, of all templates: the name alone counts.
  std::set<std::string_view> root_variables_;
};

FieldUse Analysis::Run(std::string_view name) {
  // A variable may be read, in a loop, before the statement that sets it: hence several rounds. No
  // template in earnest needs more than a few.
  constexpr int kMostRounds = 10;
  root_variables_.insert("$");
  for (int round = 0; round < kMostRounds; ++round) {
    const std::size_t known = root_variables_.size();
    visited_.clear();
    Enqueue(name, true);
    while (!waiting_.empty()) {
      const auto [list, dot_is_root] = waiting_.back();
      waiting_.pop_back();
      VisitList(*list, dot_is_root);
    }
    if (root_variables_.size() == known) return std::move(use_);
  }
  UseWhole(true);
  return std::move(use_);
}

void Analysis::Enqueue(std::string_view name, bool dot_is_root) {
  const auto found = tree_.templates.find(name);
  if (found == tree_.templates.end()) return;
  if (!visited_.emplace(found->first, dot_is_root).second) return;
  waiting_.emplace_back(&found->second, dot_is_root);
}

void Analysis::VisitList(const StatementList& list, bool dot_is_root) {
  for (const Statement& statement : list) VisitStatement(statement, dot_is_root);
}

void Analysis::VisitStatement(const Statement& statement, bool dot_is_root) {
  if (statement.kind == Statement::Kind::kTemplate) return VisitCall(statement, dot_is_root);
  if (!statement.pipeline) return;
  const bool value_is_root = VisitPipeline(*statement.pipeline, dot_is_root);
  if (statement.kind == Statement::Kind::kAction) {
    return UseWhole(value_is_root && statement.pipeline->variables.empty());
  }
  // Whether the map is empty decides between the branches.
  UseWhole(value_is_root);
  bool body_is_root = dot_is_root;
  if (statement.kind == Statement::Kind::kWith) body_is_root = value_is_root;
  if (statement.kind == Statement::Kind::kRange) body_is_root = false;
  VisitList(statement.branches->body, body_is_root);
  VisitList(statement.branches->otherwise, dot_is_root);
}

void Analysis::VisitCall(const Statement& statement, bool dot_is_root) {
  bool argument_is_root = false;
  if (statement.pipeline) argument_is_root = VisitPipeline(*statement.pipeline, dot_is_root);
  Enqueue(*statement.name, argument_is_root);
}

bool Analysis::VisitPipeline(const Pipeline& pipeline, bool dot_is_root) {
  bool value_is_root = false;
  for (const Command& command : pipeline.commands) {
    value_is_root = VisitCommand(command, value_is_root, dot_is_root);
  }
  if (value_is_root) {
    root_variables_.insert(pipeline.variables.begin(), pipeline.variables.end());
  }
  return value_is_root;
}

bool Analysis::IsLiteralIndex(const Command& command) const {
  if (command.operands.size() < 3) return false;
  const Operand& function = command.operands[0];
  return function.kind == Operand::Kind::kFunction && function.function == nullptr &&
         function.builtin == Builtin::kIndex && command.operands[2].kind == Operand::Kind::kString;
}

bool Analysis::VisitCommand(const Command& command, bool piped_root, bool dot_is_root) {
  UseWhole(piped_root);
  const Operand& first = command.operands.front();
  if (command.operands.size() == 1) return VisitOperand(first, dot_is_root);
  const bool is_index = IsLiteralIndex(command);
  VisitOperand(first, dot_is_root);
  for (std::size_t i = 1; i < command.operands.size(); ++i) {
    const bool is_root = VisitOperand(command.operands[i], dot_is_root);
    if (!is_root) continue;
    if (is_index && i == 1) {
      use_.names.emplace(command.operands[2].literal->value.text());
    } else {
      UseWhole(true);
    }
  }
  return false;
}

bool Analysis::VisitOperand(const Operand& operand, bool dot_is_root) {
  switch (operand.kind) {
    case Operand::Kind::kDot: return dot_is_root;
    case Operand::Kind::kField: return VisitFields(operand, dot_is_root);
    case Operand::Kind::kVariable: {
      const bool is_root = root_variables_.contains(operand.text);
      return operand.fields.empty() ? is_root : VisitFields(operand, is_root);
    }
    case Operand::Kind::kChain: {
      const bool is_root = VisitOperand(*operand.base, dot_is_root);
      return VisitFields(operand, is_root);
    }
    case Operand::Kind::kPipeline: return VisitPipeline(*operand.pipeline, dot_is_root);
    default: return false;
  }
}

bool Analysis::VisitFields(const Operand& operand, bool receiver_is_root) {
  if (receiver_is_root) use_.names.emplace(operand.fields.front());
  return false;
}

}  // namespace

FieldUse AnalyzeFields(const SyntaxTree& tree, std::string_view name) {
  return Analysis(tree).Run(name);
}

}  // namespace nodekeep::go

#include "agent/template/executor.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "agent/template/builtins.h"
#include "agent/template/evaluator.h"
#include "agent/template/format.h"

namespace nodekeep::go {
namespace {

enum class Flow { kNext, kBreak, kContinue };

bool IsTypeOfIntegers(Kind kind) {
  switch (kind) {
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64:
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return true;
    default: return false;
  }
}

bool IsUnsigned(Kind kind) {
  return kind == Kind::kUint8 || kind == Kind::kUint32 || kind == Kind::kUint64;
}

class Executor {
 public:
  Executor(const Execution& execution, Call& call, SecretBytes& out)
      : execution_(execution), call_(call), out_(out), evaluator_(execution, call) {}

  Status Run(const Value& dot);

 private:
  Result<Flow> ExecuteList(const StatementList& list, const Item& dot);
  Result<Flow> ExecuteStatement(const Statement& statement, const Item& dot);
  Result<Flow> ExecuteBranches(const Statement& statement, const Item& dot);
  Result<Flow> ExecuteRange(const Statement& statement, const Item& dot);
  Result<Flow> RangeOver(const Statement& statement, const Value& value, bool& ran);
  Result<Flow> RangeOverInteger(const Statement& statement, const Value& limit, bool& ran);
  Result<Flow> RangeOverList(const Statement& statement, const Value& list, bool& ran);
  Result<Flow> RangeOverMap(const Statement& statement, const Value& map, bool& ran);
  // kBreak ends the range.
  Result<Flow> Iterate(const Statement& statement, const Value& index, const Item& element);
  Result<Flow> ExecuteCall(const Statement& statement, const Item& dot);
  Status Print(const Value& value);
  Status Write(std::string_view text);
  Status CheckOutput(std::size_t added) const;

  const Execution& execution_;
  Call& call_;
  SecretBytes& out_;
  Evaluator evaluator_;
};

Status Executor::Run(const Value& dot) {
  const auto root = execution_.tree.templates.find(execution_.name);
  if (root == execution_.tree.templates.end()) {
    return Error(ErrorCode::kInternal, "the template to execute was not parsed");
  }
  evaluator_.EnterTemplate(execution_.name, Item{dot});
  const Result<Flow> flow = ExecuteList(root->second, Item{dot});
  if (!flow.ok()) return flow.error();
  return {};
}

Result<Flow> Executor::ExecuteList(const StatementList& list, const Item& dot) {
  const Nesting nesting(evaluator_);
  if (!nesting.allowed()) return evaluator_.TooDeep();
  for (const Statement& statement : list) {
    Result<Flow> flow = ExecuteStatement(statement, dot);
    if (!flow.ok() || *flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Flow> Executor::ExecuteStatement(const Statement& statement, const Item& dot) {
  if (Status step = call_.Step(); !step.ok()) return step.error();
  evaluator_.SetPlace(&statement);
  Status done;
  switch (statement.kind) {
    case Statement::Kind::kText: done = Write(statement.text); break;
    case Statement::Kind::kAction: {
      Result<Item> value = evaluator_.EvaluatePipeline(*statement.pipeline, dot);
      if (!value.ok()) return value.error();
      if (statement.pipeline->variables.empty()) done = Print(value->value);
      break;
    }
    case Statement::Kind::kIf:
    case Statement::Kind::kWith: return ExecuteBranches(statement, dot);
    case Statement::Kind::kRange: return ExecuteRange(statement, dot);
    case Statement::Kind::kTemplate: return ExecuteCall(statement, dot);
    case Statement::Kind::kBreak: return Flow::kBreak;
    case Statement::Kind::kContinue: return Flow::kContinue;
  }
  if (!done.ok()) return done.error();
  return Flow::kNext;
}

Result<Flow> Executor::ExecuteBranches(const Statement& statement, const Item& dot) {
  const std::size_t variables = evaluator_.variable_count();
  Result<Item> value = evaluator_.EvaluatePipeline(*statement.pipeline, dot);
  if (!value.ok()) return value.error();
  const Branches& branches = *statement.branches;
  Result<Flow> flow = Flow::kNext;
  if (IsTrue(value->value)) {
    flow = ExecuteList(branches.body, statement.kind == Statement::Kind::kWith ? *value : dot);
  } else if (branches.has_otherwise) {
    flow = ExecuteList(branches.otherwise, dot);
  }
  evaluator_.DropVariables(variables);
  return flow;
}

Result<Flow> Executor::ExecuteRange(const Statement& statement, const Item& dot) {
  const std::size_t variables = evaluator_.variable_count();
  Result<Item> value = evaluator_.EvaluatePipeline(*statement.pipeline, dot);
  if (!value.ok()) return value.error();
  bool ran = false;
  Result<Flow> flow = RangeOver(statement, value->value, ran);
  if (!flow.ok()) return flow;
  flow = Flow::kNext;
  if (!ran && statement.branches->has_otherwise) {
    flow = ExecuteList(statement.branches->otherwise, dot);
    // As in Go: a break there ends this range, a continue is that of an outer one.
    if (flow.ok() && *flow == Flow::kBreak) flow = Flow::kNext;
  }
  evaluator_.DropVariables(variables);
  return flow;
}

Result<Flow> Executor::RangeOver(const Statement& statement, const Value& value, bool& ran) {
  const Kind kind = value.kind();
  if (kind == Kind::kInvalid) return Flow::kNext;
  if (kind == Kind::kSlice) return RangeOverList(statement, value, ran);
  if (kind == Kind::kMap) return RangeOverMap(statement, value, ran);
  const bool integer = IsTypeOfIntegers(kind);
  if (integer && statement.pipeline->variables.size() < 2) {
    return RangeOverInteger(statement, value, ran);
  }
  SecretBytes text;
  if (Status printed = AppendValue(call_, value, text); !printed.ok()) return printed.error();
  if (!integer) return evaluator_.Fail("range can't iterate over %s", {text.Reveal()});
  return evaluator_.Fail("can't use %s to iterate over more than one variable", {text.Reveal()});
}

Result<Flow> Executor::RangeOverInteger(const Statement& statement, const Value& limit, bool& ran) {
  const bool is_unsigned = IsUnsigned(limit.kind());
  std::uint64_t count = 0;
  if (is_unsigned) {
    count = limit.unsigned_integer();
  } else if (limit.integer() > 0) {
    count = static_cast<std::uint64_t>(limit.integer());
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    ran = true;
    const Value element = is_unsigned ? Value::Unsigned(limit.type(), i)
                                      : Value::Integer(limit.type(), static_cast<std::int64_t>(i));
    Result<Flow> flow = Iterate(statement, Value(), Item{element});
    if (!flow.ok() || *flow == Flow::kBreak) return flow;
  }
  return Flow::kNext;
}

Result<Flow> Executor::RangeOverList(const Statement& statement, const Value& list, bool& ran) {
  const bool boxed = list.type() == Type::kAnyList;
  std::int64_t index = 0;
  for (const Value& element : list.items()) {
    ran = true;
    Result<Flow> flow = Iterate(statement, Value::Int(index++), Item{element, boxed});
    if (!flow.ok() || *flow == Flow::kBreak) return flow;
  }
  return Flow::kNext;
}

Result<Flow> Executor::RangeOverMap(const Statement& statement, const Value& map, bool& ran) {
  const bool boxed = map.type() == Type::kMap;
  // The body may change the map; the entries are those at the start.
  if (Status charged = call_.Charge(SizeOf(map)); !charged.ok()) return charged.error();
  const std::vector<std::pair<std::string, Value>> entries(map.entries().begin(),
                                                           map.entries().end());
  for (const auto& [key, element] : entries) {
    ran = true;
    Result<Flow> flow = Iterate(statement, Value::Text(key), Item{element, boxed});
    if (!flow.ok() || *flow == Flow::kBreak) return flow;
  }
  return Flow::kNext;
}

Result<Flow> Executor::Iterate(const Statement& statement, const Value& index,
                               const Item& element) {
  if (Status step = call_.Step(); !step.ok()) return step.error();
  const Pipeline& pipeline = *statement.pipeline;
  const std::size_t variables = evaluator_.variable_count();
  const std::size_t count = pipeline.variables.size();
  if (count > 0 && pipeline.assigns) {
    Status assigned;
    if (count > 1) assigned = evaluator_.Assign(pipeline.variables[0], Item{index});
    if (assigned.ok()) assigned = evaluator_.Assign(pipeline.variables[count - 1], element);
    if (!assigned.ok()) return assigned.error();
  } else if (count > 0) {
    evaluator_.SetLastVariable(1, element);
    if (count > 1) evaluator_.SetLastVariable(2, Item{index});
  }
  Result<Flow> flow = ExecuteList(statement.branches->body, element);
  evaluator_.DropVariables(variables);
  return flow;
}

Result<Flow> Executor::ExecuteCall(const Statement& statement, const Item& dot) {
  const auto called = execution_.tree.templates.find(*statement.name);
  if (called == execution_.tree.templates.end()) {
    return evaluator_.Fail("template %q not defined", {*statement.name});
  }
  if (!evaluator_.has_room()) return evaluator_.TooManyTemplates();
  Result<Item> argument = Item{};
  if (statement.pipeline) argument = evaluator_.EvaluatePipeline(*statement.pipeline, dot);
  if (!argument.ok()) return argument.error();
  const Evaluator::Frame outer = evaluator_.EnterTemplate(called->first, *argument);
  Result<Flow> flow = ExecuteList(called->second, *argument);
  evaluator_.LeaveTemplate(outer);
  if (!flow.ok()) return flow;
  return Flow::kNext;
}

Status Executor::Print(const Value& value) {
  if (value.IsNil()) return Write("<no value>");
  if (value.type() == Type::kString) return Write(value.text());
  if (Status printed = AppendValue(call_, value, out_); !printed.ok()) return printed;
  return CheckOutput(0);
}

Status Executor::Write(std::string_view text) {
  if (Status checked = CheckOutput(text.size()); !checked.ok()) return checked;
  out_.Append(text);
  return {};
}

Status Executor::CheckOutput(std::size_t added) const {
  const std::size_t limit = call_.limits().output_bytes;
  if (out_.size() <= limit && added <= limit - out_.size()) return {};
  return Error::Format(ErrorCode::kTooLarge, "the output of this template takes more than {} bytes",
                       limit);
}

}  // namespace

Status ExecuteTemplate(const Execution& execution, Call& call, const Value& dot, SecretBytes& out) {
  return Executor(execution, call, out).Run(dot);
}

}  // namespace nodekeep::go

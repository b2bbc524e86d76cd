#pragma once

// Evaluates the pipelines of a template: variables, fields, calls of functions. Follows the rules
// of Go's reflection, which error texts show.

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/template/call.h"
#include "agent/template/executor.h"
#include "agent/template/syntax.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// A value with what Go's reflection knows of it besides.
struct Item {
  Value value;
  // The value stands in a variable of type interface{}: an element of a list of any, a member of a
  // map of any. A boxed nil is an interface without a value; an unboxed nil means no value.
  bool boxed = false;
};

// What is executed at the moment: error texts name it. Null pointers: nothing yet.
using Place = std::variant<const Statement*, const Pipeline*, const Command*, const Operand*>;

// Not thread-safe.
class Evaluator {
 public:
  // What a template does not share with the one that executes it.
  struct Frame {
    std::string_view template_name;
    std::size_t first_variable = 0;
  };

  Evaluator(const Execution& execution, Call& call) : execution_(execution), call_(call) {}

  // Variables declared by the pipeline stay until DropVariables.
  Result<Item> EvaluatePipeline(const Pipeline& pipeline, const Item& dot);

  // Returns the frame to go back to with LeaveTemplate.
  Frame EnterTemplate(std::string_view name, Item dot);
  void LeaveTemplate(const Frame& outer);

  std::size_t variable_count() const { return variables_.size(); }
  void DropVariables(std::size_t count) { variables_.resize(count); }
  Status Assign(std::string_view name, Item value);
  // `back`: 1 for the last variable, 2 for the one before.
  void SetLastVariable(std::size_t back, Item value) {
    variables_[variables_.size() - back].item = std::move(value);
  }

  void SetPlace(Place place) { place_ = place; }
  // An error at the current place. `format`: with %s and %q.
  Error Fail(std::string_view format, std::initializer_list<std::string_view> texts = {},
             ErrorCode code = ErrorCode::kInvalid) const;
  Error TooDeep() const;
  Error TooManyTemplates() const;
  // One level of nesting is left.
  bool has_room() const { return nesting_ < call_.limits().depth; }

 private:
  friend class Nesting;

  struct Variable {
    std::string_view name;
    Item item;
  };
  // A function or method with what its call needs.
  struct Callee {
    std::string_view name;
    std::string_view parameters;
    const Function* function = nullptr;  // null: `builtin`
    Builtin builtin = Builtin::kAnd;
    const Value* receiver = nullptr;  // of a method
    // To show if the call fails: the command, if the function is its first word.
    const Command* command = nullptr;
    const Operand* operand = nullptr;

    bool IsBuiltin(Builtin which) const { return function == nullptr && builtin == which; }
  };
  using Operands = std::span<const Operand>;
  // What the pipeline's previous command gave.
  using Piped = std::optional<Item>;

  Result<Item> EvaluateCommand(const Command& command, const Item& dot, const Piped& piped);
  Result<Item> EvaluateConstant(const Operand& operand, const Item& dot);
  Result<Item> EvaluateNumber(const Operand& operand);
  Status RefuseArguments(Operands operands, const Piped& piped) const;
  Result<Item> EvaluateField(const Operand& operand, const Item& dot, Operands arguments,
                             const Piped& piped);
  Result<Item> EvaluateVariable(const Operand& operand, const Item& dot, Operands operands,
                                const Piped& piped);
  Result<Item> EvaluateChain(const Operand& operand, const Item& dot, Operands arguments,
                             const Piped& piped);
  Result<Item> EvaluateFunction(const Operand& operand, const Command* command, const Item& dot,
                                Operands arguments, const Piped& piped);
  // The base of a chain, or an argument that is not a constant.
  Result<Item> EvaluateOperand(const Operand& operand, const Item& dot);

  Result<Item> FollowFields(Item receiver, std::span<const std::string_view> fields,
                            const Operand& operand, const Item& dot, Operands arguments,
                            const Piped& piped);
  Result<Item> GetField(const Item& receiver, std::string_view name, const Operand& operand,
                        const Item& dot, Operands arguments, const Piped& piped);
  Result<Item> GetMember(const Value& map, std::string_view name, bool has_arguments) const;

  Result<Item> CallFunction(const Callee& callee, const Item& dot, Operands arguments,
                            const Piped& piped);
  Status CheckCount(const Callee& callee, Operands arguments, const Piped& piped) const;
  Result<Item> EvaluateLogic(bool is_or, const Item& dot, Operands arguments, const Piped& piped);
  Result<Item> Invoke(const Callee& callee, std::span<const Value> values, Operands arguments);
  Status ChargeForText(std::span<const Value> values);
  Result<Value> InvokeFunction(const Callee& callee, std::span<const Value> values);
  Error NotAFunction(std::span<const Value> values, Operands arguments) const;
  Status ChargeResult(const Value& result, std::span<const Value> arguments);

  // `type` nullopt: any.
  Result<Value> EvaluateArgument(const Operand& operand, std::optional<Type> type, const Item& dot);
  Result<Value> ConvertLiteral(const Operand& operand, std::optional<Type> type);
  Result<Value> ConvertNumber(const Operand& operand, Type type) const;
  Result<Value> CheckType(const Item& item, std::optional<Type> type) const;

  const Item* FindVariable(std::string_view name) const;
  std::string PlaceText() const;
  std::uint32_t PlacePosition() const;

  const Execution& execution_;
  Call& call_;
  std::vector<Variable> variables_;
  Frame frame_;
  Place place_;
  int nesting_ = 0;
};

// Counts one level of nesting for its scope: recursion over templates, blocks and parentheses.
class Nesting {
 public:
  explicit Nesting(Evaluator& evaluator)
      : nesting_(evaluator.nesting_), allowed_(evaluator.has_room()) {
    ++nesting_;
  }
  ~Nesting() { --nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

  bool allowed() const { return allowed_; }

 private:
  int& nesting_;
  const bool allowed_;
};

}  // namespace nodekeep::go

#include "agent/template/evaluator.h"

#include <algorithm>
#include <utility>

#include "agent/template/builtins.h"
#include "agent/template/error_text.h"
#include "agent/template/format.h"
#include "agent/template/function.h"
#include "agent/template/signature.h"

namespace nodekeep::go {
namespace {

std::string_view TypeNameOf(const Item& item) {
  return item.boxed ? "interface {}" : NameOf(item.value.type());
}

bool HasNil(std::optional<Type> type) {
  if (!type) return true;
  const Kind kind = KindOf(*type);
  return kind == Kind::kSlice || kind == Kind::kMap || kind == Kind::kPointer;
}

std::string_view NameOfParameter(std::optional<Type> type) {
  return type ? NameOf(*type) : "interface {}";
}

bool IsFunctionWithPointerToNothing(std::span<const Value> values) {
  return std::any_of(values.begin(), values.end(), [](const Value& value) {
    return value.kind() == Kind::kPointer && value.HoldsNothing();
  });
}

bool SharesStorage(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString: return a.text().data() == b.text().data();
    case Kind::kSlice: return a.items().data() == b.items().data();
    case Kind::kMap: return a.map() == b.map();
    default: return false;
  }
}

// What a constant had to be for a parameter of this kind.
std::string_view ExpectedFor(Kind kind) {
  switch (kind) {
    case Kind::kBool: return "bool";
    case Kind::kFloat64: return "float";
    case Kind::kString: return "string";
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return "integer";
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return "unsigned integer";
    default: return {};
  }
}

}  // namespace

Error Evaluator::TooDeep() const {
  if (frame_.first_variable > 0) return TooManyTemplates();
  return Fail("blocks, templates and parentheses are nested more than %s deep",
              {std::to_string(call_.limits().depth)}, ErrorCode::kTooLarge);
}

Error Evaluator::TooManyTemplates() const {
  // Go's own limit; ours is lower and fails in the same words.
  return Fail("exceeded maximum template depth (100000)", {}, ErrorCode::kTooLarge);
}

Error Evaluator::Fail(std::string_view format, std::initializer_list<std::string_view> texts,
                      ErrorCode code) const {
  const std::string_view text = execution_.text.substr(0, PlacePosition());
  const auto line = 1 + std::count(text.begin(), text.end(), '\n');
  const std::size_t last_line = text.rfind('\n');
  const std::size_t column =
      last_line == std::string_view::npos ? text.size() : text.size() - last_line - 1;
  std::string whole = "template: ";
  whole += execution_.name;
  whole += ":" + std::to_string(line) + ":" + std::to_string(column) + ": executing ";
  whole += Quote(WithDoubledPercent(frame_.template_name)).Reveal();
  whole += " at <" + WithDoubledPercent(PlaceText()) + ">: ";
  whole += format;
  return Error(code, ErrorText(whole, texts));
}

std::string Evaluator::PlaceText() const {
  return std::visit([](const auto* node) { return node == nullptr ? "" : TextOf(*node); }, place_);
}

std::uint32_t Evaluator::PlacePosition() const {
  return std::visit([](const auto* node) { return node == nullptr ? 0 : node->position; }, place_);
}

Evaluator::Frame Evaluator::EnterTemplate(std::string_view name, Item dot) {
  const Frame outer = std::exchange(frame_, Frame{name, variables_.size()});
  variables_.push_back({"$", std::move(dot)});
  return outer;
}

void Evaluator::LeaveTemplate(const Frame& outer) {
  variables_.resize(frame_.first_variable);
  frame_ = outer;
}

const Item* Evaluator::FindVariable(std::string_view name) const {
  for (std::size_t i = variables_.size(); i > frame_.first_variable; --i) {
    if (variables_[i - 1].name == name) return &variables_[i - 1].item;
  }
  return nullptr;
}

Status Evaluator::Assign(std::string_view name, Item value) {
  for (std::size_t i = variables_.size(); i > frame_.first_variable; --i) {
    if (variables_[i - 1].name != name) continue;
    variables_[i - 1].item = std::move(value);
    return {};
  }
  return Fail("undefined variable: %s", {name});
}

Result<Item> Evaluator::EvaluatePipeline(const Pipeline& pipeline, const Item& dot) {
  const Nesting nesting(*this);
  if (!nesting.allowed()) return TooDeep();
  place_ = &pipeline;
  Piped piped;
  for (const Command& command : pipeline.commands) {
    Result<Item> value = EvaluateCommand(command, dot, piped);
    if (!value.ok()) return value;
    piped = *std::move(value);
    piped->boxed = false;
  }
  for (const std::string_view name : pipeline.variables) {
    if (!pipeline.assigns) {
      variables_.push_back({name, *piped});
    } else if (Status assigned = Assign(name, *piped); !assigned.ok()) {
      return assigned.error();
    }
  }
  return *std::move(piped);
}

Result<Item> Evaluator::EvaluateCommand(const Command& command, const Item& dot,
                                        const Piped& piped) {
  if (Status step = call_.Step(); !step.ok()) return step.error();
  const Operand& first = command.operands.front();
  const Operands operands = command.operands;
  const Operands arguments = operands.subspan(1);
  switch (first.kind) {
    case Operand::Kind::kField: return EvaluateField(first, dot, arguments, piped);
    case Operand::Kind::kChain: return EvaluateChain(first, dot, arguments, piped);
    case Operand::Kind::kFunction: return EvaluateFunction(first, &command, dot, arguments, piped);
    case Operand::Kind::kVariable: return EvaluateVariable(first, dot, operands, piped);
    case Operand::Kind::kPipeline:
      if (Status refused = RefuseArguments(operands, piped); !refused.ok()) return refused.error();
      return EvaluatePipeline(*first.pipeline, dot);
    default: break;
  }
  place_ = &first;
  if (Status refused = RefuseArguments(operands, piped); !refused.ok()) return refused.error();
  return EvaluateConstant(first, dot);
}

Status Evaluator::RefuseArguments(Operands operands, const Piped& piped) const {
  if (operands.size() <= 1 && !piped) return {};
  return Fail("can't give argument to non-function %s", {TextOf(operands.front())});
}

Result<Item> Evaluator::EvaluateConstant(const Operand& operand, const Item& dot) {
  switch (operand.kind) {
    case Operand::Kind::kDot: return dot;
    case Operand::Kind::kNil: return Fail("nil is not a command");
    case Operand::Kind::kNumber: return EvaluateNumber(operand);
    default: return Item{operand.literal->value};
  }
}

Result<Item> Evaluator::EvaluateNumber(const Operand& operand) {
  place_ = &operand;
  if (operand.literal->overflows_int) return Fail("%s overflows int", {operand.text});
  return Item{operand.literal->value};
}

Result<Item> Evaluator::EvaluateOperand(const Operand& operand, const Item& dot) {
  switch (operand.kind) {
    case Operand::Kind::kField: return EvaluateField(operand, dot, {}, std::nullopt);
    case Operand::Kind::kVariable: return EvaluateVariable(operand, dot, {}, std::nullopt);
    case Operand::Kind::kChain: return EvaluateChain(operand, dot, {}, std::nullopt);
    case Operand::Kind::kPipeline: return EvaluatePipeline(*operand.pipeline, dot);
    case Operand::Kind::kFunction: {
      Result<Item> value = EvaluateFunction(operand, nullptr, dot, {}, std::nullopt);
      // Only functions that return an interface{} return nil.
      if (value.ok() && value->value.IsNil()) value->boxed = true;
      return value;
    }
    default: return EvaluateConstant(operand, dot);
  }
}

Result<Item> Evaluator::EvaluateField(const Operand& operand, const Item& dot, Operands arguments,
                                      const Piped& piped) {
  place_ = &operand;
  return FollowFields(dot, operand.fields, operand, dot, arguments, piped);
}

Result<Item> Evaluator::EvaluateVariable(const Operand& operand, const Item& dot, Operands operands,
                                         const Piped& piped) {
  place_ = &operand;
  // A template may have thousands of variables, and the search is linear.
  constexpr std::size_t kVariablesPerStep = 64;
  const std::size_t steps = (variables_.size() - frame_.first_variable) / kVariablesPerStep;
  if (Status step = call_.Step(steps); !step.ok()) return step.error();
  const Item* const found = FindVariable(operand.text);
  if (found == nullptr) return Fail("undefined variable: %s", {operand.text});
  if (operand.fields.empty()) {
    if (Status refused = RefuseArguments(operands, piped); !refused.ok()) return refused.error();
    return *found;
  }
  const Operands arguments = operands.empty() ? operands : operands.subspan(1);
  return FollowFields(*found, operand.fields, operand, dot, arguments, piped);
}

Result<Item> Evaluator::EvaluateChain(const Operand& operand, const Item& dot, Operands arguments,
                                      const Piped& piped) {
  place_ = &operand;
  if (operand.base->kind == Operand::Kind::kPipeline) place_ = operand.base->pipeline.get();
  Result<Item> base = EvaluateOperand(*operand.base, dot);
  if (!base.ok()) return base;
  return FollowFields(*std::move(base), operand.fields, operand, dot, arguments, piped);
}

Result<Item> Evaluator::FollowFields(Item receiver, std::span<const std::string_view> fields,
                                     const Operand& operand, const Item& dot, Operands arguments,
                                     const Piped& piped) {
  for (const std::string_view field : fields.first(fields.size() - 1)) {
    Result<Item> next = GetField(receiver, field, operand, dot, {}, std::nullopt);
    if (!next.ok()) return next;
    receiver = *std::move(next);
  }
  return GetField(receiver, fields.back(), operand, dot, arguments, piped);
}

Result<Item> Evaluator::GetField(const Item& receiver, std::string_view name,
                                 const Operand& operand, const Item& dot, Operands arguments,
                                 const Piped& piped) {
  const Value& value = receiver.value;
  if (value.IsNil() && !receiver.boxed) {
    if (!execution_.missing_key_is_error) return Item{};
    return Fail("nil data; no entry for key %q", {name});
  }
  if (value.IsNil()) return Fail("nil pointer evaluating %s.%s", {TypeNameOf(receiver), name});
  const bool has_arguments = !arguments.empty() || piped.has_value();
  if (const Method* const method = FindMethod(value.type(), name)) {
    if (method->is_field && has_arguments) {
      return Fail("%s has arguments but cannot be invoked as function", {name});
    }
    Callee callee;
    callee.name = name;
    callee.parameters = method->function.parameters;
    callee.function = &method->function;
    callee.receiver = &value;
    callee.operand = &operand;
    return CallFunction(callee, dot, arguments, piped);
  }
  if (value.kind() == Kind::kMap) return GetMember(value, name, has_arguments);
  return Fail("can't evaluate field %s in type %s", {name, TypeNameOf(receiver)});
}

Result<Item> Evaluator::GetMember(const Value& map, std::string_view name,
                                  bool has_arguments) const {
  if (has_arguments) return Fail("%s is not a method but has arguments", {name});
  const auto found = map.entries().find(name);
  if (found != map.entries().end()) return Item{found->second, map.type() == Type::kMap};
  if (!execution_.missing_key_is_error) return Item{};
  return Fail("map has no entry for key %q", {name});
}

Result<Item> Evaluator::EvaluateFunction(const Operand& operand, const Command* command,
                                         const Item& dot, Operands arguments, const Piped& piped) {
  place_ = &operand;
  Callee callee;
  callee.name = operand.text;
  callee.function = operand.function;
  callee.builtin = operand.builtin;
  callee.parameters =
      operand.function ? operand.function->parameters : ParametersOf(operand.builtin);
  callee.command = command;
  callee.operand = &operand;
  return CallFunction(callee, dot, arguments, piped);
}

Result<Item> Evaluator::CallFunction(const Callee& callee, const Item& dot, Operands arguments,
                                     const Piped& piped) {
  if (Status counted = CheckCount(callee, arguments, piped); !counted.ok()) return counted.error();
  if (callee.IsBuiltin(Builtin::kAnd) || callee.IsBuiltin(Builtin::kOr)) {
    return EvaluateLogic(callee.builtin == Builtin::kOr, dot, arguments, piped);
  }
  const Signature& signature = SignatureOf(callee.parameters);
  std::vector<Value> values;
  values.reserve(arguments.size() + 2);
  if (callee.receiver != nullptr) values.push_back(*callee.receiver);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    Result<Value> value = EvaluateArgument(arguments[i], signature.TypeAt(i), dot);
    if (!value.ok()) return value.error();
    values.push_back(*std::move(value));
  }
  if (piped) {
    Result<Value> value = CheckType(*piped, signature.TypeAt(arguments.size()));
    if (!value.ok()) return value.error();
    values.push_back(*std::move(value));
  }
  return Invoke(callee, values, arguments);
}

Status Evaluator::CheckCount(const Callee& callee, Operands arguments, const Piped& piped) const {
  const Signature& signature = SignatureOf(callee.parameters);
  const std::size_t count = arguments.size() + (piped ? 1 : 0);
  const std::string want = std::to_string(signature.fixed());
  if (signature.variadic && count < signature.fixed()) {
    return Fail("wrong number of args for %s: want at least %s got %s",
                {callee.name, want, std::to_string(arguments.size())});
  }
  if (!signature.variadic && count != signature.fixed()) {
    return Fail("wrong number of args for %s: want %s got %s",
                {callee.name, want, std::to_string(count)});
  }
  return {};
}

Result<Item> Evaluator::EvaluateLogic(bool is_or, const Item& dot, Operands arguments,
                                      const Piped& piped) {
  Value value;
  for (const Operand& argument : arguments) {
    Result<Value> next = EvaluateArgument(argument, std::nullopt, dot);
    if (!next.ok()) return next.error();
    value = *std::move(next);
    if (IsTrue(value) == is_or) return Item{value};
  }
  return Item{piped ? piped->value : value};
}

Result<Item> Evaluator::Invoke(const Callee& callee, std::span<const Value> values,
                               Operands arguments) {
  Result<Value> result = callee.IsBuiltin(Builtin::kCall) ? NotAFunction(values, arguments)
                                                          : InvokeFunction(callee, values);
  if (result.ok()) {
    if (Status charged = ChargeResult(*result, values); !charged.ok()) result = charged.error();
  }
  if (result.ok()) return Item{*std::move(result)};
  const Error& error = result.error();
  // The whole command stands in the text.
  if (callee.command != nullptr) {
    place_ = callee.command;
  } else {
    place_ = callee.operand;
  }
  return Fail("error calling %s: %s", {callee.name, error.message()}, error.code());
}

Result<Value> Evaluator::InvokeFunction(const Callee& callee, std::span<const Value> values) {
  if (Status charged = ChargeForText(values); !charged.ok()) return charged.error();
  if (callee.function == nullptr) return CallBuiltin(call_, callee.builtin, values);
  if (IsFunctionWithPointerToNothing(values)) {
    return Error(ErrorCode::kInvalid,
                 "runtime error: invalid memory address or nil pointer dereference");
  }
  return callee.function->call(call_, values);
}

// Most functions read all of their text, however small their result is.
Status Evaluator::ChargeForText(std::span<const Value> values) {
  constexpr std::size_t kBytesPerStep = 256;
  std::size_t bytes = 0;
  for (const Value& value : values) {
    if (value.kind() == Kind::kString) bytes += value.text().size();
  }
  return call_.Step(bytes / kBytesPerStep);
}

Error Evaluator::NotAFunction(std::span<const Value> values, Operands arguments) const {
  const Value& value = values.front();
  if (value.IsNil()) return Error(ErrorCode::kInvalid, "call of nil");
  const std::string_view type = NameOf(value.type());
  std::string name;
  if (!arguments.empty()) {
    name = TextOf(arguments.front());
  } else if (value.kind() == Kind::kString) {
    name = value.text();
  } else {
    name = "<" + std::string(type) + " Value>";
  }
  return Error::Format(ErrorCode::kInvalid, "non-function {} of type {}", name, type);
}

Status Evaluator::ChargeResult(const Value& result, std::span<const Value> arguments) {
  const auto limit = static_cast<std::uint32_t>(call_.limits().depth);
  if (result.depth() > limit) {
    return Error::Format(ErrorCode::kTooLarge, "values are nested more than {} deep", limit);
  }
  // An argument that is returned was charged when it was made.
  const bool is_argument =
      std::any_of(arguments.begin(), arguments.end(),
                  [&](const Value& argument) { return SharesStorage(result, argument); });
  return is_argument ? Status() : call_.Charge(SizeOf(result));
}

Result<Value> Evaluator::EvaluateArgument(const Operand& operand, std::optional<Type> type,
                                          const Item& dot) {
  if (Status step = call_.Step(); !step.ok()) return step.error();
  place_ = &operand;
  if (operand.kind == Operand::Kind::kPipeline) place_ = operand.pipeline.get();
  switch (operand.kind) {
    case Operand::Kind::kNil:
      if (!HasNil(type)) return Fail("cannot assign nil to %s", {NameOfParameter(type)});
      return type ? Value::NilOf(*type) : Value();
    case Operand::Kind::kBool:
    case Operand::Kind::kNumber:
    case Operand::Kind::kString: return ConvertLiteral(operand, type);
    default: break;
  }
  const Result<Item> item = EvaluateOperand(operand, dot);
  if (!item.ok()) return item.error();
  return CheckType(*item, type);
}

Result<Value> Evaluator::ConvertLiteral(const Operand& operand, std::optional<Type> type) {
  if (!type) {
    Result<Item> value = EvaluateConstant(operand, Item{});
    if (!value.ok()) return value.error();
    return value->value;
  }
  const Kind kind = KindOf(*type);
  const std::string_view expected = ExpectedFor(kind);
  if (expected.empty()) {
    return Fail("can't handle %s for arg of type %s", {operand.text, NameOf(*type)});
  }
  const bool is_number = operand.kind == Operand::Kind::kNumber;
  if (is_number && kind != Kind::kBool && kind != Kind::kString) {
    return ConvertNumber(operand, *type);
  }
  if (!is_number && operand.literal->value.kind() == kind) return operand.literal->value;
  return Fail("expected %s; found %s", {expected, operand.text});
}

Result<Value> Evaluator::ConvertNumber(const Operand& operand, Type type) const {
  const Number& number = operand.literal->number;
  const Kind kind = KindOf(type);
  const std::uint64_t bits = number.unsigned_integer;
  switch (kind) {
    case Kind::kFloat64:
      if (number.is_float) return Value::Float(number.real);
      break;
    case Kind::kInt:
    case Kind::kInt64:
      if (number.is_int) return Value::Integer(type, number.integer);
      break;
    case Kind::kInt32:
      if (number.is_int) return Value::Integer(type, static_cast<std::int32_t>(number.integer));
      break;
    case Kind::kUint8:
      if (number.is_unsigned) return Value::Unsigned(type, static_cast<std::uint8_t>(bits));
      break;
    case Kind::kUint32:
      if (number.is_unsigned) return Value::Unsigned(type, static_cast<std::uint32_t>(bits));
      break;
    default:
      if (number.is_unsigned) return Value::Unsigned(type, bits);
      break;
  }
  return Fail("expected %s; found %s", {ExpectedFor(kind), operand.text});
}

Result<Value> Evaluator::CheckType(const Item& item, std::optional<Type> type) const {
  const Value& value = item.value;
  if (!type) return value;
  if (value.IsNil() && !item.boxed) {
    if (HasNil(type)) return Value::NilOf(*type);
    return Fail("invalid value; expected %s", {NameOf(*type)});
  }
  if (value.type() == *type) return value;
  const std::string_view got = value.IsNil() ? TypeNameOf(item) : NameOf(value.type());
  return Fail("wrong type for value; expected %s; got %s", {NameOf(*type), got});
}

}  // namespace nodekeep::go

#include "agent/template/builtins.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "agent/base/utf8.h"
#include "agent/template/format.h"

namespace nodekeep::go {
namespace {

struct Row {
  std::string_view name;
  std::string_view parameters;
};

// In the order of Builtin.
constexpr Row kBuiltins[] = {
    {"and", "arg0 any, args ...any"},
    {"call", "fn any, args ...any"},
    {"eq", "arg1 any, arg2 ...any"},
    {"ge", "arg1 any, arg2 any"},
    {"gt", "arg1 any, arg2 any"},
    {"html", "args ...any"},
    {"index", "item any, indexes ...any"},
    {"js", "args ...any"},
    {"le", "arg1 any, arg2 any"},
    {"len", "item any"},
    {"lt", "arg1 any, arg2 any"},
    {"ne", "arg1 any, arg2 any"},
    {"not", "arg any"},
    {"or", "arg0 any, args ...any"},
    {"print", "args ...any"},
    {"printf", "format string, args ...any"},
    {"println", "args ...any"},
    {"urlquery", "args ...any"},
};

Error Invalid(std::string message) { return Error(ErrorCode::kInvalid, std::move(message)); }

Result<Value> TextValue(Result<SecretBytes> text) {
  if (!text.ok()) return text.error();
  return Value::Text(*std::move(text));
}

Result<Value> BoolValue(const Result<bool>& truth) {
  if (!truth.ok()) return truth.error();
  return Value::Bool(*truth);
}

// The kinds that eq and lt know.
enum class Basic { kNone, kBool, kInteger, kUnsigned, kFloat, kText };

Basic BasicOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool: return Basic::kBool;
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return Basic::kInteger;
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return Basic::kUnsigned;
    case Kind::kFloat64: return Basic::kFloat;
    case Kind::kString: return Basic::kText;
    default: return Basic::kNone;
  }
}

Error Incompatible(const Value& left, const Value& right) {
  return Error::Format(ErrorCode::kInvalid, "incompatible types for comparison: {} and {}",
                       NameOf(left.type()), NameOf(right.type()));
}

bool IsEqualObject(const Value& left, const Value& right) {
  if (left.type() != right.type()) return false;
  if (left.object() == right.object()) return true;
  // Two pointers differ; two structs may have the same contents.
  return left.type() == Type::kTime && StringOf(left) == StringOf(right);
}

// Neither is of a basic kind.
Result<bool> IsEqualComposite(Call& call, const Value& left, const Value& right) {
  const auto text = [&](const char* verb, const Value& value) -> std::string {
    const Result<SecretBytes> printed = Sprintf(call, verb, {&value, 1});
    return printed.ok() ? std::string(printed->Reveal()) : std::string();
  };
  if (left.kind() != right.kind() && !left.IsNil() && !right.IsNil()) {
    return Error::Format(ErrorCode::kInvalid, "non-comparable types {}: {}, {}: {}",
                         text("%s", left), NameOf(left.type()), NameOf(right.type()),
                         text("%v", right));
  }
  if (left.HoldsNothing() || right.HoldsNothing()) {
    return left.HoldsNothing() == right.HoldsNothing();
  }
  if (right.kind() == Kind::kSlice || right.kind() == Kind::kMap) {
    return Error::Format(ErrorCode::kInvalid, "non-comparable type {}: {}", text("%s", right),
                         NameOf(right.type()));
  }
  return IsEqualObject(left, right);
}

bool IsEqualToUnsigned(std::int64_t integer, std::uint64_t number) {
  return integer >= 0 && static_cast<std::uint64_t>(integer) == number;
}

Result<Value> Equal(Call& call, std::span<const Value> arguments) {
  if (arguments.size() == 1) return Invalid("missing argument for comparison");
  for (const Value& other : arguments.subspan(1)) {
    const Result<bool> equal = IsEqual(call, arguments[0], other);
    if (!equal.ok()) return equal.error();
    if (*equal) return Value::Bool(true);
  }
  return Value::Bool(false);
}

Result<bool> IsLessOrEqual(Call& call, const Value& left, const Value& right) {
  Result<bool> less = IsLess(left, right);
  if (!less.ok() || *less) return less;
  return IsEqual(call, left, right);
}

Result<bool> Inverted(Result<bool> truth) {
  if (!truth.ok()) return truth;
  return !*truth;
}

Result<std::size_t> IndexOf(const Value& index, std::size_t size) {
  bool in_range = false;
  std::uint64_t number = 0;
  switch (BasicOf(index)) {
    case Basic::kInteger:
      number = static_cast<std::uint64_t>(index.integer());
      in_range = index.integer() >= 0 && number <= size;
      if (in_range) break;
      return Error::Format(ErrorCode::kInvalid, "index out of range: {}", index.integer());
    case Basic::kUnsigned:
      number = index.unsigned_integer();
      in_range = number <= size;
      if (in_range) break;
      // Go prints it as an int64.
      return Error::Format(ErrorCode::kInvalid, "index out of range: {}",
                           static_cast<std::int64_t>(number));
    default:
      if (index.IsNil()) return Invalid("cannot index slice/array with nil");
      return Error::Format(ErrorCode::kInvalid, "cannot index slice/array with type {}",
                           NameOf(index.type()));
  }
  return static_cast<std::size_t>(number);
}

Result<Value> IndexText(const Value& item, const Value& index) {
  const Result<std::size_t> at = IndexOf(index, item.text().size());
  if (!at.ok()) return at.error();
  if (*at == item.text().size()) return Invalid("reflect: string index out of range");
  return Value::Unsigned(Type::kUint8, static_cast<unsigned char>(item.text()[*at]));
}

Result<Value> IndexList(const Value& item, const Value& index) {
  const Result<std::size_t> at = IndexOf(index, item.items().size());
  if (!at.ok()) return at.error();
  if (*at == item.items().size()) return Invalid("reflect: slice index out of range");
  return item.items()[*at];
}

Result<Value> IndexMap(const Value& item, const Value& index) {
  if (index.IsNil()) return Invalid("value is nil; should be of type string");
  if (index.type() != Type::kString) {
    return Error::Format(ErrorCode::kInvalid, "value has type {}; should be string",
                         NameOf(index.type()));
  }
  const auto found = item.entries().find(index.text());
  if (found != item.entries().end()) return found->second;
  return item.type() == Type::kStringMap ? Value::Text("") : Value();
}

Result<Value> Index(std::span<const Value> arguments) {
  Value item = arguments[0];
  if (item.IsNil()) return Invalid("index of untyped nil");
  for (const Value& index : arguments.subspan(1)) {
    if (item.IsNil()) return Invalid("index of nil pointer");
    Result<Value> next = Invalid("can't index item of type " + NameOfPointee(item.type()));
    if (item.kind() == Kind::kString) next = IndexText(item, index);
    if (item.kind() == Kind::kSlice) next = IndexList(item, index);
    if (item.kind() == Kind::kMap) next = IndexMap(item, index);
    if (!next.ok()) return next;
    item = *std::move(next);
  }
  return item;
}

Result<Value> Length(const Value& item) {
  std::size_t length = 0;
  switch (item.kind()) {
    case Kind::kString: length = item.text().size(); break;
    case Kind::kSlice: length = item.items().size(); break;
    case Kind::kMap: length = item.entries().size(); break;
    case Kind::kInvalid: return Invalid("reflect: call of reflect.Value.Type on zero Value");
    default: return Invalid("len of type " + NameOfPointee(item.type()));
  }
  return Value::Int(static_cast<std::int64_t>(length));
}

std::string_view HtmlEscape(char c) {
  switch (c) {
    case '\0': return "\xEF\xBF\xBD";
    case '"': return "&#34;";
    case '\'': return "&#39;";
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    default: return {};
  }
}

void AppendHtml(std::string_view text, SecretBytes& out) {
  for (const char& c : text) {
    const std::string_view escape = HtmlEscape(c);
    out.Append(escape.empty() ? std::string_view(&c, 1) : escape);
  }
}

std::string JsEscape(Rune rune) {
  switch (rune.code) {
    case '\\': return "\\\\";
    case '\'': return "\\'";
    case '"': return "\\\"";
    case '<':
    case '>':
    case '&':
    case '=': return fmt::format("\\u{:04X}", rune.code);
    default: break;
  }
  if (rune.code < ' ' || (rune.code >= 0x80 && !IsPrintable(rune.code))) {
    return fmt::format("\\u{:04X}", rune.code);
  }
  return {};
}

void AppendJs(std::string_view text, SecretBytes& out) {
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    const std::string escape = JsEscape(rune);
    out.Append(escape.empty() ? text.substr(0, rune.length) : escape);
    text.remove_prefix(rune.length);
  }
}

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

void AppendQuery(std::string_view text, SecretBytes& out) {
  for (const char& c : text) {
    if (IsUnreserved(c)) {
      out.Append({&c, 1});
    } else {
      out.Append(c == ' ' ? "+" : fmt::format("%{:02X}", static_cast<unsigned char>(c)));
    }
  }
}

// html, js and urlquery print their arguments as an action would, then escape the whole.
Result<Value> Escape(Call& call, std::span<const Value> arguments,
                     void (*append)(std::string_view, SecretBytes&)) {
  // Of a byte in the output.
  constexpr std::size_t kLongestEscape = 6;
  std::vector<Value> shown(arguments.begin(), arguments.end());
  for (Value& value : shown) {
    if (value.IsNil()) value = Value::Text("<no value>");
  }
  const Result<SecretBytes> text = Sprint(call, shown);
  if (!text.ok()) return text.error();
  if (Status charged = call.Charge(text->size() * kLongestEscape); !charged.ok()) {
    return charged.error();
  }
  SecretBytes out;
  append(text->Reveal(), out);
  return Value::Text(std::move(out));
}

}  // namespace

std::optional<Builtin> FindBuiltin(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kBuiltins); ++i) {
    if (kBuiltins[i].name == name) return static_cast<Builtin>(i);
  }
  return std::nullopt;
}

std::string_view ParametersOf(Builtin builtin) {
  return kBuiltins[static_cast<std::size_t>(builtin)].parameters;
}

std::string NameOfPointee(Type type) {
  std::string_view name = NameOf(type);
  if (name.starts_with('*')) name.remove_prefix(1);
  return std::string(name);
}

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kInvalid: return false;
    case Kind::kBool: return value.boolean();
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return value.integer() != 0;
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return value.unsigned_integer() != 0;
    case Kind::kFloat64: return value.real() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kSlice: return !value.items().empty();
    case Kind::kMap: return !value.entries().empty();
    case Kind::kStruct:
    case Kind::kPointer: return true;
  }
  return false;
}

Result<bool> IsEqual(Call& call, const Value& left, const Value& right) {
  const Basic basic = BasicOf(left);
  const Basic other = BasicOf(right);
  if (basic == Basic::kInteger && other == Basic::kUnsigned) {
    return IsEqualToUnsigned(left.integer(), right.unsigned_integer());
  }
  if (basic == Basic::kUnsigned && other == Basic::kInteger) {
    return IsEqualToUnsigned(right.integer(), left.unsigned_integer());
  }
  if (basic != other) {
    if (left.IsNil() || right.IsNil()) return false;
    return Incompatible(left, right);
  }
  switch (basic) {
    case Basic::kBool: return left.boolean() == right.boolean();
    case Basic::kInteger: return left.integer() == right.integer();
    case Basic::kUnsigned: return left.unsigned_integer() == right.unsigned_integer();
    case Basic::kFloat: return left.real() == right.real();
    case Basic::kText: return left.text() == right.text();
    case Basic::kNone: break;
  }
  return IsEqualComposite(call, left, right);
}

Result<bool> IsLess(const Value& left, const Value& right) {
  const Basic basic = BasicOf(left);
  const Basic other = BasicOf(right);
  const auto bad_type = [] { return Invalid("invalid type for comparison"); };
  if (basic == Basic::kNone || other == Basic::kNone) return bad_type();
  if (basic == Basic::kInteger && other == Basic::kUnsigned) {
    return left.integer() < 0 ||
           static_cast<std::uint64_t>(left.integer()) < right.unsigned_integer();
  }
  if (basic == Basic::kUnsigned && other == Basic::kInteger) {
    return right.integer() >= 0 &&
           left.unsigned_integer() < static_cast<std::uint64_t>(right.integer());
  }
  if (basic != other) return Incompatible(left, right);
  switch (basic) {
    case Basic::kInteger: return left.integer() < right.integer();
    case Basic::kUnsigned: return left.unsigned_integer() < right.unsigned_integer();
    case Basic::kFloat: return left.real() < right.real();
    case Basic::kText: return left.text() < right.text();
    default: return bad_type();
  }
}

Result<Value> CallBuiltin(Call& call, Builtin builtin, std::span<const Value> arguments) {
  switch (builtin) {
    case Builtin::kEq: return Equal(call, arguments);
    case Builtin::kNe: return BoolValue(Inverted(IsEqual(call, arguments[0], arguments[1])));
    case Builtin::kLt: return BoolValue(IsLess(arguments[0], arguments[1]));
    case Builtin::kLe: return BoolValue(IsLessOrEqual(call, arguments[0], arguments[1]));
    case Builtin::kGt: return BoolValue(Inverted(IsLessOrEqual(call, arguments[0], arguments[1])));
    case Builtin::kGe: return BoolValue(Inverted(IsLess(arguments[0], arguments[1])));
    case Builtin::kNot: return Value::Bool(!IsTrue(arguments[0]));
    case Builtin::kIndex: return Index(arguments);
    case Builtin::kLen: return Length(arguments[0]);
    case Builtin::kPrint: return TextValue(Sprint(call, arguments));
    case Builtin::kPrintln: return TextValue(Sprintln(call, arguments));
    case Builtin::kPrintf:
      return TextValue(Sprintf(call, arguments[0].text(), arguments.subspan(1)));
    case Builtin::kHtml: return Escape(call, arguments, AppendHtml);
    case Builtin::kJs: return Escape(call, arguments, AppendJs);
    case Builtin::kUrlQuery: return Escape(call, arguments, AppendQuery);
    case Builtin::kAnd:
    case Builtin::kOr:
    case Builtin::kCall: break;
  }
  return Error(ErrorCode::kInternal, "this builtin belongs to the executor");
}

}  // namespace nodekeep::go

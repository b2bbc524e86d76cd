#pragma once

// A parsed template as a tree. Its texts are views of the template's text, which its owner keeps.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/template/function.h"
#include "agent/template/value.h"

namespace nodekeep::go {

// Go's own functions; the others are in the table of function.h.
enum class Builtin {
  kAnd,
  kCall,
  kEq,
  kGe,
  kGt,
  kHtml,
  kIndex,
  kJs,
  kLe,
  kLen,
  kLt,
  kNe,
  kNot,
  kOr,
  kPrint,
  kPrintf,
  kPrintln,
  kUrlQuery,
};

// A number in a template has no type until it is used: it may fit several.
struct Number {
  bool is_int = false;
  bool is_unsigned = false;
  bool is_float = false;
  std::int64_t integer = 0;
  std::uint64_t unsigned_integer = 0;
  double real = 0;
};

// A constant with its value where no particular type is asked for.
struct Literal {
  Value value;
  Number number;
  bool overflows_int = false;
};

struct Pipeline;

// One word of a command.
struct Operand {
  enum class Kind {
    kBool,
    kNumber,
    kString,
    kNil,
    kDot,
    kField,     // .a.b
    kVariable,  // $x, $x.a
    kFunction,
    kChain,     // (pipeline).a, function.a
    kPipeline,  // in parentheses
  };
  Kind kind = Kind::kNil;
  std::uint32_t position = 0;              // byte offset, for error texts
  std::string_view text;                   // as written; of a variable: its name
  std::vector<std::string_view> fields;    // of a field, variable or chain
  std::unique_ptr<const Literal> literal;  // of a bool, number or string
  std::unique_ptr<Operand> base;           // of a chain
  std::unique_ptr<Pipeline> pipeline;
  const Function* function = nullptr;  // of a function; null: `builtin`
  Builtin builtin = Builtin::kAnd;
};

struct Command {
  std::uint32_t position = 0;
  std::vector<Operand> operands;  // at least one
};

struct Pipeline {
  std::uint32_t position = 0;
  bool assigns = false;                     // "=", not ":="
  std::vector<std::string_view> variables;  // which get the value
  std::vector<Command> commands;
};

struct Statement;
using StatementList = std::vector<Statement>;

// The bodies of if, with and range.
struct Branches {
  StatementList body;
  StatementList otherwise;
  bool has_otherwise = false;
};

struct Statement {
  enum class Kind { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue };
  Kind kind = Kind::kText;
  std::uint32_t position = 0;
  std::string_view text;               // of a text
  std::unique_ptr<Pipeline> pipeline;  // null for a template without argument
  std::unique_ptr<Branches> branches;
  std::unique_ptr<std::string> name;  // of the template to execute
};

struct SyntaxTree {
  std::map<std::string, StatementList, std::less<>> templates;
};

// As Go prints a part of a template in error texts: with single blanks.
std::string TextOf(const Operand& operand);
std::string TextOf(const Command& command);
std::string TextOf(const Pipeline& pipeline);
std::string TextOf(const Statement& statement);

}  // namespace nodekeep::go

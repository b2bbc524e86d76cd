#include "agent/template/parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agent/base/utf8.h"
#include "agent/template/builtins.h"
#include "agent/template/error_text.h"
#include "agent/template/lexer.h"
#include "agent/template/number.h"
#include "agent/template/quote.h"

namespace nodekeep::go {
namespace {

using Kind = Token::Kind;

// What ends a list of statements.
enum class ListEnd { kEnd, kElse };

struct ParsedList {
  StatementList statements;
  ListEnd end = ListEnd::kEnd;
  std::uint32_t line = 0;
};

class Parser {
 public:
  explicit Parser(const ParseInput& input)
      : input_(input), lexer_(input.text, input.left, input.right) {}

  Result<SyntaxTree> Parse();

 private:
  // What one template, defined inside another or not, does not share with the others.
  struct Scope {
    std::vector<std::string_view> variables = {"$"};
    // How often each stands in `variables`: there may be thousands.
    std::unordered_map<std::string_view, int> known = {{"$", 1}};
    int range_depth = 0;
    std::uint32_t action_line = 0;  // 0: not in an action
  };

  // Tokens. At most three are put back.
  Token Next();
  Token NextNonSpace();
  const Token& Peek();
  const Token& PeekNonSpace();
  void PutBack(const Token& token) { pending_[pending_count_++] = token; }
  Result<Token> Expect(Kind kind, std::string_view context);

  Error Fail(std::string_view format, std::initializer_list<std::string_view> texts = {},
             ErrorCode code = ErrorCode::kInvalid) const;
  Error Unexpected(const Token& token, std::string_view context) const;
  Error TooDeep() const;

  Status ParseTop(StatementList& root);
  Status ParseDefinition();
  Status ParseTree(std::string name, std::string_view context);
  Status Add(std::string name, StatementList root);
  Result<ParsedList> ParseList();
  Result<std::optional<ListEnd>> ParseStatement(StatementList& list);
  Result<std::optional<ListEnd>> ParseAction(StatementList& list);
  Result<std::optional<ListEnd>> ParseKeyword(const Token& token, StatementList& list);
  Status ParseJump(const Token& token, StatementList& list);
  Result<Statement> ParseControl(Statement::Kind kind, std::string_view context,
                                 std::uint32_t position);
  Status ParseOtherwise(Kind keyword, Statement& statement);
  Status ParseBranches(Kind keyword, Statement& statement);
  Result<Statement> ParseBlock();
  Result<Statement> ParseTemplateCall();
  Result<std::string> ParseName(const Token& token, std::string_view context);

  Result<std::unique_ptr<Pipeline>> ParsePipeline(std::string_view context, Kind end);
  Status ParseVariables(std::string_view context, Pipeline& pipeline);
  Status CheckPipeline(const Pipeline& pipeline, std::string_view context) const;
  Result<Command> ParseCommand();
  // nullopt: the next token starts no operand.
  Result<std::optional<Operand>> ParseOperand();
  Result<std::optional<Operand>> ParseTerm();
  Result<std::optional<Operand>> ParseFunction(const Token& token);
  Result<std::optional<Operand>> ParseVariable(const Token& token);
  Result<std::optional<Operand>> ParseLiteral(const Token& token);
  Result<std::optional<Operand>> ParseParentheses(const Token& token);
  Status AddFields(Operand& operand);

  const ParseInput& input_;
  Lexer lexer_;
  std::array<Token, 3> pending_;
  std::size_t pending_count_ = 0;
  std::uint32_t line_ = 1;  // of the last token that the lexer gave
  Scope scope_;
  int block_depth_ = 0;
  int paren_depth_ = 0;
  SyntaxTree tree_;
};

// unicode.IsSpace.
bool IsWhiteSpace(std::uint32_t rune) {
  if (rune < 0x80) return rune == ' ' || (rune >= '\t' && rune <= '\r');
  if (rune >= 0x2000 && rune <= 0x200A) return true;
  constexpr std::uint32_t kOthers[] = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  return std::find(std::begin(kOthers), std::end(kOthers), rune) != std::end(kOthers);
}

bool IsBlank(std::string_view text) {
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    if (!IsWhiteSpace(rune.code)) return false;
    text.remove_prefix(rune.length);
  }
  return true;
}

bool IsBlank(const StatementList& list) {
  return std::all_of(list.begin(), list.end(), [](const Statement& statement) {
    return statement.kind == Statement::Kind::kText && IsBlank(statement.text);
  });
}

// The kind of a first operand that cannot take a piped value.
bool IsConstant(Operand::Kind kind) {
  switch (kind) {
    case Operand::Kind::kBool:
    case Operand::Kind::kDot:
    case Operand::Kind::kNil:
    case Operand::Kind::kNumber:
    case Operand::Kind::kString: return true;
    default: return false;
  }
}

bool StartsOperand(Kind kind) {
  switch (kind) {
    case Kind::kBool:
    case Kind::kCharConstant:
    case Kind::kComplex:
    case Kind::kDot:
    case Kind::kField:
    case Kind::kIdentifier:
    case Kind::kNumber:
    case Kind::kNil:
    case Kind::kRawString:
    case Kind::kString:
    case Kind::kVariable:
    case Kind::kLeftParen: return true;
    default: return false;
  }
}

Token Parser::Next() {
  if (pending_count_ > 0) return pending_[--pending_count_];
  const Token token = lexer_.Next();
  line_ = token.line;
  return token;
}

Token Parser::NextNonSpace() {
  Token token = Next();
  while (token.kind == Kind::kSpace) token = Next();
  return token;
}

const Token& Parser::Peek() {
  if (pending_count_ == 0) PutBack(Next());
  return pending_[pending_count_ - 1];
}

const Token& Parser::PeekNonSpace() {
  PutBack(NextNonSpace());
  return Peek();
}

Result<Token> Parser::Expect(Kind kind, std::string_view context) {
  const Token token = NextNonSpace();
  if (token.kind != kind) return Unexpected(token, context);
  return token;
}

Error Parser::Fail(std::string_view format, std::initializer_list<std::string_view> texts,
                   ErrorCode code) const {
  std::string whole = "template: " + std::string(input_.name) + ":" + std::to_string(line_) + ": ";
  whole += format;
  return Error(code, ErrorText(whole, texts));
}

Error Parser::Unexpected(const Token& token, std::string_view context) const {
  const std::string text = TextOf(token);
  if (token.kind != Kind::kError) return Fail("unexpected %s in %s", {text, context});
  std::string extra;
  if (scope_.action_line != 0 && scope_.action_line != token.line) {
    extra = text.ends_with(" action") ? "" : " in action";
    extra += " started at " + std::string(input_.name) + ":" + std::to_string(scope_.action_line);
  }
  return Fail("%s%s", {text, extra});
}

Error Parser::TooDeep() const {
  return Fail("blocks are nested more than %s deep", {std::to_string(input_.depth)},
              ErrorCode::kTooLarge);
}

Result<SyntaxTree> Parser::Parse() {
  StatementList root;
  if (Status parsed = ParseTop(root); !parsed.ok()) return parsed.error();
  if (Status added = Add(std::string(input_.name), std::move(root)); !added.ok()) {
    return added.error();
  }
  return std::move(tree_);
}

Status Parser::ParseTop(StatementList& root) {
  while (Peek().kind != Kind::kEnd) {
    if (Peek().kind == Kind::kLeftDelimiter) {
      const Token delimiter = Next();
      const Token word = NextNonSpace();
      if (word.kind == Kind::kDefine) {
        if (Status defined = ParseDefinition(); !defined.ok()) return defined;
        continue;
      }
      PutBack(word);
      PutBack(delimiter);
    }
    const Result<std::optional<ListEnd>> end = ParseStatement(root);
    if (!end.ok()) return end.error();
    if (*end) return Fail("unexpected %s", {**end == ListEnd::kEnd ? "{{end}}" : "{{else}}"});
  }
  return {};
}

Status Parser::ParseDefinition() {
  constexpr std::string_view kContext = "define clause";
  Scope outer = std::exchange(scope_, Scope());
  const Token token = NextNonSpace();
  Result<std::string> name = ParseName(token, kContext);
  if (!name.ok()) return name.error();
  if (Result<Token> end = Expect(Kind::kRightDelimiter, kContext); !end.ok()) return end.error();
  if (Status parsed = ParseTree(*std::move(name), kContext); !parsed.ok()) return parsed;
  scope_ = std::move(outer);
  return {};
}

Status Parser::ParseTree(std::string name, std::string_view context) {
  Result<ParsedList> list = ParseList();
  if (!list.ok()) return list.error();
  if (list->end == ListEnd::kElse) return Fail("unexpected %s in %s", {"{{else}}", context});
  return Add(std::move(name), std::move(list->statements));
}

Status Parser::Add(std::string name, StatementList root) {
  const auto known = tree_.templates.find(name);
  if (known == tree_.templates.end()) {
    tree_.templates.emplace(std::move(name), std::move(root));
    return {};
  }
  if (IsBlank(known->second)) {
    known->second = std::move(root);
    return {};
  }
  if (!IsBlank(root)) return Fail("template: multiple definition of template %q", {name});
  return {};
}

Result<ParsedList> Parser::ParseList() {
  if (block_depth_ == input_.depth) return TooDeep();
  ++block_depth_;
  ParsedList list;
  while (PeekNonSpace().kind != Kind::kEnd) {
    const Result<std::optional<ListEnd>> end = ParseStatement(list.statements);
    if (!end.ok()) return end.error();
    if (!*end) continue;
    --block_depth_;
    list.end = **end;
    return list;
  }
  return Fail("unexpected EOF");
}

Result<std::optional<ListEnd>> Parser::ParseStatement(StatementList& list) {
  const Token token = NextNonSpace();
  if (token.kind == Kind::kText) {
    Statement text;
    text.position = token.position;
    text.text = token.text;
    list.push_back(std::move(text));
    return std::optional<ListEnd>();
  }
  if (token.kind != Kind::kLeftDelimiter) return Unexpected(token, "input");
  scope_.action_line = token.line;
  Result<std::optional<ListEnd>> end = ParseAction(list);
  scope_.action_line = 0;
  return end;
}

Result<std::optional<ListEnd>> Parser::ParseAction(StatementList& list) {
  const Token token = NextNonSpace();
  if (token.kind >= Kind::kBlock && token.kind != Kind::kDot && token.kind != Kind::kDefine &&
      token.kind != Kind::kNil) {
    return ParseKeyword(token, list);
  }
  PutBack(token);
  Statement action;
  action.kind = Statement::Kind::kAction;
  action.position = token.position;
  Result<std::unique_ptr<Pipeline>> pipeline = ParsePipeline("command", Kind::kRightDelimiter);
  if (!pipeline.ok()) return pipeline.error();
  action.pipeline = *std::move(pipeline);
  list.push_back(std::move(action));
  return std::optional<ListEnd>();
}

Result<std::optional<ListEnd>> Parser::ParseKeyword(const Token& token, StatementList& list) {
  const auto append = [&](Result<Statement> statement) -> Result<std::optional<ListEnd>> {
    if (!statement.ok()) return statement.error();
    list.push_back(*std::move(statement));
    return std::optional<ListEnd>();
  };
  switch (token.kind) {
    case Kind::kBlock: return append(ParseBlock());
    case Kind::kTemplate: return append(ParseTemplateCall());
    case Kind::kIf: return append(ParseControl(Statement::Kind::kIf, "if", token.position));
    case Kind::kWith: return append(ParseControl(Statement::Kind::kWith, "with", token.position));
    case Kind::kRange:
      return append(ParseControl(Statement::Kind::kRange, "range", token.position));
    case Kind::kEndKeyword: {
      const Result<Token> end = Expect(Kind::kRightDelimiter, "end");
      if (!end.ok()) return end.error();
      return std::optional<ListEnd>(ListEnd::kEnd);
    }
    case Kind::kElse: {
      const Kind following = PeekNonSpace().kind;
      if (following == Kind::kIf || following == Kind::kWith) {
        return std::optional<ListEnd>(ListEnd::kElse);
      }
      const Result<Token> end = Expect(Kind::kRightDelimiter, "else");
      if (!end.ok()) return end.error();
      return std::optional<ListEnd>(ListEnd::kElse);
    }
    default: break;
  }
  if (Status parsed = ParseJump(token, list); !parsed.ok()) return parsed.error();
  return std::optional<ListEnd>();
}

Status Parser::ParseJump(const Token& token, StatementList& list) {
  Statement jump;
  jump.kind = token.kind == Kind::kBreak ? Statement::Kind::kBreak : Statement::Kind::kContinue;
  jump.position = token.position;
  const std::string text = TextOf(jump);
  const Token end = NextNonSpace();
  if (end.kind != Kind::kRightDelimiter) return Unexpected(end, text);
  if (scope_.range_depth == 0) return Fail("%s outside {{range}}", {text});
  list.push_back(std::move(jump));
  return {};
}

Result<Statement> Parser::ParseControl(Statement::Kind kind, std::string_view context,
                                       std::uint32_t position) {
  const std::size_t variables = scope_.variables.size();
  Statement statement;
  statement.kind = kind;
  statement.position = position;
  statement.branches = std::make_unique<Branches>();
  Result<std::unique_ptr<Pipeline>> pipeline = ParsePipeline(context, Kind::kRightDelimiter);
  if (!pipeline.ok()) return pipeline.error();
  statement.pipeline = *std::move(pipeline);
  Kind chained = Kind::kError;  // the keyword that may follow "else"
  if (kind == Statement::Kind::kIf) chained = Kind::kIf;
  if (kind == Statement::Kind::kWith) chained = Kind::kWith;
  if (Status parsed = ParseBranches(chained, statement); !parsed.ok()) return parsed.error();
  for (; scope_.variables.size() > variables; scope_.variables.pop_back()) {
    --scope_.known[scope_.variables.back()];
  }
  return statement;
}

Status Parser::ParseBranches(Kind keyword, Statement& statement) {
  const bool is_range = statement.kind == Statement::Kind::kRange;
  scope_.range_depth += is_range ? 1 : 0;
  Result<ParsedList> body = ParseList();
  if (!body.ok()) return body.error();
  scope_.range_depth -= is_range ? 1 : 0;
  statement.branches->body = std::move(body->statements);
  if (body->end == ListEnd::kEnd) return {};
  statement.branches->has_otherwise = true;
  return ParseOtherwise(keyword, statement);
}

Status Parser::ParseOtherwise(Kind keyword, Statement& statement) {
  StatementList& otherwise = statement.branches->otherwise;
  if (keyword != Kind::kError && Peek().kind == keyword) {
    // {{else if}} is an {{if}} in the else branch; the two share one {{end}}.
    const Token token = Next();
    if (block_depth_ == input_.depth) return TooDeep();
    ++block_depth_;
    Result<Statement> chained =
        ParseControl(statement.kind, keyword == Kind::kIf ? "if" : "with", token.position);
    if (!chained.ok()) return chained.error();
    --block_depth_;
    otherwise.push_back(*std::move(chained));
    return {};
  }
  Result<ParsedList> list = ParseList();
  if (!list.ok()) return list.error();
  if (list->end == ListEnd::kElse) return Fail("expected end; found %s", {"{{else}}"});
  otherwise = std::move(list->statements);
  return {};
}

Result<Statement> Parser::ParseBlock() {
  constexpr std::string_view kContext = "block clause";
  const Token token = NextNonSpace();
  Result<std::string> name = ParseName(token, kContext);
  if (!name.ok()) return name.error();
  Statement statement;
  statement.kind = Statement::Kind::kTemplate;
  statement.position = token.position;
  statement.name = std::make_unique<std::string>(*name);
  Result<std::unique_ptr<Pipeline>> pipeline = ParsePipeline(kContext, Kind::kRightDelimiter);
  if (!pipeline.ok()) return pipeline.error();
  statement.pipeline = *std::move(pipeline);
  Scope outer = std::exchange(scope_, Scope());
  if (Status parsed = ParseTree(*std::move(name), kContext); !parsed.ok()) return parsed.error();
  scope_ = std::move(outer);
  return statement;
}

Result<Statement> Parser::ParseTemplateCall() {
  constexpr std::string_view kContext = "template clause";
  const Token token = NextNonSpace();
  Result<std::string> name = ParseName(token, kContext);
  if (!name.ok()) return name.error();
  Statement statement;
  statement.kind = Statement::Kind::kTemplate;
  statement.position = token.position;
  statement.name = std::make_unique<std::string>(*std::move(name));
  const Token following = NextNonSpace();
  if (following.kind == Kind::kRightDelimiter) return statement;
  PutBack(following);
  Result<std::unique_ptr<Pipeline>> pipeline = ParsePipeline(kContext, Kind::kRightDelimiter);
  if (!pipeline.ok()) return pipeline.error();
  statement.pipeline = *std::move(pipeline);
  return statement;
}

Result<std::string> Parser::ParseName(const Token& token, std::string_view context) {
  if (token.kind != Kind::kString && token.kind != Kind::kRawString) {
    return Unexpected(token, context);
  }
  const std::optional<SecretBytes> name = Unquote(token.text);
  if (!name) return Fail("invalid syntax");
  return std::string(name->Reveal());
}

Result<std::unique_ptr<Pipeline>> Parser::ParsePipeline(std::string_view context, Kind end) {
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->position = PeekNonSpace().position;
  if (Status parsed = ParseVariables(context, *pipeline); !parsed.ok()) return parsed.error();
  while (true) {
    const Token token = NextNonSpace();
    if (token.kind == end) {
      if (Status checked = CheckPipeline(*pipeline, context); !checked.ok()) return checked.error();
      return pipeline;
    }
    if (!StartsOperand(token.kind)) return Unexpected(token, context);
    PutBack(token);
    Result<Command> command = ParseCommand();
    if (!command.ok()) return command.error();
    pipeline->commands.push_back(*std::move(command));
  }
}

Status Parser::ParseVariables(std::string_view context, Pipeline& pipeline) {
  while (PeekNonSpace().kind == Kind::kVariable) {
    const Token variable = Next();
    const Token adjacent = Peek();
    const Token following = PeekNonSpace();
    const bool is_comma = following.kind == Kind::kOther && following.text == ",";
    if (following.kind != Kind::kAssign && following.kind != Kind::kDeclare && !is_comma) {
      // It is an argument. Whether a space follows it matters to the command.
      if (adjacent.kind == Kind::kSpace) PutBack(adjacent);
      PutBack(variable);
      return {};
    }
    Next();
    if (!is_comma) pipeline.assigns = following.kind == Kind::kAssign;
    pipeline.variables.push_back(variable.text);
    scope_.variables.push_back(variable.text);
    ++scope_.known[variable.text];
    if (!is_comma) return {};
    if (context != "range" || pipeline.variables.size() >= 2) {
      return Fail("too many declarations in %s", {context});
    }
    const Kind kind = PeekNonSpace().kind;
    if (kind != Kind::kVariable && kind != Kind::kRightDelimiter && kind != Kind::kRightParen) {
      return Fail("range can only initialize variables");
    }
  }
  return {};
}

Status Parser::CheckPipeline(const Pipeline& pipeline, std::string_view context) const {
  if (pipeline.commands.empty()) return Fail("missing value for %s", {context});
  for (std::size_t i = 1; i < pipeline.commands.size(); ++i) {
    if (!IsConstant(pipeline.commands[i].operands.front().kind)) continue;
    return Fail("non executable command in pipeline stage %s", {std::to_string(i + 1)});
  }
  return {};
}

Result<Command> Parser::ParseCommand() {
  Command command;
  command.position = PeekNonSpace().position;
  while (true) {
    PeekNonSpace();
    Result<std::optional<Operand>> operand = ParseOperand();
    if (!operand.ok()) return operand.error();
    if (*operand) command.operands.push_back(**std::move(operand));
    const Token token = Next();
    if (token.kind == Kind::kSpace) continue;
    if (token.kind == Kind::kRightDelimiter || token.kind == Kind::kRightParen) {
      PutBack(token);
    } else if (token.kind != Kind::kPipe) {
      return Unexpected(token, "operand");
    }
    break;
  }
  if (command.operands.empty()) return Fail("empty command");
  return command;
}

Result<std::optional<Operand>> Parser::ParseOperand() {
  Result<std::optional<Operand>> term = ParseTerm();
  if (!term.ok() || !*term || Peek().kind != Kind::kField) return term;
  if (Status added = AddFields(**term); !added.ok()) return added.error();
  return term;
}

Status Parser::AddFields(Operand& operand) {
  const std::uint32_t position = Peek().position;
  std::vector<std::string_view> fields;
  while (Peek().kind == Kind::kField) fields.push_back(Next().text.substr(1));
  if (IsConstant(operand.kind)) {
    return Fail("unexpected . after term %q", {TextOf(operand)});
  }
  if (operand.kind == Operand::Kind::kField || operand.kind == Operand::Kind::kVariable) {
    operand.fields.insert(operand.fields.end(), fields.begin(), fields.end());
    operand.position = position;
    return {};
  }
  Operand chain;
  chain.kind = Operand::Kind::kChain;
  chain.position = position;
  chain.fields = std::move(fields);
  chain.base = std::make_unique<Operand>(std::move(operand));
  operand = std::move(chain);
  return {};
}

Result<std::optional<Operand>> Parser::ParseTerm() {
  const Token token = NextNonSpace();
  Operand operand;
  operand.position = token.position;
  operand.text = token.text;
  switch (token.kind) {
    case Kind::kIdentifier: return ParseFunction(token);
    case Kind::kVariable: return ParseVariable(token);
    case Kind::kLeftParen: return ParseParentheses(token);
    case Kind::kBool:
    case Kind::kCharConstant:
    case Kind::kNumber:
    case Kind::kComplex:
    case Kind::kString:
    case Kind::kRawString: return ParseLiteral(token);
    case Kind::kDot: operand.kind = Operand::Kind::kDot; break;
    case Kind::kNil: operand.kind = Operand::Kind::kNil; break;
    case Kind::kField:
      operand.kind = Operand::Kind::kField;
      operand.text = {};
      operand.fields.push_back(token.text.substr(1));
      break;
    default: PutBack(token); return std::optional<Operand>();
  }
  return std::optional<Operand>(std::move(operand));
}

Result<std::optional<Operand>> Parser::ParseFunction(const Token& token) {
  Operand operand;
  operand.kind = Operand::Kind::kFunction;
  operand.position = token.position;
  operand.text = token.text;
  operand.function = FindFunction(token.text);
  if (operand.function == nullptr) {
    const std::optional<Builtin> builtin = FindBuiltin(token.text);
    if (!builtin) return Fail("function %q not defined", {token.text});
    operand.builtin = *builtin;
  }
  return std::optional<Operand>(std::move(operand));
}

Result<std::optional<Operand>> Parser::ParseVariable(const Token& token) {
  const auto known = scope_.known.find(token.text);
  if (known == scope_.known.end() || known->second == 0) {
    return Fail("undefined variable %q", {token.text});
  }
  Operand operand;
  operand.kind = Operand::Kind::kVariable;
  operand.position = token.position;
  operand.text = token.text;
  return std::optional<Operand>(std::move(operand));
}

Result<std::optional<Operand>> Parser::ParseLiteral(const Token& token) {
  Operand operand;
  operand.position = token.position;
  operand.text = token.text;
  Literal literal;
  if (token.kind == Kind::kBool) {
    operand.kind = Operand::Kind::kBool;
    literal.value = Value::Bool(token.text == "true");
  } else if (token.kind == Kind::kString || token.kind == Kind::kRawString) {
    operand.kind = Operand::Kind::kString;
    std::optional<SecretBytes> text = Unquote(token.text);
    if (!text) return Fail("invalid syntax");
    literal.value = Value::Text(*std::move(text));
  } else {
    operand.kind = Operand::Kind::kNumber;
    Result<Literal> number =
        token.kind == Kind::kCharConstant ? ParseCharConstant(token.text) : ParseNumber(token.text);
    if (!number.ok()) return Fail("%s", {number.error().message()});
    literal = *std::move(number);
  }
  operand.literal = std::make_unique<const Literal>(std::move(literal));
  return std::optional<Operand>(std::move(operand));
}

Result<std::optional<Operand>> Parser::ParseParentheses(const Token& token) {
  if (paren_depth_ == input_.depth) {
    return Fail("max expression depth exceeded", {}, ErrorCode::kTooLarge);
  }
  ++paren_depth_;
  Operand operand;
  operand.kind = Operand::Kind::kPipeline;
  operand.position = token.position;
  Result<std::unique_ptr<Pipeline>> pipeline =
      ParsePipeline("parenthesized pipeline", Kind::kRightParen);
  if (!pipeline.ok()) return pipeline.error();
  --paren_depth_;
  operand.pipeline = *std::move(pipeline);
  operand.position = operand.pipeline->position;
  return std::optional<Operand>(std::move(operand));
}

}  // namespace

Result<SyntaxTree> ParseTemplate(const ParseInput& input) { return Parser(input).Parse(); }

}  // namespace nodekeep::go

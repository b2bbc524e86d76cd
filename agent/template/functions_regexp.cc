#include <utility>
#include <vector>

#include "agent/base/go_regexp.h"
#include "agent/base/utf8.h"
#include "agent/template/format.h"
#include "agent/template/function.h"

namespace nodekeep::go {
namespace {

class CallBudget final : public RegexpBudget {
 public:
  explicit CallBudget(Call& call) : call_(call) {}
  Status Steps(std::uint64_t count) override { return call_.Step(count); }
  Status Bytes(std::size_t count) override { return call_.Charge(count); }

 private:
  Call& call_;
};

// Errors: kInvalid for the pattern; kTooLarge.
Result<GoRegexp> Compile(Call& call, std::string_view pattern) {
  const std::size_t most = call.limits().regexp_bytes;
  if (pattern.size() > most) {
    return Error::Format(ErrorCode::kTooLarge, "a regular expression is longer than {} bytes",
                         most);
  }
  if (Status status = call.Step(10 + pattern.size() / 16); !status.ok()) return status.error();
  Result<GoRegexp> regexp = GoRegexp::Compile(pattern);
  // A program may take many times the bytes of its pattern; one that was refused may have been
  // large.
  const std::size_t refused = 400'000 + 256 * pattern.size();
  const std::size_t size = regexp.ok() ? regexp->program_size() : refused;
  if (Status status = call.Step(size / 8); !status.ok()) return status.error();
  return regexp;
}

// Whether strconv.CanBackquote.
bool CanBackquote(std::string_view text) {
  if (FindInvalidUtf8(text) != std::string_view::npos) return false;
  if (text.find("\xEF\xBB\xBF") != std::string_view::npos) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || c == '`' || byte == 0x7F) return false;
  }
  return true;
}

// regexp.MustCompile, whose panic names the pattern.
Result<GoRegexp> MustCompile(Call& call, std::string_view pattern) {
  Result<GoRegexp> regexp = Compile(call, pattern);
  if (regexp.ok() || regexp.error().code() == ErrorCode::kTooLarge) return regexp;
  const std::string quoted =
      CanBackquote(pattern) ? fmt::format("`{}`", pattern) : std::string(Quote(pattern).Reveal());
  return regexp.error().Prepend("regexp: Compile({})", quoted);
}

using Compiler = Result<GoRegexp> (*)(Call& call, std::string_view pattern);

Result<Value> Parts(Call& call, std::string_view text,
                    const Result<std::vector<GoRegexp::Range>>& ranges) {
  if (!ranges.ok()) return ranges.error();
  if (ranges->empty()) return Value::NilOf(Type::kStringList);
  std::vector<Value> parts;
  parts.reserve(ranges->size());
  for (const GoRegexp::Range& range : *ranges) {
    const std::size_t size = range.end - range.begin;
    if (Status status = call.Charge(2 * sizeof(Value) + size); !status.ok()) return status.error();
    parts.push_back(Value::Text(text.substr(range.begin, size)));
  }
  return Value::List(Type::kStringList, std::move(parts));
}

Result<Value> MustRegexMatch(Call& call, std::span<const Value> arguments) {
  Result<GoRegexp> regexp = Compile(call, arguments[0].text());
  if (!regexp.ok()) return regexp.error();
  CallBudget budget(call);
  Result<bool> matches = regexp->Matches(arguments[1].text(), budget);
  if (!matches.ok()) return matches.error();
  return Value::Bool(*matches);
}

Result<Value> RegexMatch(Call& call, std::span<const Value> arguments) {
  Result<Value> matches = MustRegexMatch(call, arguments);
  if (!matches.ok() && matches.error().code() != ErrorCode::kTooLarge) return Value::Bool(false);
  return matches;
}

template <Compiler compile>
Result<Value> RegexFind(Call& call, std::span<const Value> arguments) {
  Result<GoRegexp> regexp = compile(call, arguments[0].text());
  if (!regexp.ok()) return regexp.error();
  CallBudget budget(call);
  const std::string_view text = arguments[1].text();
  Result<std::optional<GoRegexp::Range>> found = regexp->Find(text, budget);
  if (!found.ok()) return found.error();
  if (!found->has_value()) return Value::Text("");
  const GoRegexp::Range range = **found;
  return Value::Text(text.substr(range.begin, range.end - range.begin));
}

template <Compiler compile>
Result<Value> RegexFindAll(Call& call, std::span<const Value> arguments) {
  Result<GoRegexp> regexp = compile(call, arguments[0].text());
  if (!regexp.ok()) return regexp.error();
  CallBudget budget(call);
  const std::string_view text = arguments[1].text();
  return Parts(call, text, regexp->FindAll(text, arguments[2].integer(), budget));
}

template <Compiler compile>
Result<Value> RegexSplit(Call& call, std::span<const Value> arguments) {
  Result<GoRegexp> regexp = compile(call, arguments[0].text());
  if (!regexp.ok()) return regexp.error();
  CallBudget budget(call);
  const std::string_view text = arguments[1].text();
  const std::int64_t limit = arguments[2].integer();
  Result<std::vector<GoRegexp::Range>> parts = regexp->Split(text, limit, budget);
  // Only the limit 0 gives the nil list.
  if (parts.ok() && parts->empty() && limit != 0) return Value::List(Type::kStringList, {});
  return Parts(call, text, parts);
}

template <Compiler compile>
Result<Value> RegexReplaceAll(Call& call, std::span<const Value> arguments) {
  Result<GoRegexp> regexp = compile(call, arguments[0].text());
  if (!regexp.ok()) return regexp.error();
  CallBudget budget(call);
  Result<SecretBytes> replaced =
      regexp->ReplaceAll(arguments[1].text(), arguments[2].text(), budget);
  if (!replaced.ok()) return replaced.error();
  return Value::Text(*std::move(replaced));
}

template <Compiler compile>
Result<Value> RegexReplaceAllLiteral(Call& call, std::span<const Value> arguments) {
  Result<GoRegexp> regexp = compile(call, arguments[0].text());
  if (!regexp.ok()) return regexp.error();
  CallBudget budget(call);
  Result<SecretBytes> replaced =
      regexp->ReplaceAllLiteral(arguments[1].text(), arguments[2].text(), budget);
  if (!replaced.ok()) return replaced.error();
  return Value::Text(*std::move(replaced));
}

Result<Value> RegexQuoteMeta(Call&, std::span<const Value> arguments) {
  return Value::Text(QuoteRegexp(arguments[0].text()));
}

}  // namespace

std::span<const Function> RegexpFunctions() {
  static const Function functions[] = {
      {"regexMatch", "regex string, s string", RegexMatch,
       "whether the text contains a match; false for an invalid expression",
       R"({{ regexMatch "^[a-z]+$" "abc" }})"},
      {"mustRegexMatch", "regex string, s string", MustRegexMatch,
       "as regexMatch; an invalid expression is an error"},
      {"regexFind", "regex string, s string", RegexFind<MustCompile>,
       "the first match, or empty text", R"({{ regexFind "[0-9]+" "port 8080 or 9090" }})"},
      {"mustRegexFind", "regex string, s string", RegexFind<Compile>, "as regexFind"},
      {"regexFindAll", "regex string, s string, n int", RegexFindAll<MustCompile>,
       "a list of the first n matches; of all if n is negative",
       R"({{ regexFindAll "[0-9]+" "port 8080 or 9090" -1 }})"},
      {"mustRegexFindAll", "regex string, s string, n int", RegexFindAll<Compile>,
       "as regexFindAll"},
      {"regexReplaceAll", "regex string, s string, repl string", RegexReplaceAll<MustCompile>,
       "the text with all matches replaced; ${1} or ${name} stands for a group",
       R"t({{ regexReplaceAll "(\\w+)@(\\w+)" "alice@db" "${2}/${1}" }})t"},
      {"mustRegexReplaceAll", "regex string, s string, repl string", RegexReplaceAll<Compile>,
       "as regexReplaceAll"},
      {"regexReplaceAllLiteral", "regex string, s string, repl string",
       RegexReplaceAllLiteral<MustCompile>,
       "the text with all matches replaced by the same text, in which $ has no meaning",
       R"({{ regexReplaceAllLiteral "[0-9]" "a1b2" "$1" }})"},
      {"mustRegexReplaceAllLiteral", "regex string, s string, repl string",
       RegexReplaceAllLiteral<Compile>, "as regexReplaceAllLiteral"},
      {"regexSplit", "regex string, s string, n int", RegexSplit<MustCompile>,
       "a list of the parts between matches, at most n; all if n is negative",
       R"({{ regexSplit "[,;] *" "a, b;c" -1 | join "|" }})"},
      {"mustRegexSplit", "regex string, s string, n int", RegexSplit<Compile>, "as regexSplit"},
      {"regexQuoteMeta", "s string", RegexQuoteMeta,
       "the text as an expression that matches just this text",
       R"t({{ regexQuoteMeta "1.5*(a)" }})t"},
  };
  return functions;
}

}  // namespace nodekeep::go

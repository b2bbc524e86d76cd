#include <algorithm>
#include <vector>

#include "agent/base/utf8.h"
#include "agent/template/conversions.h"
#include "agent/template/format.h"
#include "agent/template/function.h"
#include "agent/template/random_text.h"
#include "agent/template/text_builder.h"
#include "agent/template/unicode_case.h"
#include "agent/template/words.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

Error OutOfRange(std::string range) {
  return Error::Format(ErrorCode::kInvalid, "runtime error: slice bounds out of range {}", range);
}

Result<Value> Hello(Call&, Arguments) { return Value::Text("Hello!"); }

// A function of one text whose result is about as long.
template <auto map>
Result<Value> Mapped(Call&, Arguments arguments) {
  return Value::Text(SecretBytes::MoveFrom(map(arguments[0].text())));
}

std::string Upper(std::string_view text) { return MapRunes(text, ToUpper); }
std::string Lower(std::string_view text) { return MapRunes(text, ToLower); }
std::string SnakeCase(std::string_view text) { return LowerCaseWords(text, '_'); }
std::string KebabCase(std::string_view text) { return LowerCaseWords(text, '-'); }

// The two below read bytes as characters of Latin-1, as upstream does.
std::string WithoutSpace(std::string_view text) {
  const auto is_space = [](char c) { return IsSpace(static_cast<unsigned char>(c)); };
  if (std::none_of(text.begin(), text.end(), is_space)) return std::string(text);
  std::string kept;
  for (const char c : text) {
    if (!is_space(c)) kept += EncodeUtf8(static_cast<unsigned char>(c));
  }
  return kept;
}

std::string Initials(std::string_view text) {
  std::string initials;
  bool after_space = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!IsSpace(byte) && after_space) initials += EncodeUtf8(byte);
    after_space = IsSpace(byte);
  }
  return initials;
}

Result<Value> Trim(Call&, Arguments arguments) {
  return Value::Text(TrimSpace(arguments[0].text()));
}

Result<Value> TrimAll(Call&, Arguments arguments) {
  std::string_view text = arguments[1].text();
  std::vector<std::uint32_t> removed;
  for (std::string_view rest = arguments[0].text(); !rest.empty();) {
    const Rune rune = FirstRune(rest);
    rest.remove_prefix(rune.length);
    removed.push_back(rune.code);
  }
  std::sort(removed.begin(), removed.end());
  const auto is_removed = [&](const Rune& rune) {
    return rune.length > 0 && std::binary_search(removed.begin(), removed.end(), rune.code);
  };
  for (Rune rune = FirstRune(text); is_removed(rune); rune = FirstRune(text)) {
    text.remove_prefix(rune.length);
  }
  for (Rune rune = LastRune(text); is_removed(rune); rune = LastRune(text)) {
    text.remove_suffix(rune.length);
  }
  return Value::Text(text);
}

Result<Value> TrimPrefix(Call&, Arguments arguments) {
  std::string_view text = arguments[1].text();
  if (text.starts_with(arguments[0].text())) text.remove_prefix(arguments[0].text().size());
  return Value::Text(text);
}

Result<Value> TrimSuffix(Call&, Arguments arguments) {
  std::string_view text = arguments[1].text();
  if (text.ends_with(arguments[0].text())) text.remove_suffix(arguments[0].text().size());
  return Value::Text(text);
}

Result<Value> HasPrefix(Call&, Arguments arguments) {
  return Value::Bool(arguments[1].text().starts_with(arguments[0].text()));
}

Result<Value> HasSuffix(Call&, Arguments arguments) {
  return Value::Bool(arguments[1].text().ends_with(arguments[0].text()));
}

Result<Value> Contains(Call&, Arguments arguments) {
  return Value::Bool(FindText(arguments[1].text(), arguments[0].text()) != std::string_view::npos);
}

// `replacement` before each character of `text` and at its end.
Result<Value> Interspersed(Call& call, std::string_view text, std::string_view replacement) {
  TextBuilder out(call);
  while (!text.empty() && out.ok()) {
    const std::size_t length = FirstRune(text).length;
    out.Append(replacement);
    out.Append(text.substr(0, length));
    text.remove_prefix(length);
  }
  out.Append(replacement);
  return out.Finish();
}

Result<Value> Replace(Call& call, Arguments arguments) {
  const std::string_view before = arguments[0].text();
  const std::string_view after = arguments[1].text();
  std::string_view text = arguments[2].text();
  if (before == after) return arguments[2];
  if (before.empty()) return Interspersed(call, text, after);
  TextBuilder out(call);
  while (out.ok()) {
    const std::size_t at = FindText(text, before);
    out.Append(text.substr(0, at));
    if (at == std::string_view::npos) break;
    out.Append(after);
    text.remove_prefix(at + before.size());
  }
  return out.Finish();
}

// Errors: kInvalid for a negative count; kTooLarge.
Result<SecretBytes> Repeated(Call& call, std::int64_t count, std::string_view text) {
  if (count < 0) return Error(ErrorCode::kInvalid, "strings: negative Repeat count");
  if (text.empty()) return SecretBytes();
  const auto times = static_cast<std::size_t>(count);
  if (times > call.limits().memory / text.size()) {
    if (Status status = call.Charge(call.limits().memory + 1); !status.ok()) return status.error();
  }
  if (Status status = call.Charge(times * text.size()); !status.ok()) return status.error();
  SecretBytes repeated;
  repeated.Reserve(times * text.size());
  for (std::size_t i = 0; i < times; ++i) repeated.Append(text);
  return repeated;
}

Result<Value> Repeat(Call& call, Arguments arguments) {
  Result<SecretBytes> repeated = Repeated(call, arguments[0].integer(), arguments[1].text());
  if (!repeated.ok()) return repeated.error();
  return Value::Text(*std::move(repeated));
}

Result<Value> Indented(Call& call, Arguments arguments, std::string_view start) {
  Result<SecretBytes> pad = Repeated(call, arguments[0].integer(), " ");
  if (!pad.ok()) return pad.error();
  std::string_view text = arguments[1].text();
  TextBuilder out(call);
  out.Append(start);
  while (out.ok()) {
    out.Append(pad->Reveal());
    const std::size_t line = text.find('\n');
    if (line == std::string_view::npos) break;
    out.Append(text.substr(0, line + 1));
    text.remove_prefix(line + 1);
  }
  out.Append(text);
  return out.Finish();
}

Result<Value> Indent(Call& call, Arguments arguments) { return Indented(call, arguments, ""); }
Result<Value> Nindent(Call& call, Arguments arguments) { return Indented(call, arguments, "\n"); }

Result<Value> Trunc(Call&, Arguments arguments) {
  const std::int64_t count = arguments[0].integer();
  const std::string_view text = arguments[1].text();
  const auto size = static_cast<std::int64_t>(text.size());
  if (count >= size || count <= -size) return arguments[1];
  if (count >= 0) return Value::Text(text.substr(0, static_cast<std::size_t>(count)));
  return Value::Text(text.substr(static_cast<std::size_t>(size + count)));
}

Result<Value> Substr(Call&, Arguments arguments) {
  const std::int64_t start = arguments[0].integer();
  const std::int64_t end = arguments[1].integer();
  const std::string_view text = arguments[2].text();
  const auto size = static_cast<std::int64_t>(text.size());
  const auto part = [&](std::int64_t from, std::int64_t to) {
    return Value::Text(
        text.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  };
  if (start < 0) {
    if (end < 0) return OutOfRange(fmt::format("[:{}]", end));
    if (end > size) return OutOfRange(fmt::format("[:{}] with length {}", end, size));
    return part(0, end);
  }
  const std::int64_t last = end < 0 || end > size ? size : end;
  if (start > last) return OutOfRange(fmt::format("[{}:{}]", start, last));
  return part(start, last);
}

// The text around `offset`, at most `width` bytes, with "..." for what is left out. Preconditions:
// width >= 4, and >= 7 if something is left out on the left.
std::string Abbreviated(std::string_view text, std::int64_t offset, std::int64_t width) {
  constexpr std::string_view kDots = "...";
  const auto size = static_cast<std::int64_t>(text.size());
  if (size <= width) return std::string(text);
  offset = std::min(offset, size);
  if (size - offset < width - 3) offset = size - (width - 3);
  const auto kept = static_cast<std::size_t>(width - 3);
  if (offset <= 4) return std::string(text.substr(0, kept)).append(kDots);
  if (width < 7) return "";
  const std::string_view rest = text.substr(static_cast<std::size_t>(offset));
  if (offset + width - 3 < size) return std::string(kDots) + Abbreviated(rest, 0, width - 3);
  return std::string(kDots).append(rest);
}

Result<Value> Abbrev(Call&, Arguments arguments) {
  const std::int64_t width = arguments[0].integer();
  if (width < 4) return arguments[1];
  return Value::Text(Abbreviated(arguments[1].text(), 0, width));
}

Result<Value> AbbrevBoth(Call&, Arguments arguments) {
  const std::int64_t left = arguments[0].integer();
  const std::int64_t width = arguments[1].integer();
  if (width < 4 || (left > 0 && width < 7)) return arguments[2];
  return Value::Text(Abbreviated(arguments[2].text(), left, width));
}

// Breaks `text` at blanks into lines of at most `width` bytes.
Result<Value> Wrapped(Call& call, std::string_view text, std::int64_t line_width,
                      std::string_view line_break, bool breaks_words) {
  if (line_break.empty()) line_break = "\n";
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(line_width, 1));
  TextBuilder out(call);
  while (text.size() > width && out.ok()) {
    if (text[0] == ' ') {
      text.remove_prefix(1);
      continue;
    }
    std::size_t blank = text.substr(0, width + 1).rfind(' ');
    if (blank == std::string_view::npos && !breaks_words) blank = text.find(' ', width);
    if (blank == std::string_view::npos && !breaks_words) break;
    const bool at_blank = blank != std::string_view::npos;
    out.Append(text.substr(0, at_blank ? blank : width));
    out.Append(line_break);
    text.remove_prefix(at_blank ? blank + 1 : width);
  }
  out.Append(text);
  return out.Finish();
}

Result<Value> Wrap(Call& call, Arguments arguments) {
  return Wrapped(call, arguments[1].text(), arguments[0].integer(), "", false);
}

Result<Value> WrapWith(Call& call, Arguments arguments) {
  return Wrapped(call, arguments[2].text(), arguments[0].integer(), arguments[1].text(), true);
}

// The arguments that are not nil, each written by `write`, with blanks between them.
template <typename Write>
Result<Value> JoinedWithBlanks(Call& call, Arguments arguments, Write write) {
  TextBuilder out(call);
  std::string_view blank;
  for (const Value& argument : arguments) {
    if (argument.IsNil()) continue;
    Result<Value> text = TextOf(call, argument);
    if (!text.ok()) return text.error();
    out.Append(blank);
    blank = " ";
    write(text->text(), out);
    if (!out.ok()) break;
  }
  return out.Finish();
}

Result<Value> QuoteAll(Call& call, Arguments arguments) {
  return JoinedWithBlanks(call, arguments, [](std::string_view text, TextBuilder& out) {
    out.Append(Quote(text).Reveal());
  });
}

Result<Value> SingleQuoteAll(Call& call, Arguments arguments) {
  return JoinedWithBlanks(call, arguments, [](std::string_view text, TextBuilder& out) {
    out.Append("'");
    out.Append(text);
    out.Append("'");
  });
}

Result<Value> Cat(Call& call, Arguments arguments) {
  return JoinedWithBlanks(call, arguments,
                          [](std::string_view text, TextBuilder& out) { out.Append(text); });
}

Result<Value> Plural(Call&, Arguments arguments) {
  return arguments[2].integer() == 1 ? arguments[0] : arguments[1];
}

Result<Value> ToString(Call& call, Arguments arguments) { return TextOf(call, arguments[0]); }

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kLettersAndDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kPrintableAscii =
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz"
    "{|}~";

template <const std::string_view& alphabet>
Result<Value> RandomOf(Call& call, Arguments arguments) {
  return RandomText(call, arguments[0].integer(), alphabet);
}

Result<Value> Shuffle(Call& call, Arguments arguments) {
  return Shuffled(call, arguments[0].text());
}

Result<Value> UuidV4(Call& call, Arguments) { return RandomUuid(call); }

}  // namespace

std::span<const Function> StringFunctions() {
  static const Function functions[] = {
      {"hello", "", Hello, "the text \"Hello!\"", "{{ hello }}"},
      {"trim", "s string", Trim, "the text without white space at both ends",
       R"({{ trim "  value\n" }})"},
      {"trimAll", "cutset string, s string", TrimAll,
       "the text without any of the given characters at both ends",
       R"({{ trimAll "$/" "$5.00/" }})"},
      {"trimall", "cutset string, s string", TrimAll, "as trimAll"},
      {"trimPrefix", "prefix string, s string", TrimPrefix, "the text without the prefix",
       R"({{ trimPrefix "v" "v1.2" }})"},
      {"trimSuffix", "suffix string, s string", TrimSuffix, "the text without the suffix",
       R"({{ trimSuffix ".pem" "tls.pem" }})"},
      {"hasPrefix", "prefix string, s string", HasPrefix, "whether the text starts with the prefix",
       R"({{ hasPrefix "db-" "db-password" }})"},
      {"hasSuffix", "suffix string, s string", HasSuffix, "whether the text ends with the suffix",
       R"({{ hasSuffix ".pem" "tls.pem" }})"},
      {"contains", "substr string, s string", Contains, "whether the text contains another one",
       R"({{ contains "pass" "db-password" }})"},
      {"upper", "s string", Mapped<Upper>, "the text in upper case", R"({{ upper "abc" }})"},
      {"lower", "s string", Mapped<Lower>, "the text in lower case", R"({{ lower "ABC" }})"},
      {"title", "s string", Mapped<TitleCase>,
       "the text with the first letter of each word in title case", R"({{ title "hello world" }})"},
      {"untitle", "s string", Mapped<Uncapitalized>,
       "the text with the first letter of each word in lower case",
       R"({{ untitle "Hello World" }})"},
      {"swapcase", "s string", Mapped<SwappedCase>, "the text with upper and lower case exchanged",
       R"({{ swapcase "aBc Def" }})"},
      {"snakecase", "s string", Mapped<SnakeCase>, "the words in lower case, joined by underscores",
       R"({{ snakecase "HTTPServer" }})"},
      {"kebabcase", "s string", Mapped<KebabCase>, "the words in lower case, joined by hyphens",
       R"({{ kebabcase "HTTPServer" }})"},
      {"camelcase", "s string", Mapped<PascalCase>, "the words joined, each with a capital",
       R"({{ camelcase "http_server" }})"},
      {"nospace", "s string", Mapped<WithoutSpace>, "the text without its white space",
       R"({{ nospace "a b  c" }})"},
      {"initials", "s string", Mapped<Initials>, "the first character of each word",
       R"({{ initials "First Try" }})"},
      {"replace", "old string, new string, s string", Replace,
       "the text with each occurrence of old replaced by new", R"({{ replace "-" "_" "a-b-c" }})"},
      {"repeat", "count int, s string", Repeat, "the text several times", R"({{ repeat 3 "ab" }})"},
      {"trunc", "length int, s string", Trunc,
       "the first bytes of the text; its last ones for a negative length",
       R"({{ trunc 3 "abcdef" }} {{ trunc -3 "abcdef" }})"},
      {"substr", "start int, end int, s string", Substr, "the bytes from start up to end",
       R"({{ substr 1 3 "abcdef" }})"},
      {"abbrev", "width int, s string", Abbrev, "the text shortened to a width, ending in \"...\"",
       R"({{ abbrev 8 "hello world" }})"},
      {"abbrevboth", "left int, right int, s string", AbbrevBoth,
       "the text shortened on both sides", R"({{ abbrevboth 5 10 "1234 5678 9123" }})"},
      {"wrap", "width int, s string", Wrap,
       "the text with line breaks instead of blanks at the width",
       R"({{ wrap 9 "one two three four" }})"},
      {"wrapWith", "width int, separator string, s string", WrapWith,
       "as wrap, with a separator, and words that are too long broken",
       R"({{ wrapWith 5 "|" "one twothree" }})"},
      {"indent", "spaces int, s string", Indent, "the text with each line indented",
       R"({{ indent 4 "a\nb" }})"},
      {"nindent", "spaces int, s string", Nindent, "as indent, after a line break",
       R"(key: |{{ nindent 2 "a\nb" }})"},
      {"quote", "items ...any", QuoteAll, "the values in double quotes, escaped as in Go",
       R"({{ quote "a\"b" 5 }})"},
      {"squote", "items ...any", SingleQuoteAll, "the values in single quotes, not escaped",
       R"({{ squote "a" 5 }})"},
      {"cat", "items ...any", Cat, "the values with blanks between them",
       R"({{ cat "a" 5 true }})"},
      {"plural", "one string, many string, count int", Plural,
       "the first text if count is 1, else the second", R"({{ len "abc" | plural "one" "many" }})"},
      {"toString", "value any", ToString, "the value as text", "{{ toString 5 | quote }}"},
      {"randAlphaNum", "count int", RandomOf<kLettersAndDigits>,
       "random letters and digits, new at each rendering", "{{ randAlphaNum 12 | len }}"},
      {"randAlpha", "count int", RandomOf<kLetters>, "random letters, new at each rendering",
       "{{ randAlpha 12 | len }}"},
      {"randNumeric", "count int", RandomOf<kDigits>, "random digits, new at each rendering",
       "{{ randNumeric 12 | len }}"},
      {"randAscii", "count int", RandomOf<kPrintableAscii>,
       "random printable ASCII characters, new at each rendering", "{{ randAscii 12 | len }}"},
      {"shuffle", "s string", Shuffle, "the characters in random order, new at each rendering",
       R"({{ shuffle "aaa" }})"},
      {"uuidv4", "", UuidV4, "a random UUID, new at each rendering", "{{ uuidv4 | len }}"},
  };
  return functions;
}

}  // namespace nodekeep::go

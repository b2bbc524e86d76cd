#include "agent/template/printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/base/utf8.h"
#include "agent/template/float_text.h"
#include "agent/template/format.h"
#include "agent/template/function.h"
#include "agent/template/quote.h"

namespace nodekeep::go {
namespace {

constexpr std::uint32_t kLastRune = 0x10FFFF;
// Of the output that is made before it is charged.
constexpr std::size_t kChargeStep = 64u << 10;
constexpr int kDepthWithoutCall = 1000;

bool HasStringMethod(Type type) { return type >= Type::kTime && type != Type::kCertificate; }

bool IsTextVerb(std::uint32_t verb) {
  return verb == 'v' || verb == 's' || verb == 'x' || verb == 'X' || verb == 'q';
}

int CountRunes(std::string_view text) {
  int count = 0;
  for (; !text.empty(); text.remove_prefix(FirstRune(text).length)) ++count;
  return count;
}

std::uint32_t RuneOf(std::uint64_t bits) {
  return bits > kLastRune ? 0xFFFD : static_cast<std::uint32_t>(bits);
}

std::string DigitsOf(std::uint64_t number, unsigned base, bool upper) {
  const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string text;
  do {
    text += digits[number % base];
    number /= base;
  } while (number != 0);
  std::reverse(text.begin(), text.end());
  return text;
}

std::uint64_t BitsOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return value.unsigned_integer();
    default: return static_cast<std::uint64_t>(value.integer());
  }
}

// `number`: of FormatFloat, without sign. Adds the point and the zeros that the flag # asks for.
std::string WithSharp(std::string number, char verb, int precision) {
  const bool hex = verb == 'x' || verb == 'X';
  const std::size_t tail_at = std::min(number.find_first_of(hex ? "pP" : "eE"), number.size());
  const std::string tail = number.substr(tail_at);
  number.resize(tail_at);
  int missing = 0;
  if (hex || verb == 'g' || verb == 'G') missing = precision < 0 ? 6 : precision;
  if (verb == 'X') missing = 0;
  const std::size_t first = std::min(number.find_first_not_of("0."), number.size());
  for (const char c : number.substr(first)) missing -= c == '.' ? 0 : 1;
  if (number.find('.') == std::string::npos) {
    if (number == "0") --missing;
    number += '.';
  }
  if (missing > 0) number.append(static_cast<std::size_t>(missing), '0');
  return number + tail;
}

}  // namespace

void Printer::Write(std::string_view text) {
  if (failed()) return;
  not_charged_ += text.size();
  if (call_ != nullptr && not_charged_ > kChargeStep) {
    status_ = call_->Charge(std::exchange(not_charged_, 0));
    if (failed()) return;
  }
  out_.Append(text);
}

bool Printer::Enter(int depth) {
  if (failed()) return false;
  const int limit = call_ == nullptr ? kDepthWithoutCall : call_->limits().depth;
  if (depth > limit) {
    status_ = Error::Format(ErrorCode::kTooLarge, "values are nested more than {} deep", limit);
  } else if (call_ != nullptr && depth > 0) {
    status_ = call_->Step();
  }
  return !failed();
}

void Printer::Print(const Value& value, std::uint32_t verb, int depth) {
  if (!Enter(depth)) return;
  if (value.IsNil()) return PrintNil(verb, depth);
  if (depth == 0 && verb == 'T') return WritePadded(Cut(NameOf(value.type())));
  if (HasStringMethod(value.type()) && IsTextVerb(verb) && !flags.sharp_v && !reports_bad_verb_) {
    if (const std::optional<std::string> text = StringOf(value)) {
      return PrintText(value, *text, verb);
    }
  }
  PrintByKind(value, verb, depth);
}

void Printer::PrintNil(std::uint32_t verb, int depth) {
  if (depth > 0) return Write(flags.sharp_v ? "interface {}(nil)" : "<nil>");
  if (verb == 'v' || verb == 'T') return WritePadded("<nil>");
  PrintBadVerb(Value(), verb);
}

void Printer::PrintByKind(const Value& value, std::uint32_t verb, int depth) {
  switch (value.kind()) {
    case Kind::kBool:
      if (verb != 't' && verb != 'v') return PrintBadVerb(value, verb);
      return WritePadded(value.boolean() ? "true" : "false");
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: return PrintInteger(value, BitsOf(value), true, verb);
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: return PrintInteger(value, BitsOf(value), false, verb);
    case Kind::kFloat64: return PrintFloat(value, verb);
    case Kind::kString: return PrintText(value, value.text(), verb);
    case Kind::kSlice: return PrintList(value, verb, depth);
    case Kind::kMap: return PrintMap(value, verb, depth);
    case Kind::kStruct: return PrintStruct(value, verb, depth);
    case Kind::kPointer: return Write(StringOf(value).value_or("<nil>"));
    case Kind::kInvalid: return;
  }
}

void Printer::PrintInteger(const Value& value, std::uint64_t bits, bool is_signed,
                           std::uint32_t verb) {
  switch (verb) {
    case 'v':
      if (!flags.sharp_v || is_signed) return WriteInteger(bits, is_signed, {});
      flags.sharp = true;
      WriteInteger(bits, is_signed, {16});
      flags.sharp = false;
      return;
    case 'd': return WriteInteger(bits, is_signed, {});
    case 'b': return WriteInteger(bits, is_signed, {2});
    case 'o': return WriteInteger(bits, is_signed, {8});
    case 'O': return WriteInteger(bits, is_signed, {8, false, true});
    case 'x': return WriteInteger(bits, is_signed, {16});
    case 'X': return WriteInteger(bits, is_signed, {16, true});
    case 'c': return WritePadded(EncodeUtf8(RuneOf(bits)));
    case 'q': return WritePadded(QuoteRune(RuneOf(bits), flags.plus));
    case 'U': return WriteUnicode(bits);
    default: return PrintBadVerb(value, verb);
  }
}

void Printer::PrintFloat(const Value& value, std::uint32_t verb) {
  switch (verb) {
    case 'v': return WriteFloat(value.real(), 'g', -1);
    case 'b':
    case 'g':
    case 'G':
    case 'x':
    case 'X': return WriteFloat(value.real(), static_cast<char>(verb), -1);
    case 'e':
    case 'E':
    case 'f': return WriteFloat(value.real(), static_cast<char>(verb), 6);
    case 'F': return WriteFloat(value.real(), 'f', 6);
    default: return PrintBadVerb(value, verb);
  }
}

void Printer::PrintText(const Value& value, std::string_view text, std::uint32_t verb) {
  switch (verb) {
    case 'v': return flags.sharp_v ? WriteQuoted(text) : WritePadded(Cut(text));
    case 's': return WritePadded(Cut(text));
    case 'x': return WriteHex(text, false);
    case 'X': return WriteHex(text, true);
    case 'q': return WriteQuoted(text);
    default: return PrintBadVerb(value, verb);
  }
}

void Printer::PrintList(const Value& value, std::uint32_t verb, int depth) {
  if (verb == 'p') return WritePadded("0xc000000000");
  if (flags.sharp_v) {
    Write(NameOf(value.type()));
    if (value.HoldsNothing()) return Write("(nil)");
  }
  Write(flags.sharp_v ? "{" : "[");
  bool first = true;
  for (const Value& item : value.items()) {
    if (!std::exchange(first, false)) Write(flags.sharp_v ? ", " : " ");
    Print(item, verb, depth + 1);
    if (failed()) return;
  }
  Write(flags.sharp_v ? "}" : "]");
}

void Printer::PrintMap(const Value& value, std::uint32_t verb, int depth) {
  if (verb == 'p') return WritePadded("0xc000000000");
  if (flags.sharp_v) {
    Write(NameOf(value.type()));
    if (value.HoldsNothing()) return Write("(nil)");
  }
  Write(flags.sharp_v ? "{" : "map[");
  bool first = true;
  for (const auto& [key, item] : value.entries()) {
    if (!std::exchange(first, false)) Write(flags.sharp_v ? ", " : " ");
    if (IsTextVerb(verb)) {
      PrintText(Value(), key, verb);
    } else {
      PrintBadVerb(Value::Text(key), verb);
    }
    Write(":");
    Print(item, verb, depth + 1);
    if (failed()) return;
  }
  Write(flags.sharp_v ? "}" : "]");
}

void Printer::PrintStruct(const Value& value, std::uint32_t verb, int depth) {
  if (value.type() != Type::kCertificate) return Write(StringOf(value).value_or("{}"));
  if (flags.sharp_v) Write(NameOf(value.type()));
  Write("{");
  bool first = true;
  for (const std::string_view name : {"Cert", "Key"}) {
    const Method* const field = FindMethod(value.type(), name);
    if (field == nullptr || call_ == nullptr) continue;
    const Result<Value> text = field->function.call(*call_, {&value, 1});
    if (!text.ok()) continue;
    if (!std::exchange(first, false)) Write(flags.sharp_v ? ", " : " ");
    if (flags.plus_v || flags.sharp_v) {
      Write(name);
      Write(":");
    }
    Print(*text, verb, depth + 1);
  }
  Write("}");
}

void Printer::PrintBadVerb(const Value& value, std::uint32_t verb) {
  const bool outer = std::exchange(reports_bad_verb_, true);
  Write("%!");
  Write(EncodeUtf8(verb));
  Write("(");
  if (value.IsNil()) {
    Write("<nil>");
  } else {
    Write(NameOf(value.type()));
    Write("=");
    Print(value, 'v', 0);
  }
  Write(")");
  reports_bad_verb_ = outer;
}

void Printer::WriteInteger(std::uint64_t bits, bool is_signed, const DigitStyle& style) {
  const bool negative = is_signed && static_cast<std::int64_t>(bits) < 0;
  if (flags.has_precision && flags.precision == 0 && bits == 0) {
    return WritePaddedWithSpaces("");
  }
  std::string digits = DigitsOf(negative ? 0 - bits : bits, style.base, style.upper);
  int least = 0;
  if (flags.has_precision) {
    least = flags.precision;
  } else if (flags.zero && !flags.minus && flags.has_width) {
    least = flags.width - (negative || flags.plus || flags.space ? 1 : 0);
  }
  if (const auto want = static_cast<std::size_t>(std::max(least, 0)); digits.size() < want) {
    digits.insert(0, want - digits.size(), '0');
  }
  std::string text;
  if (negative) {
    text = "-";
  } else if (flags.plus) {
    text = "+";
  } else if (flags.space) {
    text = " ";
  }
  if (style.new_octal) text += "0o";
  if (flags.sharp && style.base == 2) text += "0b";
  if (flags.sharp && style.base == 8 && digits[0] != '0') text += "0";
  if (flags.sharp && style.base == 16) text += style.upper ? "0X" : "0x";
  WritePaddedWithSpaces(text + digits);
}

void Printer::WriteUnicode(std::uint64_t bits) {
  std::string digits = DigitsOf(bits, 16, true);
  const auto least =
      static_cast<std::size_t>(flags.has_precision ? std::max(flags.precision, 4) : 4);
  if (digits.size() < least) digits.insert(0, least - digits.size(), '0');
  std::string text = "U+" + digits;
  if (flags.sharp && bits <= kLastRune && IsPrintable(static_cast<std::uint32_t>(bits))) {
    text += " '" + EncodeUtf8(static_cast<std::uint32_t>(bits)) + "'";
  }
  WritePaddedWithSpaces(text);
}

void Printer::WriteFloat(double number, char verb, int precision) {
  if (flags.has_precision) precision = flags.precision;
  std::string text = FormatFloat(number, verb, precision);
  std::string sign = flags.space && !flags.plus ? " " : "+";
  if (text[0] == '-' || text[0] == '+') {
    if (text[0] == '-') sign = "-";
    text.erase(0, 1);
  }
  const bool shows_sign = flags.plus || sign != "+";
  if (!std::isfinite(number)) {
    // An infinity always has its sign.
    const bool with_sign = std::isinf(number) || flags.plus || flags.space;
    return WritePaddedWithSpaces(with_sign ? sign + text : text);
  }
  if (flags.sharp && verb != 'b') text = WithSharp(std::move(text), verb, precision);
  if (!shows_sign) return WritePadded(text);
  const int missing = flags.width - static_cast<int>(text.size()) - 1;
  if (!flags.zero || flags.minus || !flags.has_width || missing <= 0) {
    return WritePadded(sign + text);
  }
  // The zeros stand between the sign and the number.
  Write(sign);
  WritePadding(missing);
  Write(text);
}

void Printer::WriteQuoted(std::string_view text) {
  text = Cut(text);
  if (flags.sharp && CanBackquote(text)) return WritePadded("`" + std::string(text) + "`");
  const SecretBytes quoted = flags.plus ? QuoteToAscii(text) : Quote(text);
  WritePadded(quoted.Reveal());
}

void Printer::WriteHex(std::string_view text, bool upper) {
  if (flags.has_precision) text = text.substr(0, static_cast<std::size_t>(flags.precision));
  const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  const std::string_view prefix = upper ? "0X" : "0x";
  std::string hex;
  for (const char c : text) {
    const bool starts = hex.empty();
    if (!starts && flags.space) hex += ' ';
    if (flags.sharp && (starts || flags.space)) hex += prefix;
    const auto byte = static_cast<unsigned char>(c);
    hex += digits[byte >> 4];
    hex += digits[byte & 0xF];
  }
  WritePadded(hex);
}

std::string_view Printer::Cut(std::string_view text) const {
  if (!flags.has_precision) return text;
  std::size_t end = 0;
  for (int runes = 0; runes < flags.precision && end < text.size(); ++runes) {
    end += FirstRune(text.substr(end)).length;
  }
  return text.substr(0, end);
}

void Printer::WritePadding(int count) {
  if (count <= 0) return;
  // Zeros stand on the left only.
  const char fill = flags.zero && !flags.minus ? '0' : ' ';
  Write(std::string(static_cast<std::size_t>(count), fill));
}

void Printer::WritePadded(std::string_view text) {
  if (!flags.has_width || flags.width == 0) return Write(text);
  const int missing = flags.width - CountRunes(text);
  if (!flags.minus) WritePadding(missing);
  Write(text);
  if (flags.minus) WritePadding(missing);
}

void Printer::WritePaddedWithSpaces(std::string_view text) {
  const bool zero = std::exchange(flags.zero, false);
  WritePadded(text);
  flags.zero = zero;
}

}  // namespace nodekeep::go

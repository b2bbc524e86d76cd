#include "agent/template/format.h"

#include <algorithm>
#include <vector>

#include "agent/base/utf8.h"
#include "agent/template/error_text.h"
#include "agent/template/printer.h"

namespace nodekeep::go {
namespace {

// Of a width, a precision or the number of an operand.
constexpr std::int64_t kLargest = 1'000'000;

// Reads a format and prints the operands that it names.
class Formatter {
 public:
  Formatter(Call* call, std::string_view format, std::span<const Value> operands, SecretBytes& out)
      : format_(format), operands_(operands), printer_(call, out) {}

  Status Run();

 private:
  struct Directive {
    bool after_index = false;  // the last thing read is an operand index
    bool bad_index = false;
  };

  bool AtEnd() const { return at_ >= format_.size(); }
  bool At(char c) const { return !AtEnd() && format_[at_] == c; }

  void RunDirective();
  void ReadFlags();
  void ReadIndex(Directive& directive);
  void ReadWidth(Directive& directive);
  void ReadPrecision(Directive& directive);
  // Digits up to `end`; nullopt: none, or too large, which skips to `end`.
  std::optional<int> ReadNumber(std::size_t end);
  // The next operand as a width or precision.
  std::optional<int> TakeNumber();
  void PrintOperand(std::uint32_t verb, const Directive& directive);
  void PrintBad(std::uint32_t verb, std::string_view what);
  void PrintUnused();

  const std::string_view format_;
  const std::span<const Value> operands_;
  Printer printer_;
  std::size_t at_ = 0;
  std::size_t next_operand_ = 0;
  bool reordered_ = false;
};

Status Formatter::Run() {
  while (!AtEnd() && !printer_.failed()) {
    const std::size_t percent = std::min(format_.find('%', at_), format_.size());
    printer_.Write(format_.substr(at_, percent - at_));
    at_ = percent + 1;
    if (percent < format_.size()) RunDirective();
  }
  if (!reordered_ && next_operand_ < operands_.size()) PrintUnused();
  return printer_.status();
}

void Formatter::RunDirective() {
  Directive directive;
  printer_.flags = FormatFlags();
  ReadFlags();
  ReadIndex(directive);
  ReadWidth(directive);
  ReadPrecision(directive);
  if (!directive.after_index) ReadIndex(directive);
  if (AtEnd()) return printer_.Write("%!(NOVERB)");
  const Rune verb = FirstRune(format_.substr(at_));
  at_ += verb.length;
  PrintOperand(verb.code, directive);
}

void Formatter::ReadFlags() {
  FormatFlags& flags = printer_.flags;
  for (; !AtEnd(); ++at_) {
    switch (format_[at_]) {
      case '#': flags.sharp = true; break;
      case '0': flags.zero = true; break;
      case '+': flags.plus = true; break;
      case '-': flags.minus = true; break;
      case ' ': flags.space = true; break;
      default: return;
    }
  }
}

void Formatter::ReadIndex(Directive& directive) {
  directive.after_index = false;
  if (!At('[')) return;
  reordered_ = true;
  const std::size_t end = format_.find(']', at_);
  // Too short for an index, or not closed.
  if (format_.size() - at_ < 3 || end == std::string_view::npos) {
    directive.bad_index = true;
    ++at_;
    return;
  }
  const std::size_t start = at_++;
  const std::optional<int> number = ReadNumber(end);
  const bool well_formed = number.has_value() && at_ == end && end > start + 1;
  at_ = end + 1;
  directive.after_index = well_formed;
  if (!well_formed || *number < 1 || static_cast<std::size_t>(*number) > operands_.size()) {
    directive.bad_index = true;
    return;
  }
  next_operand_ = static_cast<std::size_t>(*number) - 1;
}

void Formatter::ReadWidth(Directive& directive) {
  FormatFlags& flags = printer_.flags;
  if (!At('*')) {
    const std::optional<int> width = ReadNumber(format_.size());
    flags.has_width = width.has_value();
    flags.width = width.value_or(0);
    if (directive.after_index && width) directive.bad_index = true;
    return;
  }
  ++at_;
  const std::optional<int> width = TakeNumber();
  if (!width) printer_.Write("%!(BADWIDTH)");
  flags.has_width = width.has_value();
  flags.width = width.value_or(0);
  if (flags.width < 0) {
    flags.width = -flags.width;
    flags.minus = true;
    flags.zero = false;
  }
  directive.after_index = false;
}

void Formatter::ReadPrecision(Directive& directive) {
  if (!At('.')) return;
  ++at_;
  FormatFlags& flags = printer_.flags;
  if (directive.after_index) directive.bad_index = true;
  ReadIndex(directive);
  if (!At('*')) {
    flags.precision = ReadNumber(format_.size()).value_or(0);
    flags.has_precision = true;
    return;
  }
  ++at_;
  const std::optional<int> precision = TakeNumber();
  flags.has_precision = precision.has_value() && *precision >= 0;
  flags.precision = flags.has_precision ? *precision : 0;
  if (!flags.has_precision) printer_.Write("%!(BADPREC)");
  directive.after_index = false;
}

std::optional<int> Formatter::ReadNumber(std::size_t end) {
  std::int64_t number = 0;
  bool found = false;
  for (; at_ < end && format_[at_] >= '0' && format_[at_] <= '9'; ++at_) {
    if (number > kLargest) {
      at_ = end;
      return std::nullopt;
    }
    number = number * 10 + (format_[at_] - '0');
    found = true;
  }
  if (!found) return std::nullopt;
  return static_cast<int>(number);
}

std::optional<int> Formatter::TakeNumber() {
  if (next_operand_ >= operands_.size()) return std::nullopt;
  const Value& operand = operands_[next_operand_++];
  std::int64_t number = 0;
  switch (operand.kind()) {
    case Kind::kInt:
    case Kind::kInt32:
    case Kind::kInt64: number = operand.integer(); break;
    case Kind::kUint8:
    case Kind::kUint32:
    case Kind::kUint64: {
      const std::uint64_t bits = operand.unsigned_integer();
      number = bits > kLargest ? kLargest + 1 : static_cast<std::int64_t>(bits);
      break;
    }
    default: return std::nullopt;
  }
  if (number > kLargest || number < -kLargest) return std::nullopt;
  return static_cast<int>(number);
}

void Formatter::PrintOperand(std::uint32_t verb, const Directive& directive) {
  if (verb == '%') return printer_.Write("%");
  if (directive.bad_index) return PrintBad(verb, "(BADINDEX)");
  if (next_operand_ >= operands_.size()) return PrintBad(verb, "(MISSING)");
  FormatFlags& flags = printer_.flags;
  if (verb == 'v' || verb == 'w') {
    flags.sharp_v = std::exchange(flags.sharp, false);
    flags.plus_v = std::exchange(flags.plus, false);
  }
  printer_.Print(operands_[next_operand_++], verb);
}

void Formatter::PrintBad(std::uint32_t verb, std::string_view what) {
  printer_.Write("%!");
  printer_.Write(EncodeUtf8(verb));
  printer_.Write(what);
}

void Formatter::PrintUnused() {
  printer_.flags = FormatFlags();
  printer_.Write("%!(EXTRA ");
  for (std::size_t i = next_operand_; i < operands_.size(); ++i) {
    const Value& operand = operands_[i];
    if (i > next_operand_) printer_.Write(", ");
    if (!operand.IsNil()) {
      printer_.Write(NameOf(operand.type()));
      printer_.Write("=");
    }
    printer_.Print(operand, 'v');
  }
  printer_.Write(")");
}

}  // namespace

Status AppendValue(Call& call, const Value& value, SecretBytes& out) {
  Printer printer(&call, out);
  printer.Print(value, 'v');
  return printer.status();
}

Result<SecretBytes> Sprintf(Call& call, std::string_view format, std::span<const Value> operands) {
  SecretBytes out;
  if (Status done = Formatter(&call, format, operands, out).Run(); !done.ok()) return done.error();
  return out;
}

Result<SecretBytes> Sprint(Call& call, std::span<const Value> operands) {
  SecretBytes out;
  Printer printer(&call, out);
  for (std::size_t i = 0; i < operands.size() && !printer.failed(); ++i) {
    const auto is_text = [&](std::size_t at) { return operands[at].kind() == Kind::kString; };
    if (i > 0 && !is_text(i - 1) && !is_text(i)) printer.Write(" ");
    printer.Print(operands[i], 'v');
  }
  if (printer.failed()) return printer.status().error();
  return out;
}

Result<SecretBytes> Sprintln(Call& call, std::span<const Value> operands) {
  SecretBytes out;
  Printer printer(&call, out);
  for (std::size_t i = 0; i < operands.size() && !printer.failed(); ++i) {
    if (i > 0) printer.Write(" ");
    printer.Print(operands[i], 'v');
  }
  printer.Write("\n");
  if (printer.failed()) return printer.status().error();
  return out;
}

std::string ErrorText(std::string_view format, std::initializer_list<std::string_view> texts) {
  std::vector<Value> operands;
  for (const std::string_view text : texts) operands.push_back(Value::Text(text));
  SecretBytes out;
  // Without a call there is no limit that texts could exceed.
  (void)Formatter(nullptr, format, operands, out).Run();
  return std::string(out.Reveal());
}

std::string WithDoubledPercent(std::string_view text) {
  std::string doubled;
  for (const char c : text) doubled.append(c == '%' ? 2 : 1, c);
  return doubled;
}

}  // namespace nodekeep::go

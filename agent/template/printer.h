#pragma once

// Writes values for the verbs of Go's fmt.

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"
#include "agent/template/value.h"

namespace nodekeep::go {

struct FormatFlags {
  bool plus = false;
  bool minus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  bool plus_v = false;   // %+v
  bool sharp_v = false;  // %#v
  bool has_width = false;
  bool has_precision = false;
  int width = 0;
  int precision = 0;
};

// After the first error nothing more is written. Not thread-safe.
class Printer {
 public:
  // `call` null: without limits but for the depth.
  Printer(Call* call, SecretBytes& out) : call_(call), out_(out) {}

  // `value` for `verb`, under `flags`.
  void Print(const Value& value, std::uint32_t verb, int depth = 0);
  void Write(std::string_view text);
  const Status& status() const { return status_; }
  bool failed() const { return !status_.ok(); }

  FormatFlags flags;

 private:
  struct DigitStyle {
    unsigned base = 10;
    bool upper = false;
    bool new_octal = false;  // with the prefix 0o
  };

  bool Enter(int depth);
  void PrintNil(std::uint32_t verb, int depth);
  void PrintByKind(const Value& value, std::uint32_t verb, int depth);
  void PrintInteger(const Value& value, std::uint64_t bits, bool is_signed, std::uint32_t verb);
  void PrintFloat(const Value& value, std::uint32_t verb);
  void PrintText(const Value& value, std::string_view text, std::uint32_t verb);
  void PrintList(const Value& value, std::uint32_t verb, int depth);
  void PrintMap(const Value& value, std::uint32_t verb, int depth);
  void PrintStruct(const Value& value, std::uint32_t verb, int depth);
  // "%!d(string=hi)"
  void PrintBadVerb(const Value& value, std::uint32_t verb);

  void WriteInteger(std::uint64_t bits, bool is_signed, const DigitStyle& style);
  void WriteUnicode(std::uint64_t bits);
  void WriteFloat(double number, char verb, int precision);
  void WriteQuoted(std::string_view text);
  void WriteHex(std::string_view text, bool upper);
  // Cut to the precision.
  std::string_view Cut(std::string_view text) const;
  void WritePadding(int count);
  void WritePadded(std::string_view text);
  void WritePaddedWithSpaces(std::string_view text);

  Call* const call_;
  SecretBytes& out_;
  Status status_;
  std::size_t not_charged_ = 0;
  bool reports_bad_verb_ = false;
};

}  // namespace nodekeep::go

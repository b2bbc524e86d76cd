#include "agent/template/float_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace nodekeep::go {
namespace {

constexpr int kFractionBits = 52;
constexpr int kExponentBias = 1023;

std::string ToChars(double value, std::chars_format format, int precision) {
  // A double has at most 309 digits before the point.
  std::string text(400 + static_cast<std::size_t>(std::max(precision, 340)), '\0');
  char* const end = text.data() + text.size();
  const std::to_chars_result result =
      precision < 0 ? std::to_chars(text.data(), end, value, format)
                    : std::to_chars(text.data(), end, value, format, precision);
  text.resize(static_cast<std::size_t>(result.ptr - text.data()));
  return text;
}

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// With at least two digits.
std::string Exponent(char letter, int exponent) {
  return fmt::format("{}{}{:02d}", letter, exponent < 0 ? '-' : '+', std::abs(exponent));
}

// The significant digits of a positive number, without trailing zeros, and where its point is.
struct Decimal {
  std::string digits;
  int exponent = 0;  // of the first digit
};

Decimal Decompose(double value, int significant_digits) {
  const std::string text = ToChars(value, std::chars_format::scientific, significant_digits - 1);
  const std::size_t e = text.find('e');
  Decimal decimal;
  decimal.digits = text.substr(0, 1);
  if (e > 2) decimal.digits += text.substr(2, e - 2);
  while (decimal.digits.size() > 1 && decimal.digits.back() == '0') decimal.digits.pop_back();
  decimal.exponent = std::stoi(text.substr(e + 1));
  return decimal;
}

std::string General(double value, char e, int precision) {
  // No double has more significant digits than 767.
  constexpr int kMostDigits = 800;
  constexpr int kShortestThreshold = 6;
  precision = std::min(precision, kMostDigits);
  if (precision == 0) precision = 1;
  const Decimal decimal = Decompose(value, precision < 0 ? 0 : precision);
  const int threshold = precision < 0 ? kShortestThreshold : precision;
  const std::string& digits = decimal.digits;
  const int exponent = decimal.exponent;
  if (exponent < -4 || exponent >= threshold) {
    const std::string fraction = digits.size() > 1 ? "." + digits.substr(1) : "";
    return digits.substr(0, 1) + fraction + Exponent(e, exponent);
  }
  if (exponent < 0)
    return "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return digits + std::string(whole - digits.size(), '0');
  return digits.substr(0, whole) + "." + digits.substr(whole);
}

// value == mantissa * 2^exponent
struct Binary {
  std::uint64_t mantissa = 0;
  int exponent = 0;
};

Binary Split(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  Binary binary;
  binary.mantissa = bits & ((std::uint64_t{1} << kFractionBits) - 1);
  int exponent = static_cast<int>(bits >> kFractionBits) & 0x7FF;
  if (exponent == 0) {
    exponent = 1;
  } else {
    binary.mantissa |= std::uint64_t{1} << kFractionBits;
  }
  binary.exponent = exponent - kExponentBias - kFractionBits;
  return binary;
}

std::string PowerOfTwo(double value) {
  const Binary binary = Split(value);
  return fmt::format("{}p{:+d}", binary.mantissa, binary.exponent);
}

std::string Hexadecimal(double value, int precision) {
  // The leading 1 is bit 60: fifteen hexadecimal digits follow it.
  constexpr int kDigits = 15;
  constexpr int kOne = 60;
  Binary binary = Split(value);
  int exponent = 0;
  if (binary.mantissa != 0) {
    const int shift = std::countl_zero(binary.mantissa) - (63 - kOne);
    binary.mantissa <<= shift;
    exponent = binary.exponent - shift + kOne;
  }
  if (precision >= 0 && precision < kDigits) {
    const int dropped = 4 * (kDigits - precision);
    const std::uint64_t rest = binary.mantissa & ((std::uint64_t{1} << dropped) - 1);
    binary.mantissa >>= dropped;
    const std::uint64_t half = std::uint64_t{1} << (dropped - 1);
    if (rest > half || (rest == half && (binary.mantissa & 1) != 0)) ++binary.mantissa;
    binary.mantissa <<= dropped;
    if ((binary.mantissa >> (kOne + 1)) != 0) {
      binary.mantissa >>= 1;
      ++exponent;
    }
  }
  std::string digits = fmt::format("{:015x}", binary.mantissa & ((std::uint64_t{1} << kOne) - 1));
  if (precision < 0) {
    while (digits.ends_with('0')) digits.pop_back();
  } else {
    digits.resize(static_cast<std::size_t>(precision), '0');
  }
  const std::string fraction = digits.empty() ? "" : "." + digits;
  return fmt::format("0x{}{}", binary.mantissa >> kOne, fraction) + Exponent('p', exponent);
}

std::string Positive(double value, char verb, int precision) {
  switch (verb) {
    case 'e': return ToChars(value, std::chars_format::scientific, precision);
    case 'E': return Upper(ToChars(value, std::chars_format::scientific, precision));
    case 'f': return ToChars(value, std::chars_format::fixed, precision);
    case 'b': return PowerOfTwo(value);
    case 'x': return Hexadecimal(value, precision);
    case 'X': return Upper(Hexadecimal(value, precision));
    case 'G': return General(value, 'E', precision);
    default: return General(value, 'e', precision);
  }
}

}  // namespace

std::string FormatFloat(double value, char verb, int precision) {
  if (std::isnan(value)) return "NaN";
  const bool negative = std::signbit(value);
  if (std::isinf(value)) return negative ? "-Inf" : "+Inf";
  return (negative ? "-" : "") + Positive(std::abs(value), verb, precision);
}

}  // namespace nodekeep::go

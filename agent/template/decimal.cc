#include "agent/template/decimal.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace nodekeep::go {
namespace {

struct BignumFree {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
using Bignum = std::unique_ptr<BIGNUM, BignumFree>;

// value * 10^exponent
struct Decimal {
  Bignum value;
  std::int64_t exponent = 0;
};

class Calculator {
 public:
  explicit Calculator(Call& call) : call_(call), context_(BN_CTX_new()) {}

  Result<Decimal> Read(double number) {
    if (std::isnan(number) || std::isinf(number)) {
      const char* name = std::isnan(number) ? "NaN" : number < 0 ? "-Inf" : "+Inf";
      return Error::Format(ErrorCode::kInvalid, "Cannot create a Decimal from {}", name);
    }
    char buffer[64];
    const auto end =
        std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::scientific);
    const std::string_view text(buffer, end.ptr);
    const std::size_t e = text.find('e');
    std::string digits;
    for (const char c : text.substr(0, e)) {
      if (c != '.') digits += c;
    }
    Decimal decimal;
    // from_chars reads no plus sign.
    const std::string_view exponent = text.substr(text[e + 1] == '+' ? e + 2 : e + 1);
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
    const std::size_t point = text.substr(0, e).find('.');
    if (point != std::string_view::npos) {
      decimal.exponent -= static_cast<std::int64_t>(e - point - 1);
    }
    BIGNUM* value = nullptr;
    if (BN_dec2bn(&value, digits.c_str()) == 0) return OutOfMemory();
    decimal.value.reset(value);
    return decimal;
  }

  Result<Decimal> Combine(DecimalOperation operation, Decimal a, Decimal b) {
    if (Status status = Charge(a, b); !status.ok()) return status.error();
    switch (operation) {
      case DecimalOperation::kAdd: return Sum(std::move(a), std::move(b), false);
      case DecimalOperation::kSubtract: return Sum(std::move(a), std::move(b), true);
      case DecimalOperation::kMultiply: return Product(std::move(a), std::move(b));
      case DecimalOperation::kDivide: return Quotient(std::move(a), std::move(b));
    }
    return OutOfMemory();
  }

  // The nearest float64.
  Result<double> Round(const Decimal& decimal) {
    // Conversion to digits takes quadratic time.
    const auto words = static_cast<std::uint64_t>(BN_num_bits(decimal.value.get())) / 64;
    if (Status status = call_.Step(words * words / 4096); !status.ok()) return status.error();
    char* const digits = BN_bn2dec(decimal.value.get());
    if (digits == nullptr) return OutOfMemory();
    const std::string text = digits + ("e" + std::to_string(decimal.exponent));
    OPENSSL_free(digits);
    return std::strtod(text.c_str(), nullptr);  // the locale is "C"
  }

 private:
  static constexpr int kDecimalsOfQuotient = 16;

  static Error OutOfMemory() { return Error(ErrorCode::kInternal, "OpenSSL is out of memory"); }

  Status Charge(const Decimal& a, const Decimal& b) {
    const std::int64_t shift = std::abs(a.exponent - b.exponent);
    const std::uint64_t bits = static_cast<std::uint64_t>(BN_num_bits(a.value.get())) +
                               static_cast<std::uint64_t>(BN_num_bits(b.value.get()));
    const std::uint64_t words = bits / 64 + static_cast<std::uint64_t>(shift) / 16;
    if (Status status = call_.Step(1 + words / 64); !status.ok()) return status;
    return call_.Charge(words * 8);
  }

  Bignum PowerOfTen(std::int64_t exponent) {
    Bignum ten(BN_new());
    Bignum power(BN_new());
    Bignum count(BN_new());
    if (!ten || !power || !count) return nullptr;
    BN_set_word(ten.get(), 10);
    BN_set_word(count.get(), static_cast<BN_ULONG>(exponent));
    if (BN_exp(power.get(), ten.get(), count.get(), context_.get()) != 1) return nullptr;
    return power;
  }

  // Multiplies the value; the exponent falls accordingly. False: out of memory.
  bool Scale(Decimal& decimal, std::int64_t exponent) {
    const Bignum power = PowerOfTen(decimal.exponent - exponent);
    decimal.exponent = exponent;
    return power &&
           BN_mul(decimal.value.get(), decimal.value.get(), power.get(), context_.get()) == 1;
  }

  Result<Decimal> Sum(Decimal a, Decimal b, bool subtract) {
    const std::int64_t exponent = std::min(a.exponent, b.exponent);
    if (!Scale(a, exponent) || !Scale(b, exponent)) return OutOfMemory();
    const auto combine = subtract ? BN_sub : BN_add;
    if (combine(a.value.get(), a.value.get(), b.value.get()) != 1) return OutOfMemory();
    return a;
  }

  Result<Decimal> Product(Decimal a, Decimal b) {
    a.exponent += b.exponent;
    if (BN_mul(a.value.get(), a.value.get(), b.value.get(), context_.get()) != 1) {
      return OutOfMemory();
    }
    return a;
  }

  Result<Decimal> Quotient(Decimal a, Decimal b) {
    if (BN_is_zero(b.value.get())) return Error(ErrorCode::kInvalid, "decimal division by 0");
    // Integers whose quotient counts units of the last decimal.
    const std::int64_t shift = a.exponent - b.exponent + kDecimalsOfQuotient;
    a.exponent = b.exponent = shift;
    if (!(shift > 0 ? Scale(a, 0) : Scale(b, 2 * shift))) return OutOfMemory();
    const bool negative = BN_is_negative(a.value.get()) != BN_is_negative(b.value.get());
    BN_set_negative(a.value.get(), 0);
    BN_set_negative(b.value.get(), 0);
    Decimal quotient{Bignum(BN_new()), -kDecimalsOfQuotient};
    const Bignum remainder(BN_new());
    if (!quotient.value || !remainder ||
        BN_div(quotient.value.get(), remainder.get(), a.value.get(), b.value.get(),
               context_.get()) != 1 ||
        BN_lshift1(remainder.get(), remainder.get()) != 1) {
      return OutOfMemory();
    }
    if (BN_cmp(remainder.get(), b.value.get()) >= 0 && BN_add_word(quotient.value.get(), 1) != 1) {
      return OutOfMemory();
    }
    BN_set_negative(quotient.value.get(), negative ? 1 : 0);
    return quotient;
  }

  Call& call_;
  const std::unique_ptr<BN_CTX, BignumFree> context_;
};

}  // namespace

Result<double> CombineDecimals(Call& call, DecimalOperation operation, double first,
                               std::span<const double> others) {
  Calculator calculator(call);
  Result<Decimal> result = calculator.Read(first);
  if (!result.ok()) return result.error();
  for (const double other : others) {
    Result<Decimal> operand = calculator.Read(other);
    if (!operand.ok()) return operand.error();
    result = calculator.Combine(operation, *std::move(result), *std::move(operand));
    if (!result.ok()) return result.error();
  }
  return calculator.Round(*result);
}

}  // namespace nodekeep::go

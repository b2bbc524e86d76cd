#include <openssl/evp.h>

#include <array>
#include <optional>

#include "agent/base/codecs.h"
#include "agent/base/utf8.h"
#include "agent/template/conversions.h"
#include "agent/template/format.h"
#include "agent/template/function.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// Upstream returns the text of a decoder's error in the place of the result.
Result<Value> DecodedOrErrorText(Result<SecretBytes> decoded) {
  if (!decoded.ok()) return Value::Text(decoded.error().message());
  return Value::Text(*std::move(decoded));
}

Result<Value> B64Enc(Call&, Arguments arguments) {
  return Value::Text(SecretBytes::MoveFrom(Base64Encode(arguments[0].text())));
}

Result<Value> B64Dec(Call&, Arguments arguments) {
  const std::string_view text = arguments[0].text();
  Result<SecretBytes> decoded = Base64Decode(text);
  if (decoded.ok()) return Value::Text(*std::move(decoded));
  return Value::Text(fmt::format("illegal base64 data at input byte {}", Base64Fault(text)));
}

Result<Value> B32Enc(Call&, Arguments arguments) {
  std::string text;
  std::uint64_t bits = 0;
  int count = 0;
  for (const char c : arguments[0].text()) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xFFFF;
    for (count += 8; count >= 5; count -= 5) text += kBase32[bits >> (count - 5) & 31];
  }
  if (count > 0) text += kBase32[bits << (5 - count) & 31];
  while (text.size() % 8 != 0) text += '=';
  return Value::Text(SecretBytes::MoveFrom(std::move(text)));
}

// Decodes groups of eight digits, the last one padded with =. Line breaks are ignored, and do not
// count in the offsets of errors.
class Base32Decoder {
 public:
  explicit Base32Decoder(std::string_view text) {
    for (const char c : text) {
      if (c != '\r' && c != '\n') digits_ += c;
    }
  }

  Result<SecretBytes> Run() {
    while (at_ < digits_.size() && !done_) {
      if (Status status = Group(); !status.ok()) return status.error();
    }
    return std::move(bytes_);
  }

 private:
  static Error Illegal(std::size_t offset) {
    return Error::Format(ErrorCode::kInvalid, "illegal base32 data at input byte {}", offset);
  }

  Status Group() {
    std::uint64_t bits = 0;
    std::size_t digits = 0;
    for (; digits < 8; ++digits) {
      if (at_ == digits_.size()) return Illegal(at_ - digits);
      const char c = digits_[at_++];
      if (c == '=' && digits >= 2 && digits_.size() - at_ < 8) {
        if (Status status = Padding(digits); !status.ok()) return status;
        break;
      }
      const std::size_t value = kBase32.find(c);
      if (value == std::string_view::npos) return Illegal(at_ - 1);
      bits = bits << 5 | value;
    }
    bits <<= 5 * (8 - digits);
    for (std::size_t i = 0; i < digits * 5 / 8; ++i) {
      const char byte = static_cast<char>(bits >> (32 - 8 * i));
      bytes_.Append({&byte, 1});
    }
    return {};
  }

  // After the first padding character, `digits` digits of the group being read.
  Status Padding(std::size_t digits) {
    const std::size_t left = digits_.size() - at_;
    if (left + digits < 7) return Illegal(digits_.size());
    for (std::size_t i = 0; i < 7 - digits; ++i) {
      if (digits_[at_ + i] != '=') return Illegal(at_ + i - 1);
    }
    done_ = true;
    // Padding ends 2, 4, 5 and 7 digits only.
    if (digits == 1 || digits == 3 || digits == 6) return Illegal(at_ - 1);
    return {};
  }

  std::string digits_;
  std::size_t at_ = 0;
  bool done_ = false;
  SecretBytes bytes_;
};

Result<Value> B32Dec(Call&, Arguments arguments) {
  return DecodedOrErrorText(Base32Decoder(arguments[0].text()).Run());
}

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Result<Value> HexDec(Call&, Arguments arguments) {
  const std::string_view text = arguments[0].text();
  for (const char c : text) {
    if (IsHexDigit(c)) continue;
    const auto byte = static_cast<unsigned char>(c);
    const std::string shown = IsPrintable(byte) ? fmt::format(" '{}'", EncodeUtf8(byte)) : "";
    return Value::Text(fmt::format("encoding/hex: invalid byte: U+{:04X}{}", byte, shown));
  }
  if (text.size() % 2 != 0) return Value::Text("encoding/hex: odd length hex string");
  return DecodedOrErrorText(HexDecode(text));
}

template <const EVP_MD* (*algorithm)()>
Result<Value> HexDigest(Call&, Arguments arguments) {
  const std::string_view text = arguments[0].text();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, algorithm(), nullptr) != 1) {
    return Error(ErrorCode::kInternal, "OpenSSL cannot compute the digest");
  }
  return Value::Text(HexEncode({reinterpret_cast<const char*>(digest.data()), size}));
}

Result<Value> Adler32Sum(Call&, Arguments arguments) {
  constexpr std::uint32_t kModulus = 65521;
  std::uint32_t low = 1;
  std::uint32_t high = 0;
  for (const char c : arguments[0].text()) {
    low = (low + static_cast<unsigned char>(c)) % kModulus;
    high = (high + low) % kModulus;
  }
  return Value::Text(std::to_string(high << 16 | low));
}

}  // namespace

std::span<const Function> EncodingFunctions() {
  static const Function functions[] = {
      {"b64enc", "s string", B64Enc, "the text in Base64", R"({{ b64enc "user:password" }})"},
      {"b64dec", "s string", B64Dec,
       "the bytes of Base64 text; for text that is none the error text, without failing",
       R"({{ b64dec "dXNlcg==" }})"},
      {"b32enc", "s string", B32Enc, "the text in Base32", R"({{ b32enc "user" }})"},
      {"b32dec", "s string", B32Dec,
       "the bytes of Base32 text; for text that is none the error text, without failing",
       R"({{ b32dec "OVZWK4Q=" }})"},
      {"hexdec", "s string", HexDec,
       "the bytes of hexadecimal text; for text that is none the error text, without failing",
       R"({{ hexdec "75736572" }})"},
      {"sha1sum", "s string", HexDigest<EVP_sha1>, "the SHA-1 digest in hexadecimal",
       R"({{ sha1sum "abc" }})"},
      {"sha256sum", "s string", HexDigest<EVP_sha256>, "the SHA-256 digest in hexadecimal",
       R"({{ sha256sum "abc" }})"},
      {"sha512sum", "s string", HexDigest<EVP_sha512>, "the SHA-512 digest in hexadecimal",
       R"({{ sha512sum "abc" | trunc 16 }})"},
      {"adler32sum", "s string", Adler32Sum, "the Adler-32 checksum as a decimal number",
       R"({{ adler32sum "abc" }})"},
  };
  return functions;
}

}  // namespace nodekeep::go

#include "agent/base/codecs.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

std::string Shown(const Result<SecretBytes>& bytes) {
  return bytes.ok() ? std::string(bytes->Reveal()) : "error: " + bytes.error().message();
}

TEST_CASE("codecs: base64 encodes and decodes the vectors of RFC 4648") {
  struct Row {
    std::string bytes, text;
  };
  const Row rows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {std::string("\0\xFF\xFE", 3), "AP/+"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(Base64Encode(row.bytes) == row.text);
    CHECK(Shown(Base64Decode(row.text)) == row.bytes);
  }
  CHECK(Base64UrlEncode(std::string("\0\xFF\xFE", 3)) == "AP_-");
  CHECK(Base64UrlEncode("f") == "Zg==");
}

TEST_CASE("codecs: every byte value round-trips through every encoding") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (std::size_t cut = 0; cut < 4; ++cut) {
    const std::string bytes = all.substr(cut);
    CHECK(Shown(Base64Decode(Base64Encode(bytes))) == bytes);
    CHECK(Shown(Base64UrlDecode(Base64UrlEncode(bytes))) == bytes);
    CHECK(Shown(HexDecode(HexEncode(bytes))) == bytes);
  }
}

TEST_CASE("codecs: base64 is decoded as strictly as Go's StdEncoding") {
  const std::string kAt = "error: illegal base64 data at input byte ";
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"line breaks anywhere", "Zm\r\n9vYg=\n=\n", "foob"},
      {"left-over bits are ignored", "Zh==", "f"},
      {"no padding", "Zg", kAt + "2"},
      {"half the padding", "Zg=", kAt + "3"},
      {"too much padding", "Zg===", kAt + "4"},
      {"padding after a whole group", "Zm9v=", kAt + "4"},
      {"padding first", "=", kAt + "0"},
      {"one digit", "Z", kAt + "1"},
      {"one digit padded", "Z===", kAt + "1"},
      {"text after the padding", "Zg==Zg==", kAt + "4"},
      {"space", "Zm 9v", kAt + "2"},
      {"url alphabet", "AP_-", kAt + "2"},
      {"non-ascii",
       "Zm\xFF"
       "9",
       kAt + "2"},
      {"NUL", std::string("Zm9v\0", 5), kAt + "4"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Shown(Base64Decode(row.text)) == row.want);
  }
}

TEST_CASE("codecs: base64url accepts padding or none, and its own alphabet only") {
  const std::string kAt = "error: illegal base64 data at input byte ";
  CHECK(Shown(Base64UrlDecode("Zg")) == "f");
  CHECK(Shown(Base64UrlDecode("Zg==")) == "f");
  CHECK(Shown(Base64UrlDecode("Zm8")) == "fo");
  CHECK(Shown(Base64UrlDecode("AP_-")) == std::string("\0\xFF\xFE", 3));
  CHECK(Shown(Base64UrlDecode("Zg=")) == kAt + "3");
  CHECK(Shown(Base64UrlDecode("Z")) == kAt + "1");
  CHECK(Shown(Base64UrlDecode("AP/+")) == kAt + "2");
}

TEST_CASE("codecs: hex accepts either case and an even number of digits") {
  CHECK(HexEncode(std::string("\x00\x0f\xa5", 3)) == "000fa5");
  CHECK(Shown(HexDecode("000FA5a5")) == std::string("\x00\x0f\xa5\xa5", 4));
  CHECK(Shown(HexDecode("")).empty());
  CHECK(Shown(HexDecode("abc")) == "error: odd number of hex digits");
  CHECK(Shown(HexDecode("a")) == "error: odd number of hex digits");
  CHECK(Shown(HexDecode("0g")) == "error: illegal hex digit at byte 1");
  CHECK(Shown(HexDecode("00z")) == "error: illegal hex digit at byte 2");
}

TEST_CASE("codecs: a path segment is percent-encoded") {
  CHECK(PercentEncode("aZ09-._~", false) == "aZ09-._~");
  CHECK(PercentEncode("a b/c?d#e%f", false) == "a%20b%2Fc%3Fd%23e%25f");
  CHECK(PercentEncode("a b/c", true) == "a%20b/c");
  CHECK(PercentEncode("\xC3\xBC", false) == "%C3%BC");
  CHECK(PercentEncode(std::string("\0", 1), false) == "%00");
}

}  // namespace
TEST_CASE("codecs: a value is decoded according to the name of its encoding") {
  struct Row {
    std::string encoding, value, want;
  };
  const Row rows[] = {
      {"", "aGk=", "aGk="},         {"utf-8", "aGk=", "aGk="}, {"base64", "aGk=", "hi"},
      {"BASE64", "aGk=", "hi"},     {"hex", "6869", "hi"},     {"Hex", "6A", "j"},
      {"base64", "aGk", "(error)"}, {"hex", "zz", "(error)"},  {"hex", "6869\n", "hi"},
      {"hex", "6869\r\n", "hi"},    {"hex", "\n", ""},         {"hex", "68\n69", "(error)"},
      {"hex", "\n6869", "(error)"},
  };
  for (const Row& row : rows) {
    INFO(row.encoding << " of " << row.value);
    Result<SecretBytes> decoded = Decode(row.encoding, SecretBytes(row.value));
    CHECK((decoded.ok() ? std::string(decoded->Reveal()) : "(error)") == row.want);
  }
}

}  // namespace nodekeep

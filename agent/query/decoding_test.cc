#include "agent/query/decoding.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

std::string Decoded(const std::string& strategy, std::string_view value) {
  const Result<DecodingStrategy> parsed = ParseDecodingStrategy(strategy);
  if (!parsed.ok()) return parsed.error().message();
  const Result<SecretBytes> decoded = DecodeValue(*parsed, SecretBytes(value));
  return decoded.ok() ? std::string(decoded->Reveal()) : decoded.error().message();
}

TEST_CASE("decoding: a value is decoded by the rules of Go's decoders") {
  struct Row {
    std::string name, strategy, value, want;
  };
  const Row rows[] = {
      {"none", "None", "YQ==", "YQ=="},
      {"no name is none", "", "YQ==", "YQ=="},
      {"standard", "Base64", "YQ==", "a"},
      {"bits that are left over", "Base64", "YR==", "a"},
      {"line breaks", "Base64", "Y\nQ=\r\n=\n", "a"},
      {"only a line break", "Base64", "\n", ""},
      {"standard digits", "Base64", "+/+/", "\xfb\xff\xbf"},
      {"URL digits are not standard", "Base64", "-_-_", "illegal base64 data at input byte 0"},
      {"a space", "Base64", "YQ =", "illegal base64 data at input byte 2"},
      {"half of the padding", "Base64", "YQ=", "illegal base64 data at input byte 3"},
      {"text after the padding", "Base64", "YQ==x", "illegal base64 data at input byte 4"},
      {"URL digits", "Base64URL", "-_-_", "\xfb\xff\xbf"},
      {"URL needs padding, too", "Base64URL", "aGVsbG8=", "hello"},
      {"standard digits are not URL", "Base64URL", "+/+/", "illegal base64 data at input byte 0"},
      {"auto: standard first", "Auto", "YWI=", "ab"},
      {"auto: then URL", "Auto", "-_-_", "\xfb\xff\xbf"},
      {"auto: else as it is", "Auto", "no base64", "no base64"},
      {"auto: without padding as it is", "Auto", "YQ", "YQ"},
      {"auto: nothing", "Auto", "", ""},
      {"unknown", "base64", "YQ==", "decoding strategy base64 is not supported"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Decoded(row.strategy, row.value) == row.want);
  }
}

TEST_CASE("decoding: base64 without padding is refused under both alphabets") {
  for (const char* strategy : {"Base64", "Base64URL"}) {
    CHECK(Decoded(strategy, "YQ").starts_with("illegal base64 data at input byte "));
    CHECK(Decoded(strategy, "aGVsbG8").starts_with("illegal base64 data at input byte "));
  }
}

TEST_CASE("decoding: the error of a map names the key and nothing of the value") {
  SecretMap values;
  values.emplace("a", SecretBytes("YQ=="));
  values.emplace("b", SecretBytes("se cret"));
  const Result<SecretMap> decoded = DecodeValues(DecodingStrategy::kBase64, std::move(values));
  REQUIRE_FALSE(decoded.ok());
  CHECK(decoded.error().message() == "failure decoding key b: illegal base64 data at input byte 2");
}

}  // namespace
}  // namespace nodekeep

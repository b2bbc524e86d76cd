#include "agent/base/ascii.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {

TEST_CASE("ascii: only the letters A to Z have a lower case") {
  CHECK(AsciiLower("Nodekeep/AZ_[@`{09") == "nodekeep/az_[@`{09");
  CHECK(AsciiLower("\xc3\x84") == "\xc3\x84");
  CHECK(AsciiLower("") == "");
}

TEST_CASE("ascii: strings are compared case-insensitively") {
  struct Row {
    std::string a, b;
    bool equal, starts;
  };
  const Row rows[] = {
      {"Content-Type", "content-type", true, true},
      {"HTTPS://host", "https://", false, true},
      {"http", "http://", false, false},
      {"", "", true, true},
      {"a", "", false, true},
      {"\xc3\x84", "\xc3\xa4", false, false},
  };
  for (const Row& row : rows) {
    INFO(row.a);
    CHECK(EqualsIgnoreCase(row.a, row.b) == row.equal);
    CHECK(StartsWithIgnoreCase(row.a, row.b) == row.starts);
  }
}

TEST_CASE("ascii: control characters are bytes below 0x20 and DEL") {
  CHECK_FALSE(HasControlCharacters("a b~\xc3\x84"));
  CHECK(HasControlCharacters("a\n"));
  CHECK(HasControlCharacters(std::string_view("\0", 1)));
  CHECK(HasControlCharacters("\x7f"));
}

}  // namespace nodekeep

#include "agent/base/utf8.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

TEST_CASE("utf8: only shortest forms of code points are valid, other bytes become U+FFFD") {
  struct Row {
    std::string name, text;
    std::size_t invalid_at;
    std::string replaced;
  };
  constexpr std::size_t kNone = std::string_view::npos;
  const std::string r = "\xEF\xBF\xBD";
  const Row rows[] = {
      {"empty", "", kNone, ""},
      {"ascii", "abc", kNone, "abc"},
      {"two bytes", "\xC2\x80\xDF\xBF", kNone, "\xC2\x80\xDF\xBF"},
      {"three bytes", "\xE0\xA0\x80\xEF\xBF\xBF", kNone, "\xE0\xA0\x80\xEF\xBF\xBF"},
      {"four bytes", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", kNone, "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
      {"lone continuation", "a\x80z", 1, "a" + r + "z"},
      {"overlong slash", "\xC0\xAF", 0, r + r},
      {"overlong three bytes", "\xE0\x80\xAF", 0, r + r + r},
      {"surrogate", "\xED\xA0\x80", 0, r + r + r},
      {"above the last code point", "\xF4\x90\x80\x80", 0, r + r + r + r},
      {"never a lead byte", "\xFF", 0, r},
      {"truncated", "ok\xE2\x82", 2, "ok" + r + r},
      {"interrupted by ascii", "\xE2\x28\xA1", 0, r + "(" + r},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(FindInvalidUtf8(row.text) == row.invalid_at);
    CHECK(ReplaceInvalidUtf8(row.text) == row.replaced);
    // Behind ASCII, and in front of it, of every length around that of a machine word.
    for (std::size_t length = 1; length < 20; ++length) {
      const std::string ascii(length, 'x');
      CHECK(FindInvalidUtf8(ascii + row.text) ==
            (row.invalid_at == kNone ? kNone : length + row.invalid_at));
      CHECK(ReplaceInvalidUtf8(ascii + row.text) == ascii + row.replaced);
      CHECK(ReplaceInvalidUtf8(row.text + ascii) == row.replaced + ascii);
    }
  }
}

TEST_CASE("utf8: a prefix does not end inside a character") {
  const std::string euros = "a\xE2\x82\xAC\xE2\x82\xAC";
  CHECK(Utf8Prefix(euros, 7) == euros);
  CHECK(Utf8Prefix(euros, 6) == "a\xE2\x82\xAC");
  CHECK(Utf8Prefix(euros, 4) == "a\xE2\x82\xAC");
  CHECK(Utf8Prefix(euros, 3) == "a");
  CHECK(Utf8Prefix("\x80\x80\x80", 2).empty());
}

TEST_CASE("utf8: untrusted text becomes one line of bounded length") {
  CHECK(OneLine(" \r\n a\tb\x7f\x1b  c \n", 100) == "a b c");
  CHECK(OneLine("\n", 100).empty());
  CHECK(OneLine("abcdef", 6) == "abcdef");
  CHECK(OneLine("abcdefg", 6) == "abcdef...");
  CHECK(OneLine("ab\xE2\x82\xAC", 4) == "ab...");
}

TEST_CASE("utf8: an excerpt is cut between characters and marked") {
  struct Row {
    std::string name, text;
    std::size_t limit;
    std::string excerpt;
  };
  const Row rows[] = {
      {"empty", "", 3, ""},
      {"at the limit", "abc", 3, "abc"},
      {"over it", "abcd", 3, "abc..."},
      {"inside a character", "ab\u00e4", 3, "ab..."},
      {"no room", "\u00e4", 1, "..."},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Excerpt(row.text, row.limit) == row.excerpt);
  }
}

TEST_CASE("utf8: characters are decoded from both ends and encoded") {
  struct Row {
    std::string name, text;
    std::uint32_t first, last;
  };
  const Row rows[] = {
      {"ASCII", "ab", 'a', 'b'},
      {"two bytes", "\u00e4", 0xE4, 0xE4},
      {"three and four bytes", "\u20ac\U0001f600", 0x20AC, 0x1F600},
      {"invalid", "\xff\xe4", 0xFFFD, 0xFFFD},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(FirstRune(row.text).code == row.first);
    CHECK(LastRune(row.text).code == row.last);
    if (row.first != 0xFFFD) CHECK(row.text.starts_with(EncodeUtf8(row.first)));
    if (row.last != 0xFFFD) CHECK(row.text.ends_with(EncodeUtf8(row.last)));
  }
  CHECK(FirstRune("").length == 0);
  CHECK(LastRune("").length == 0);
  CHECK(FirstRune("\xe2\x82").length == 1);
  CHECK(EncodeUtf8(0xD800) == "\xEF\xBF\xBD");
  CHECK(EncodeUtf8(0x110000) == "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace nodekeep

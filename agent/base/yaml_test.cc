#include "agent/base/yaml.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <optional>

namespace nodekeep {
namespace {

// A tree in one line: scalars bare, quoted ones in quotes, null as ~.
std::string Shape(const YamlNode& node) {
  std::string text;
  switch (node.kind) {
    case YamlNode::Kind::kNull: return "~";
    case YamlNode::Kind::kScalar: return node.quoted ? "\"" + node.text + "\"" : node.text;
    case YamlNode::Kind::kSequence:
      for (const YamlNode& item : node.items) text += (text.empty() ? "" : ", ") + Shape(item);
      return "[" + text + "]";
    case YamlNode::Kind::kMapping:
      for (const auto& [key, value] : node.entries) {
        text += (text.empty() ? "" : ", ") + Shape(key) + ": " + Shape(value);
      }
      return "{" + text + "}";
  }
  return text;
}

std::string Read(std::string_view text) {
  const Result<YamlNode> node = ParseYaml(text);
  return node.ok() ? Shape(*node) : "error: " + node.error().message();
}

TEST_CASE("yaml: the first document becomes a plain tree with literal spellings") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"empty", "", "~"},
      {"only comments", "# nothing\n\n  # here\n", "~"},
      {"null at the end", "a: 1\nb:", "{a: 1, b: ~}"},
      {"null at the end, explicit key", "? a", "{a: ~}"},
      {"keys without value",
       "a:\n\"b\":\n'c''': # d\n\"e\\\"\" :\n&f f:\n? g\n?\n  h\ni::\nj:\t\nk:",
       "{a: ~, \"b\": ~, \"c'\": ~, \"e\"\": ~, f: ~, g: ~, h: ~, i:: ~, j: ~, k: ~}"},
      {"values below their keys", "a:\n x\nb:\n- y\n?\n  c\n:\n  z\nd: &d\n e\nf:\n [g\n]\n",
       "{a: x, b: [y], c: z, d: e, f: [g]}"},
      {"only a marker", "---\n", "~"},
      {"scalars keep their spelling", "[0755, 1.0, 0x1F, yes, 2026-01-01]",
       "[0755, 1.0, 0x1F, yes, 2026-01-01]"},
      {"nulls", "[~, null, Null, NULL, nUlL]\n", "[~, ~, ~, ~, nUlL]"},
      {"null values", "a:\nb: ~\nc: \"\"\nd: 'null'", "{a: ~, b: ~, c: \"\", d: \"null\"}"},
      {"quoted", "a: \"x\\ty\"\nb: 'it''s'", "{a: \"x\ty\", b: \"it's\"}"},
      {"a block scalar ends where the text ends", "a: |\n  x", "{a: \"x\"}"},
      {"a block scalar keeps its end", "a: |+\n  x\n\n", "{a: \"x\n\n\"}"},
      {"block scalars", "a: |\n  one\n   two\nb: >-\n  one\n  two\n",
       "{a: \"one\n two\n\", b: \"one two\"}"},
      {"a list of maps, as upstream writes it",
       "- objectName: \"db\"\n  secretPath: secret/data/db\n- objectName: api\n",
       "[{objectName: \"db\", secretPath: secret/data/db}, {objectName: api}]"},
      {"leading marker", "---\na: 1\n", "{a: 1}"},
      {"only the first document", "a: 1\n---\nb: {{{ broken\n", "{a: 1}"},
      {"end marker", "a: 1\n...\nrubbish: [\n", "{a: 1}"},
      {"directive", "%YAML 1.2\n---\na: 1\n", "{a: 1}"},
      {"text after an end marker", "a: 1\n...\n@\n", "{a: 1}"},
      {"a marker as part of a word", "a: x\n---b: y\n", "{a: x, ---b: y}"},
      {"byte order mark",
       "\xEF\xBB\xBF"
       "a: 1",
       "{a: 1}"},
      {"windows line breaks", "a: 1\r\nb: |\r\n  x\r\n  y\r\n", "{a: 1, b: \"x\ny\n\"}"},
      {"old mac line breaks", "a: 1\rb: 2\r", "{a: 1, b: 2}"},
      {"non-ascii", "name: z\xC3\xBC\xF0\x9F\x94\x91", "{name: z\xC3\xBC\xF0\x9F\x94\x91}"},
      {"keys are case-sensitive", "a: 1\nA: 2", "{a: 1, A: 2}"},
      {"alias", "a: &x {k: v}\nb: *x\nc: [*x]", "{a: {k: v}, b: {k: v}, c: [{k: v}]}"},
      {"a new anchor of the same name", "a: &x 1\nb: &x 2\nc: *x", "{a: 1, b: 2, c: 2}"},
      {"merge", "base: &b {k: 1, l: 2}\nc:\n  <<: *b\n  k: 3",
       "{base: {k: 1, l: 2}, c: {k: 3, l: 2}}"},
      {"merge of a list, the earlier wins", "c:\n  <<: [{k: 1}, {k: 2, m: 3}]\n  z: 0",
       "{c: {z: 0, k: 1, m: 3}}"},
      {"merge of what was merged", "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}",
       "{a: {x: 1}, b: {y: 2, x: 1}, c: {z: 3, y: 2, x: 1}}"},
      {"a quoted merge sign is a key", "c: {'<<': 1}", "{c: {\"<<\": 1}}"},
      {"an empty text at the end", "z\xC3\xBC: [\"x\", '']", "{z\xC3\xBC: [\"x\", \"\"]}"},
      {"an empty text ends the text", "a: ''", "{a: \"\"}"},
      {"a quote ends the text, in a comment", "a: '' # don'", "{a: \"\"}"},
      {"a block scalar that ends in what looks like a comment", "a: |\n  #x", "{a: \"#x\"}"},
      {"a block scalar that ends in blanks", "a: |+\n  x\n\n  ", "{a: \"x\n\n\"}"},
      {"tags", "[!!str 5, !!null '', !!binary aGk=, !custom 5, !!int '5', ! 5]",
       "[\"5\", ~, \"hi\", \"5\", 5, 5]"},
      {"line breaks of YAML 1.1",
       "a: 1\xC2\x85"
       "b: 2\n",
       "{a: 1, b: 2}"},
      {"escaped characters", "\"\\_\\N\\/\"", "\"\xC2\xA0\xC2\x85/\""},
      {"top-level scalar", "just text", "just text"},
      {"json is yaml", R"({"a": ["b", 1, null]})", R"({"a": ["b", 1, ~]})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Read(row.text) == row.want);
  }
  CHECK(Read(std::string_view()) == "~");
}

TEST_CASE("yaml: what is wrong is refused with line and column, values unquoted") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"duplicate key", "a: 1\nb: 2\na: 3\n",
       "line 3, column 1: mapping key \"a\" already defined at line 1"},
      {"duplicate key, one quoted", "a: 1\n\"a\": 3\n",
       "line 2, column 1: mapping key \"a\" already defined at line 1"},
      {"duplicate key inside a list", "- k: 1\n- k: 1\n  k: 2\n",
       "line 3, column 3: mapping key \"k\" already defined at line 2"},
      {"two merge keys", "a:\n  <<: {x: 1}\n  <<: {y: 1}\n",
       "line 3, column 3: mapping key \"<<\" already defined at line 2"},
      {"merge of a scalar", "a:\n  <<: 5\n", "line 2, column 7: map merge requires map"},
      {"merge of a list of scalars", "a:\n  <<: [5]\n", "line 2, column 8: map merge requires map"},
      {"merge of an alias of a list", "a: &a [{x: 1}]\nb:\n  <<: *a\n",
       "line 3, column 7: map merge requires map"},
      {"key that is a list", "? [a, b]\n: c\n", "line 1, column 3: a key must be a scalar"},
      {"unknown anchor", "password: *hunter2\n", "line 1, column 11: the referenced anchor"},
      {"anchor that contains itself", "a: &a [*a]\n",
       "line 1, column 8: an anchor's value contains"},
      {"unclosed list", "z\xC3\xBC: [hunter2, b\n\n",
       "line 1, column 16: did not find expected ',' or ']'"},
      {"cut JSON", "{\"a\": [", "line 1, column 8: did not find expected node content"},
      {"unclosed quote", "a: \"hunter2",
       "line 1, column 4: found unexpected end of stream while scanning a quoted scalar"},
      {"an opening quote at the end", "z\xC3\xBC: \"", "line 1, column 5: found unexpected end"},
      {"an opening quote at the end, anchored", "a: &x '",
       "line 1, column 7: found unexpected end"},
      {"unclosed quote, line break", "a: \"hunter2\n", "line 1, column 4: found unexpected end"},
      {"unclosed single quote", "a: 'hunter2\nb: c\n\n", "line 1, column 4: found unexpected end"},
      {"unclosed quote, blanks", "a: 'hunter2\n  ", "line 1, column 4: found unexpected end"},
      {"quote over a marker", "a: 'hunter2\n---\nb'",
       "line 1, column 4: found unexpected document"},
      {"unknown escape", "a: \"\\qhunter2\"\n", "line 1, column "},
      {"colon in a plain value", "a: hunter2: c\n", "line 1, column 11: "},
      {"text after the value", "- a\n-hunter2\n", "line 2, column 1: could not find expected ':'"},
      {"text after a quoted value", "\"a\" hunter2\n",
       "line 1, column 5: did not find expected <document start>"},
      {"no colon in the last line", "a: 1\nhunter2",
       "line 2, column 1: could not find expected ':'"},
      {"no colon after a key without value", "a:\nhunter2\nb: 1\n", "line 2, column 1: could not"},
      {"no colon after a key without value, last", "a:\nhunter2\n",
       "line 2, column 1: could not find expected ':'"},
      {"no colon, quoted", "- a: 1\n  'hunter2'\n",
       "line 2, column 3: could not find expected ':'"},
      {"no colon at the end of a list's map", "- a: 1\n  hunter2\n- b\n",
       "line 2, column 3: could not find expected ':'"},
      {"no colon, but one in a comment", "a: 1\nhunter2 # b: c\n",
       "line 2, column 1: could not find expected ':'"},
      {"no colon in the middle", "a: 1\nhunter2\nb: 2\n", "line 2, column 1: could not"},
      {"bad indentation", "a:\n  b: 1\n c: hunter2\n", "line 3, column "},
      {"reserved sign", "a: @hunter2\n", "line 1, column 4: "},
      {"bad binary", "a: !!binary '*hunter2*'\n", "line 1, column 4: !!binary"},
      {"null that is none", "a: !!null hunter2\n", "line 1, column 4: !!null"},
      {"end marker first", "...\na: 1\n", "line 1, column 1: did not find expected node content"},
      {"tab as indentation", "a:\n\tb: hunter2\n", "line 2, column 1: found character that"},
      {"tab after a dash", "-\thunter2\n", "line 1, column 2: found character that"},
      {"double comma", "[a,,b]\n", "line 1, column 4: did not find expected node content"},
      {"unknown directive", "%FOO\n---\na: 1\n", "line 1, column 5: found unknown directive name"},
      {"undefined tag handle", "a: !e!b c\n", "line 1, column 4: found undefined tag handle"},
      {"C1 control character", "a: \xC2\x80", "line 1, column 4: control characters"},
      {"NUL", std::string("a: x\nb: \0", 9), "line 2, column 4: control characters"},
      {"escape sign", "a: \x1b[31m", "line 1, column 4: control characters"},
      {"invalid utf-8", "a: x\nbc: \xFF", "line 2, column 5: invalid UTF-8"},
      {"utf-16",
       "\xFF\xFE"
       "a",
       "line 1, column 1: invalid UTF-8"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<YamlNode> node = ParseYaml(row.text);
    REQUIRE_FALSE(node.ok());
    INFO(node.error().message());
    CHECK(node.error().code() == ErrorCode::kInvalid);
    CHECK(node.error().message().starts_with(row.want));
    CHECK(node.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("yaml: a long key is shown by its beginning") {
  const std::string key(500, 'k');
  const std::string message = Read(key + ": 1\n" + key + ": 2\n");
  CHECK(message.find(std::string(100, 'k') + "...") != std::string::npos);
  CHECK(message.size() < 250);
}

TEST_CASE("yaml: all documents are read, with line numbers of the whole text") {
  const auto documents =
      ParseYamlDocuments("# head\na: 1\n---\n# two\nb: 2\n...\n---\n---\nc: 3\n");
  REQUIRE(documents.ok());
  REQUIRE(documents->size() == 4);
  CHECK(Shape((*documents)[0]) == "{a: 1}");
  CHECK((*documents)[0].line == 2);
  CHECK(Shape((*documents)[1]) == "{b: 2}");
  CHECK((*documents)[1].line == 5);
  CHECK(Shape((*documents)[2]) == "~");
  CHECK(Shape((*documents)[3]) == "{c: 3}");
  CHECK((*documents)[3].line == 9);

  const auto none = ParseYamlDocuments("\n# nothing\n");
  REQUIRE(none.ok());
  CHECK(none->empty());

  const auto after = ParseYamlDocuments("a: 1\n...\nb: 2\n");
  REQUIRE_FALSE(after.ok());
  CHECK(after.error().message() == "line 3, column 1: did not find expected <document start>");

  const auto alias = ParseYamlDocuments("a: &a 1\n---\nb: *a\n");
  REQUIRE_FALSE(alias.ok());
  CHECK(alias.error().message() == "line 3, column 4: the referenced anchor is not defined");

  const auto broken = ParseYamlDocuments("a: 1\n---\nb: 1\nb: 2\n");
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().message() ==
        "line 4, column 1: mapping key \"b\" already defined at line 3");
}

TEST_CASE("yaml: nodes know where they are written") {
  const Result<YamlNode> root = ParseYaml("a: 1\nlist:\n  - x\n  - key:   v\n");
  REQUIRE(root.ok());
  const YamlNode* list = root->Find("list");
  REQUIRE(list != nullptr);
  CHECK(list->line == 3);
  CHECK(list->column == 3);
  const YamlNode* value = list->items.at(1).Find("key");
  REQUIRE(value != nullptr);
  CHECK(value->line == 4);
  CHECK(value->column == 12);
  CHECK(YamlError(*value, "wrong").message() == "line 4, column 12: wrong");
  CHECK(root->Find("absent") == nullptr);
  CHECK(value->Find("anything") == nullptr);
}

TEST_CASE("yaml: text made to exhaust us is refused") {
  const auto repeat = [](std::string_view piece, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += piece;
    return text;
  };
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    laughs +=
        fmt::format("a{0}: &a{0} [*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1}]\n", i, i - 1);
  }
  std::string wide = "a: &a " + std::string(100'000, 'x') + "\nb: [";
  wide += repeat("*a,", 1000) + "]\n";
  std::string merges = "m0: &m0 {x: 1, y: 2}\n";
  for (int i = 1; i < 30; ++i) {
    merges += fmt::format("m{0}: &m{0} {{k{0}: [*m{1}, *m{1}], <<: *m{1}}}\n", i, i - 1);
  }
  std::string chain = "a0: &a0 x\n";
  for (int i = 1; i < 200; ++i) chain += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  std::string merge_chain = "a0: &a0 {x: 1}\n";
  for (int i = 1; i < 20'000; ++i)
    merge_chain += fmt::format("a{0}: &a{0} {{<<: *a{1}}}\n", i, i - 1);

  std::string tags;
  for (int i = 0; i < 200'000; ++i) tags += fmt::format("%TAG !{}! b\n", i);

  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"billion laughs", laughs, "expands to more than 100000 nodes"},
      {"long text named often", wide, "expands to more than 4194304 bytes"},
      {"laughs by merging", merges, "expands to more than 100000 nodes"},
      {"depth by aliases", chain, "nested deeper than 64 levels"},
      {"depth by merging", merge_chain, "nested deeper than 64 levels"},
      {"many nodes", repeat("- a\n", 100'001), "more than 100000 nodes"},
      {"many documents", repeat("---\na\n", 100'001), "more than 100000 nodes"},
      {"65 flow lists", repeat("[", 65) + repeat("]", 65), "nested deeper than 64 levels"},
      {"65 block lists", repeat("- ", 65) + "x", "nested deeper than 64 levels"},
      {"a million flow lists", repeat("[", 1'000'000), ""},
      {"a million flow maps", repeat("{a: ", 1'000'000), ""},
      {"a million block lists", repeat("- ", 1'000'000), ""},
      {"a million question marks", repeat("? ", 1'000'000), ""},
      {"short tags made long",
       "%TAG !a! " + std::string(100'000, 'x') + "\n---\n" + repeat("- !a!b c\n", 100),
       "expands to more than 4194304 bytes"},
      {"many tag directives", tags + "---\na\n", "more than 100 %TAG directives"},
      {"larger than the limit", std::string(5 << 20, 'a'), "larger than 4194304 bytes"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const auto documents = ParseYamlDocuments(row.text);
    REQUIRE_FALSE(documents.ok());
    CHECK(documents.error().message().find(row.want) != std::string::npos);
  }
}

TEST_CASE("yaml: the limits themselves are allowed") {
  CHECK(ParseYaml(std::string(64, '[') + std::string(64, ']')).ok());
  std::string text;
  for (int i = 0; i < 99'999; ++i) text += "- a\n";
  const Result<YamlNode> node = ParseYaml(text);
  REQUIRE(node.ok());
  CHECK(node->items.size() == 99'999);
  CHECK(ParseYaml("a: " + std::string(kMaxYamlBytes - 10, 'x')).ok());
}

YamlNode Scalar(std::string_view text) {
  Result<YamlNode> node = ParseYaml(fmt::format("a: {}\n", text));
  REQUIRE(node.ok());
  return *node->Find("a");
}

TEST_CASE("yaml: whole numbers are read by yaml.v3's rules") {
  struct Row {
    std::string text;
    std::optional<std::int64_t> want;
  };
  const Row rows[] = {
      {"0", 0},
      {"420", 420},
      {"0644", 0644},
      {"0o644", 0644},
      {"0x1A4", 420},
      {"0b11", 3},
      {"-5", -5},
      {"+5", 5},
      {"1_000", 1000},
      {"0x_ff", 255},
      {"-0o17", -15},
      {"1e3", 1000},
      {"420.0", 420},
      {"08", 8},
      {"9223372036854775807", 9223372036854775807},
      {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
      {"9223372036854775808", std::nullopt},
      {"1e30", std::nullopt},
      {"1.5", std::nullopt},
      {"\"420\"", std::nullopt},
      {"'420'", std::nullopt},
      {"!!str 420", std::nullopt},
      {"four", std::nullopt},
      {"_1", std::nullopt},
      {"0x", std::nullopt},
      {"0xg", std::nullopt},
      {"--5", std::nullopt},
      {"+-5", std::nullopt},
      {"12 34", std::nullopt},
      {"~", std::nullopt},
      {".inf", std::nullopt},
      {"[1]", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<std::int64_t> number = YamlInt(Scalar(row.text));
    REQUIRE(number.ok() == row.want.has_value());
    if (row.want) {
      CHECK(*number == *row.want);
    } else {
      CHECK(number.error().message().starts_with("line 1, column 4: expected a whole number"));
    }
  }
}

TEST_CASE("yaml: booleans are read by yaml.v3's rules") {
  struct Row {
    std::string text;
    std::optional<bool> want;
  };
  const Row rows[] = {
      {"true", true},
      {"True", true},
      {"TRUE", true},
      {"false", false},
      {"False", false},
      {"FALSE", false},
      {"yes", true},
      {"on", true},
      {"y", true},
      {"No", false},
      {"OFF", false},
      {"'yes'", true},
      {"'true'", std::nullopt},
      {"tRUE", std::nullopt},
      {"1", std::nullopt},
      {"~", std::nullopt},
      {"[true]", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<bool> value = YamlBool(Scalar(row.text));
    REQUIRE(value.ok() == row.want.has_value());
    if (row.want) CHECK(*value == *row.want);
  }
}

TEST_CASE("yaml: any scalar is a text, a list or map is none") {
  CHECK(*YamlText(Scalar("0755")) == "0755");
  CHECK(*YamlText(Scalar("1.0")) == "1.0");
  CHECK(*YamlText(Scalar("\"\"")) == "");
  CHECK(*YamlText(Scalar("~")) == "");
  CHECK(YamlText(Scalar("[a]")).error().message() ==
        "line 1, column 4: expected a text, found a list");
  CHECK(YamlText(Scalar("{a: b}")).error().message() ==
        "line 1, column 4: expected a text, found a map");
}

}  // namespace
}  // namespace nodekeep

#include "agent/secrets/spc_reader.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

using Kind = VolumePaths::Clash::Kind;

constexpr std::string_view kWanted = "must be a mapping with name";

YamlNode Parsed(std::string_view text) {
  Result<YamlNode> node = ParseYaml(text);
  REQUIRE(node.ok());
  return *std::move(node);
}

std::string MessageOf(const Status& status) {
  if (status.ok()) return "(accepted)";
  CHECK(status.error().code() == ErrorCode::kInvalid);
  return status.error().message();
}

}  // namespace

TEST_CASE("spc reader: a parameter of the class overrides the node's unless it is empty") {
  const std::map<std::string, std::string> values = {{"set", "class"}, {"empty", ""}};
  const SpcParameters parameters(values);
  CHECK(parameters.Get("set") == "class");
  CHECK(parameters.Get("absent") == "");
  CHECK(parameters.Or("set", "node") == "class");
  CHECK(parameters.Or("empty", "node") == "node");
  CHECK(parameters.Or("absent", "node") == "node");
  CHECK(parameters.SourceOf("set", "providers.x.set") == "set");
  CHECK(parameters.SourceOf("empty", "providers.x.empty") ==
        "providers.x.empty of the node's configuration");
  CHECK(parameters.Has("empty"));
  CHECK_FALSE(parameters.Has("absent"));
}

TEST_CASE("spc reader: the sizes of parameters are limited, and no value is quoted") {
  using Parameters = std::map<std::string, std::string>;
  constexpr std::string_view kPem[] = {"ca"};
  const auto bytes = [](std::size_t count) { return std::string(count, 's'); };
  Parameters most, many;
  for (int i = 0; i < 128; ++i) most["p" + std::to_string(i)] = "v";
  for (int i = 0; i < 129; ++i) many["p" + std::to_string(i)] = "v";
  struct Row {
    std::string name;
    Parameters parameters;
    std::string want;
  };
  const Row rows[] = {
      {"the longest parameter", {{"unknown", bytes(4096)}}, "(accepted)"},
      {"the longest bundle", {{"ca", bytes(65536)}}, "(accepted)"},
      {"the longest list", {{"objects", bytes(262144)}}, "(accepted)"},
      {"the longest name", {{bytes(256), "v"}}, "(accepted)"},
      {"as many as possible", most, "(accepted)"},
      {"parameter",
       {{"unknown", bytes(4097)}},
       "parameter unknown has 4097 bytes; 4096 are the most"},
      {"bundle", {{"ca", bytes(65537)}}, "parameter ca has 65537 bytes; 65536 are the most"},
      {"list",
       {{"objects", bytes(262145)}},
       "parameter objects has 262145 bytes; 262144 are the most"},
      {"name",
       {{bytes(100000), "v"}},
       "the name of parameter " + bytes(256) + "... has 100000 bytes; 256 are the most"},
      {"too many", many, "the class has 129 parameters; 128 are the most"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(MessageOf(CheckParameterSizes(row.parameters, kPem)) == row.want);
  }
}

TEST_CASE("spc reader: a list has a limited number of objects") {
  std::string text;
  for (int i = 0; i < 4096; ++i) text += "- a\n";
  CHECK(ReadObjectList(text).ok());
  const Result<std::vector<YamlNode>> many = ReadObjectList(text + "- a\n");
  REQUIRE_FALSE(many.ok());
  CHECK(many.error().message() ==
        "parameter objects lists 4097 objects; 4096 are the most: use several classes");
}

TEST_CASE("spc reader: a long value is cut in messages") {
  const std::string value(100000, 'v');
  const std::string shown = std::string(256, 'v') + "...";
  constexpr std::string_view kKnown[] = {"one"};
  const YamlNode node = Parsed("{kind: " + value + "}");
  SpcEntry reader(node, kWanted);
  reader.SetObject(value);
  reader.OneOf("kind", kKnown);
  CHECK(MessageOf(reader.status()) ==
        "line 1, column 8: object \"" + shown + "\": kind: \"" + shown + "\" is unknown: use one");
}

TEST_CASE("spc reader: a flag is parsed as a Go boolean; an error names the parameter") {
  const std::map<std::string, std::string> values = {{"on", "T"}, {"off", "0"}, {"bad", "yes"}};
  const SpcParameters parameters(values);
  CHECK(*parameters.Flag("on", false));
  CHECK_FALSE(*parameters.Flag("off", true));
  CHECK(*parameters.Flag("absent", true));
  const Result<bool> bad = parameters.Flag("bad", false);
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message() ==
        "parameter bad: must be true or false: strconv.ParseBool: parsing \"yes\": invalid syntax: "
        "use \"true\" or \"false\"");
}

TEST_CASE("spc reader: keys that begin with nodekeep in any case are reserved") {
  for (const char* key : {"nodekeep/x", "Nodekeep/x", "NODEKEEP.io/x", "nodekeep-x", "nodekeep"}) {
    INFO(key);
    CHECK(LooksReserved(key));
  }
  for (const char* key : {"", "nodekee", "node/x", "x.nodekeep/y"}) {
    INFO(key);
    CHECK_FALSE(LooksReserved(key));
  }
}

TEST_CASE("spc reader: TLS trust settings of a class replace those of the node as a whole") {
  TlsSettings node;
  node.ca_file = "/node/ca";
  node.ca_directory = "/node/cas";
  node.ca_pem = "node pem";
  node.server_name = "node";
  node.client_cert_file = "/node/cert";
  node.client_key_file = "/node/key";
  CHECK(TlsOverNode(TlsSettings(), node) == node);

  TlsSettings of_class, want = node;
  of_class.ca_pem = want.ca_pem = "pem";
  want.ca_file = want.ca_directory = "";
  CHECK(TlsOverNode(of_class, node) == want);

  of_class = TlsSettings();
  want = node;
  of_class.client_cert_file = want.client_cert_file = "/cert";
  want.client_key_file = "";
  of_class.server_name = want.server_name = "other";
  CHECK(TlsOverNode(of_class, node) == want);

  of_class = TlsSettings();
  of_class.skip_verify = true;
  CHECK(TlsOverNode(of_class, node).skip_verify);
  node.skip_verify = true;
  CHECK(TlsOverNode(TlsSettings(), node).skip_verify);
}

TEST_CASE("spc reader: `objects` is a list or absent") {
  for (const char* text : {"", "null", "[]", "# comment"}) {
    INFO(text);
    Result<std::vector<YamlNode>> nodes = ReadObjectList(text);
    REQUIRE(nodes.ok());
    CHECK(nodes->empty());
    nodes = ReadObjectList(text, "lists nothing");
    REQUIRE_FALSE(nodes.ok());
    CHECK(nodes.error().message() == "parameter objects: line 1, column 1: lists nothing");
  }
  CHECK(ReadObjectList("---")->empty());
  CHECK(ReadObjectList("[a, b]")->size() == 2);
  CHECK(ReadObjectList("[a, b]", "lists nothing")->size() == 2);
  CHECK(ReadObjectList("a: b").error().message() ==
        "parameter objects: line 1, column 1: must be a list of objects");
  CHECK(ReadObjectList("a: b", "lists nothing").error().message() ==
        "parameter objects: line 1, column 1: lists nothing");
  CHECK(ReadObjectList("- [").error().message().starts_with("parameter objects: line "));
}

TEST_CASE("spc reader: fields of an entry are parsed as typed values") {
  const YamlNode node =
      Parsed("{name: 0755, none: ~, on: yes, off: false, mode: 0400, encoding: hex}");
  SpcEntry entry(node, kWanted);
  CHECK(entry.Text("name") == "0755");
  CHECK(entry.Text("none") == "");
  CHECK(entry.Text("absent") == "");
  CHECK(entry.Flag("on") == true);
  CHECK(entry.Flag("off") == false);
  CHECK(entry.Flag("none") == std::nullopt);
  CHECK(entry.Mode("mode") == 0400);
  CHECK(entry.Mode("absent") == std::nullopt);
  constexpr std::string_view kEncodings[] = {"base64", "hex"};
  CHECK(entry.OneOf("encoding", kEncodings) == "hex");
  CHECK(entry.OneOf("absent", kEncodings) == "");
  CHECK(MessageOf(entry.status()) == "(accepted)");
}

TEST_CASE("spc reader: an entry's error has the position, the object and the expected value") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"{name: [a]}", "column 8: object \"o\": name: must be text"},
      {"{on: perhaps}", "column 6: object \"o\": on: must be true or false"},
      {"{mode: '0400'}",
       "column 8: object \"o\": mode: must be a number without quotes, such as 0400"},
      {"{mode: 01000}",
       "column 8: object \"o\": mode: 01000 is outside 0000 to 0777; octal numbers begin with 0, "
       "such as 0400"},
      {"{mode: -1}",
       "column 8: object \"o\": mode: -1 is outside 0000 to 0777; octal numbers begin with 0, such "
       "as 0400"},
      {"{encoding: gzip}",
       "column 12: object \"o\": encoding: \"gzip\" is unknown: use utf-8, base64 or hex"},
      {"text", "column 1: must be a mapping with name"},
      {"~", "(accepted)"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const YamlNode node = Parsed(row.text);
    SpcEntry entry(node, kWanted);
    entry.SetObject("o");
    entry.Text("name");
    entry.Flag("on");
    entry.Mode("mode");
    constexpr std::string_view kEncodings[] = {"utf-8", "base64", "hex"};
    entry.OneOf("encoding", kEncodings);
    CHECK(MessageOf(entry.status()) ==
          (row.want == "(accepted)" ? row.want : "line 1, " + row.want));
  }
}

TEST_CASE("spc reader: the first of several errors is kept") {
  const YamlNode node = Parsed("- {a: [], b: []}").items.front();
  SpcEntry entry(node, kWanted);
  entry.Text("b");
  entry.Text("a");
  entry.Fail("of the entry");
  CHECK(MessageOf(entry.status()) == "line 1, column 14: b: must be text");
  SpcEntry other(node, kWanted);
  other.FailAt("absent", "at the entry");
  CHECK(MessageOf(other.status()) == "line 1, column 3: at the entry");
}

TEST_CASE("spc reader: an unknown reserved key is found") {
  constexpr std::string_view kKnown[] = {"nodekeep/optional", "nodekeep/mode"};
  const YamlNode known = Parsed("{nodekeep/optional: true, other: 1}");
  CHECK(SpcEntry(known, kWanted).UnknownReservedKey(kKnown) == nullptr);
  const YamlNode unknown = Parsed("{nodekeep/mode: 1, Nodekeep/Optional: true}");
  const YamlNode* key = SpcEntry(unknown, kWanted).UnknownReservedKey(kKnown);
  REQUIRE(key != nullptr);
  CHECK(key->text == "Nodekeep/Optional");
  CHECK(key->column == 20);
}

TEST_CASE("spc reader: a path conflicts with an equal path, its folder and paths below it") {
  VolumePaths paths;
  CHECK_FALSE(paths.Add("a/b/c"));
  CHECK_FALSE(paths.Add("a/b-c"));
  CHECK_FALSE(paths.Add("a/bc"));
  struct Row {
    std::string path;
    Kind kind;
    std::string other;
  };
  const Row rows[] = {
      {"a/b/c", Kind::kSame, "a/b/c"},
      {"a/b/c/d", Kind::kBelowOther, "a/b/c"},
      {"a/b", Kind::kAboveOther, "a/b/c"},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    const std::optional<VolumePaths::Clash> clash = paths.Add(row.path);
    REQUIRE(clash);
    CHECK(clash->kind == row.kind);
    CHECK(clash->other == row.other);
  }
}

TEST_CASE("spc reader: a path conflict is reported with the object's position and dialect text") {
  const YamlNode node = Parsed("- x").items.front();
  VolumePaths paths;
  CHECK(paths.Add(node, "a/b", {}).ok());
  CHECK(MessageOf(paths.Add(node, "a/b", {})) ==
        "line 1, column 3: object \"a/b\": the name is used twice: each object needs a file of its "
        "own");
  CHECK(MessageOf(paths.Add(node, "a/b/c", {})) ==
        "line 1, column 3: object \"a/b/c\": another object makes the file \"a/b\", which here is "
        "the directory");
  CHECK(MessageOf(paths.Add(node, "a", {.same = "", .below_other = "", .above_other = "at {}"})) ==
        "line 1, column 3: object \"a\": at a/b");
}

}  // namespace nodekeep

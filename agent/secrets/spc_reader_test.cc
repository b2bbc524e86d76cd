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

TEST_CASE("spc reader: parameters without effect, and values with line ends, are warnings") {
  constexpr std::string_view kKnown[] = {"roleName", "vaultAddress", "list"};
  constexpr std::string_view kLong[] = {"list"};
  struct Row {
    std::string name, value, want;
  };
  const Row rows[] = {
      {"roleName", "app", ""},
      {"rolename", "app", "parameter rolename: is unknown and ignored: did you mean roleName?"},
      {"vaultAdress", "x",
       "parameter vaultAdress: is unknown and ignored: did you mean "
       "vaultAddress?"},
      {"zone", "s3cret",
       "parameter zone: is unknown and ignored: the parameters are roleName, "
       "vaultAddress, list"},
      {"roleName", "app\n",
       "parameter roleName: has a line end in it: write it on one line, "
       "without `|`"},
      {"roleName", " app",
       "parameter roleName: begins or ends with white space: write it on one "
       "line, without `|`"},
      {"roleName", "app\t",
       "parameter roleName: begins or ends with white space: write it on one "
       "line, without `|`"},
      {"roleName", "my app", ""},
      {"roleName", "", ""},
      {"list", "a,\nb\n", ""},
      {"objects", "- a: b\n", ""},
      // Others than these are refused with an error.
      {"nodekeep/x", "y", ""},
      {"nodekeep/audience", "vault\n",
       "parameter nodekeep/audience: has a line end in it: write it on one line, without `|`"},
  };
  for (const Row& row : rows) {
    INFO(row.name << "=" << row.value);
    const std::map<std::string, std::string> values = {{row.name, row.value}};
    SpcWarnings warnings;
    WarnOfParameters(SpcParameters(values), kKnown, kLong, warnings);
    CHECK(warnings.Text() == row.want);
  }
}

TEST_CASE("spc reader: a URL whose path cannot be the API is a warning") {
  constexpr std::string_view kWrong[] = {"/v1", "/ui"};
  const std::pair<std::string, std::string> rows[] = {
      {"https://vault:8200", ""},
      {"https://vault:8200/", ""},
      {"https://proxy/team/vault", ""},
      {"https://proxy/v1x", ""},
      {"https://proxy/team/v1/vault", ""},
      {"https://v1", ""},
      {"https://ui/", ""},
      {"unix:///run/v1", ""},
      {"vault/v1", ""},  // no URL: an error of the dialect
      {"", ""},
      {"https://me:s3cret@vault/v1", ""},  // an error of the dialect
      {"https://vault/v1", "/v1"},
      {"HTTPS://vault/v1//", "/v1"},
      {"https://vault/v1/secret", "/v1"},
      {"https://proxy/team/v1", "/v1"},
      {"https://vault:8200/ui/vault/secrets", "/ui"},
  };
  for (const auto& [url, path] : rows) {
    INFO(url);
    const std::map<std::string, std::string> values = {{"address", url}};
    SpcWarnings warnings;
    WarnOfUrlPath(SpcParameters(values), "address", kWrong, "leave it out", warnings);
    CHECK(warnings.Text() == (path.empty() ? ""
                                           : "parameter address: \"" + url + "\" has the path " +
                                                 path + ", below which is no API: leave it out"));
  }
}

TEST_CASE("spc reader: keys of an object without effect are warnings with their place") {
  constexpr std::string_view kKnown[] = {"name", "secretKey"};
  const std::string at = "parameter objects: line 2, column ";
  const std::pair<std::string, std::string> rows[] = {
      {"secretKey: k", ""},
      {"secretkey: k", at + "1: object \"a\": key secretkey is unknown and ignored: did you mean "
                            "secretKey?"},
      {"zone: {a: b}", at + "1: object \"a\": key zone is unknown and ignored: the keys are name, "
                            "secretKey"},
      {"nodekeep/zone: x", ""},
      {"secretKey: |\n  k", at + "12: object \"a\": secretKey: has a line end in it: write it on "
                                 "one line, without `|`"},
      {"secretKey: 'k '", at + "12: object \"a\": secretKey: begins or ends with white space: "
                               "write it on one line, without `|`"},
  };
  for (const auto& [line, want] : rows) {
    INFO(line);
    const YamlNode node = Parsed("name: a\n" + line + "\n");
    SpcEntry entry(node, kWanted);
    entry.SetObject("a");
    SpcWarnings warnings;
    entry.WarnOfKeys(kKnown, "mode", warnings);
    CHECK(warnings.Text() == want);
  }
}

TEST_CASE("spc reader: a decimal mode that is meant as octal is a warning") {
  const std::pair<std::string, std::string> rows[] = {
      {"0400", ""},    {"0o400", ""},   {"0", ""},       {"292", ""},
      {"256", ""},     {"420", ""},     {"416", ""},     {"436", ""},
      {"511", ""},     {"504", ""},     {"365", ""},     {"'400'", ""},  // the last is an error
      {"400", "0620"}, {"440", "0670"}, {"444", "0674"}, {"500", "0764"},
  };
  for (const auto& [text, mode] : rows) {
    INFO(text);
    const YamlNode node = Parsed("mode: " + text);
    SpcEntry entry(node, kWanted);
    SpcWarnings warnings;
    entry.WarnOfKeys({}, "mode", warnings);
    CHECK(warnings.Text() == (mode.empty() ? ""
                                           : "parameter objects: line 1, column 7: mode: " + text +
                                                 " is a decimal number, the mode " + mode +
                                                 ": octal numbers begin with 0: write 0" + text));
  }
}

TEST_CASE("spc warnings: the first are kept, the others counted and not even made") {
  SpcWarnings warnings;
  CHECK(warnings.empty());
  CHECK(warnings.Text().empty());
  std::size_t made = 0;
  for (std::size_t i = 0; i < SpcWarnings::kMost + 2; ++i) {
    warnings.Add([&] { return "w" + std::to_string(made++); });
  }
  CHECK_FALSE(warnings.empty());
  CHECK(made == SpcWarnings::kMost);
  CHECK(warnings.texts().size() == SpcWarnings::kMost);
  CHECK(warnings.more() == 2);
  CHECK(warnings.Text().starts_with("w0; w1; "));
  CHECK(warnings.Text().ends_with("; w19; and 2 more"));
}

}  // namespace nodekeep

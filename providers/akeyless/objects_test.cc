#include "providers/akeyless/objects.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep::akeyless {
namespace {

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Result<std::vector<ObjectEntry>> Read(std::string_view text) {
  SpcWarnings warnings;
  return ReadObjects(text, warnings);
}

// The only entry of a list.
ObjectEntry One(const std::string& fields) {
  Result<std::vector<ObjectEntry>> entries = Read("- fileName: a\n  secretPath: /a\n" + fields);
  INFO(fields);
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 1);
  return entries->front();
}

}  // namespace

TEST_CASE("akeyless objects: text without a list of entries gives none") {
  for (const char* text : {"", "null", "[]", "# only a comment", "---"}) {
    INFO(text);
    Result<std::vector<ObjectEntry>> entries = Read(text);
    REQUIRE(entries.ok());
    CHECK(entries->empty());
  }
}

TEST_CASE("akeyless objects: keys that upstream does not know are ignored, as upstream does") {
  const ObjectEntry entry =
      One("  secretType: whatever\n  secretArgs: {a: 1, b: [2]}\n  filePermission: x\n"
          "  property: y\n  FileName: z\n");
  CHECK(entry.secret_args);
  CHECK(entry.file_name == "a");
  CHECK(entry.secret_path == "/a");
  CHECK(entry.request == ItemRequest());
}

TEST_CASE("akeyless objects: scalars keep their spelling") {
  Result<std::vector<ObjectEntry>> entries =
      Read("- {fileName: 0755, secretPath: 1.0}\n- {fileName: true, secretPath: 'a b%é'}");
  REQUIRE(entries.ok());
  CHECK(entries->at(0).file_name == "0755");
  CHECK(entries->at(0).secret_path == "1.0");
  CHECK(entries->at(1).file_name == "true");
  CHECK(entries->at(1).secret_path == "a b%é");
}

TEST_CASE("akeyless objects: extensions are read into typed values") {
  const ObjectEntry entry =
      One("  nodekeep/version: 3\n"
          "  nodekeep/property: db.password\n"
          "  nodekeep/decode: base64\n"
          "  nodekeep/filePermission: 0400\n"
          "  nodekeep/ignoreCache: true\n"
          "  nodekeep/jsonText: false\n"
          "  nodekeep/optional: true\n"
          "  nodekeep/arguments: {host: \"db:5432\"}\n");
  CHECK(entry.version == "3");
  CHECK(entry.property == "db.password");
  CHECK(entry.decode == "base64");
  CHECK(entry.mode == 0400);
  CHECK(entry.ignore_cache == true);
  CHECK(entry.json_text == false);
  CHECK(entry.optional);
  CHECK(entry.request.kind == ItemKind::kDetected);
  CHECK(entry.request.host == "db:5432");
}

TEST_CASE("akeyless objects: each nodekeep/type takes its own arguments") {
  struct Row {
    std::string name, fields, want;
  };
  const Row rows[] = {
      {"dynamic", "  nodekeep/type: dynamic\n", R"({"kind":"dynamic"})"},
      {"dynamic with a mapping of args",
       "  nodekeep/type: dynamic\n"
       "  nodekeep/arguments: {args: {b: 2, a: x y}, host: h, target: t, dbName: d, timeout: 1m}\n",
       R"({"args":["a=x y","b=2"],"dbName":"d","host":"h","kind":"dynamic","target":"t",)"
       R"("timeout":60})"},
      {"dynamic with a list of args",
       "  nodekeep/type: dynamic\n  nodekeep/arguments: {args: [b=2, a=1]}\n",
       R"({"args":["b=2","a=1"],"kind":"dynamic"})"},
      {"pki",
       "  nodekeep/type: pki\n"
       "  nodekeep/arguments: {commonName: web.shop.svc, altNames: 'a, b', uriSans: 'spiffe://x',\n"
       "    extendedKeyUsage: 'serverauth,clientauth', ttl: 30d, keyType: ec256}\n",
       R"({"altNames":"a,b","commonName":"web.shop.svc","extendedKeyUsage":"serverauth,clientauth",)"
       R"("keyType":"ec256","kind":"pki","ttl":2592000,"uriSans":"spiffe://x"})"},
      {"pki by default with the key that every issuer signs", "  nodekeep/type: pki\n",
       R"({"keyType":"rsa2048","kind":"pki"})"},
      {"ssh", "  nodekeep/type: ssh\n  nodekeep/arguments: {username: [deploy, root], ttl: 1h}\n",
       R"({"keyType":"ed25519","kind":"ssh","ttl":3600,"username":"deploy,root"})"},
      {"classic key", "  nodekeep/type: classic-key\n", R"({"kind":"classic-key"})"},
      {"folder", "  nodekeep/type: folder\n", R"({"kind":"folder"})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(One(row.fields).request.Text() == row.want);
  }
}

TEST_CASE("akeyless objects: an error names place, object and fix") {
  struct Row {
    std::string name, text, want;
  };
  const Row rows[] = {
      {"no list", "a: b", "must be a list of objects"},
      {"no mapping", "- a", "must be a mapping with fileName and secretPath"},
      {"broken YAML", "- {fileName: a", "parameter objects: line 1"},
      {"key twice", "- {fileName: a, fileName: b, secretPath: /a}", "fileName"},
      {"no fileName", "- secretPath: /a", "fileName is missing"},
      {"empty entry", "-", "fileName is missing"},
      {"no secretPath", "- fileName: a", "object \"a\": secretPath is missing"},
      {"fileName is a list", "- fileName: [a]", "fileName: must be text"},
      {"secretArgs is not a mapping", "- {fileName: a, secretPath: /a, secretArgs: x}",
       "secretArgs: must be a mapping"},
      {"climbing", "- {fileName: ../a, secretPath: /a}", "invalid path"},
      {"absolute", "- {fileName: /a, secretPath: /a}", "invalid path"},
      {"control character", "- {fileName: a, secretPath: \"/a\\n\"}", "control characters"},
      {"one name for two items", "- {fileName: a, secretPath: /a}\n- {fileName: a, secretPath: /b}",
       "line 2, column 3: object \"a\": the fileName is used twice"},
      {"file and folder", "- {fileName: a, secretPath: /a}\n- {fileName: a/b, secretPath: /b}",
       "\"a\" belongs to another object"},
      {"folder and file", "- {fileName: a/b, secretPath: /a}\n- {fileName: a, secretPath: /b}",
       "folder of another object's \"a/b\""},
      {"misspelt extension", "- {fileName: a, secretPath: /a, nodekeep/propertie: x}",
       "did you mean nodekeep/property?"},
      {"extension in other letters", "- {fileName: a, secretPath: /a, Nodekeep/Version: 1}",
       "did you mean nodekeep/version?"},
      {"unknown extension", "- {fileName: a, secretPath: /a, nodekeep/colour: red}",
       "they are nodekeep/type, nodekeep/version"},
      {"type that needs no asking", "- {fileName: a, secretPath: /a, nodekeep/type: static}",
       "leave it out for static"},
      {"misspelt type", "- {fileName: a, secretPath: /a, nodekeep/type: dynmic}",
       "did you mean dynamic?"},
      {"version zero", "- {fileName: a, secretPath: /a, nodekeep/version: 0}", "1 and above"},
      {"version in words", "- {fileName: a, secretPath: /a, nodekeep/version: latest}",
       "1 and above"},
      {"version too large", "- {fileName: a, secretPath: /a, nodekeep/version: 2147483648}",
       "1 and above"},
      {"version of what has none",
       "- {fileName: a, secretPath: /a, nodekeep/type: dynamic, nodekeep/version: 1}",
       "dynamic has no versions"},
      {"property of a folder",
       "- {fileName: a, secretPath: /a, nodekeep/type: folder, nodekeep/property: x}",
       "a folder has none"},
      {"mode in quotes", "- {fileName: a, secretPath: /a, nodekeep/filePermission: '0400'}",
       "without quotes"},
      {"mode too large", "- {fileName: a, secretPath: /a, nodekeep/filePermission: 01000}",
       "0 to 0777"},
      {"decode", "- {fileName: a, secretPath: /a, nodekeep/decode: gzip}", "must be base64 or hex"},
      {"optional", "- {fileName: a, secretPath: /a, nodekeep/optional: perhaps}",
       "must be true or false"},
      {"arguments are not a mapping", "- {fileName: a, secretPath: /a, nodekeep/arguments: x}",
       "must be a mapping"},
      {"argument of another type",
       "- {fileName: a, secretPath: /a, nodekeep/type: ssh, nodekeep/arguments: {commonName: x}}",
       "\"commonName\" is not an argument of ssh"},
      {"misspelt argument",
       "- {fileName: a, secretPath: /a, nodekeep/type: pki, nodekeep/arguments: {comonName: x}}",
       "did you mean commonName?"},
      {"argument where none is taken",
       "- {fileName: a, secretPath: /a, nodekeep/type: folder, nodekeep/arguments: {host: x}}",
       "it takes none"},
      {"ssh without a principal", "- {fileName: a, secretPath: /a, nodekeep/type: ssh}",
       "username is missing"},
      {"ttl", "- {fileName: a, secretPath: /a, nodekeep/type: pki, nodekeep/arguments: {ttl: 1y}}",
       "30d"},
      {"ttl of nothing",
       "- {fileName: a, secretPath: /a, nodekeep/type: pki, nodekeep/arguments: {ttl: 0}}", "30d"},
      {"timeout too long",
       "- {fileName: a, secretPath: /a, nodekeep/type: dynamic, nodekeep/arguments: {timeout: 1h}}",
       "at most 10m"},
      {"key type",
       "- {fileName: a, secretPath: /a, nodekeep/type: pki, nodekeep/arguments: {keyType: "
       "rsa2028}}",
       "did you mean rsa2048?"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<std::vector<ObjectEntry>> entries = Read(row.text);
    const std::string message = entries.ok() ? "accepted" : entries.error().message();
    INFO(message);
    CHECK(message.starts_with("parameter objects: "));
    CHECK(Contains(message, row.want));
  }
}

TEST_CASE("akeyless: the same item under two file names makes two files, in list order") {
  // Upstream keeps files by path of the item, and sends them in random order.
  Result<std::vector<ObjectEntry>> entries = Read(
      "- {fileName: z, secretPath: /a}\n- {fileName: m, secretPath: /b}\n"
      "- {fileName: a, secretPath: /a}\n");
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 3);
  CHECK(entries->at(0).file_name == "z");
  CHECK(entries->at(1).file_name == "m");
  CHECK(entries->at(2).file_name == "a");
  CHECK(entries->at(2).secret_path == "/a");
}

TEST_CASE("akeyless objects: an exact duplicate of an entry counts once, as upstream") {
  Result<std::vector<ObjectEntry>> entries =
      Read("- {fileName: a, secretPath: /a}\n- {fileName: a, secretPath: /a}\n");
  REQUIRE(entries.ok());
  CHECK(entries->size() == 1);
}

}  // namespace nodekeep::akeyless

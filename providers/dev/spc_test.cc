#include <catch2/catch_test_macros.hpp>
#include <string>

#include "providers/dev/dev.h"

namespace nodekeep {
namespace {

constexpr const char* kStore = "/etc/nodekeep/dev-store.yaml";

SpcInput InputOf(const std::string& objects) {
  SpcInput input;
  input.parameters = {{"objects", objects},
                      {"secretProviderClass", "app"},
                      {"csi.storage.k8s.io/pod.name", "cart-0"}};
  return input;
}

Result<ParsedMount> Parse(const SpcInput& input) {
  return dev::ParseMount(input, kStore, Policy());
}

std::string ErrorOf(const SpcInput& input) {
  Result<ParsedMount> mount = Parse(input);
  if (mount.ok()) return "(accepted)";
  CHECK(mount.error().code() == ErrorCode::kInvalid);
  return mount.error().message();
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("dev: an object names file, secret, key, version, mode and encoding") {
  Result<ParsedMount> mount = Parse(InputOf(R"(
- objectName: db/password
  secretPath: database/login
  secretKey: password
  nodekeep/property: db.user
  secretVersion: 3
  filePermission: 0400
  encoding: base64
  nodekeep/optional: true
- objectName: plain
)"));
  REQUIRE(mount.ok());
  REQUIRE(mount->projections.size() == 2);
  const Projection& full = mount->projections[0];
  CHECK(full.object == "db/password");
  CHECK(full.path == "db/password");
  CHECK(full.ref == SecretRef{"dev", kStore, "database/login", "3", ""});
  CHECK(full.field == "password");
  CHECK(full.property == "db.user");
  CHECK(full.mode == 0400);
  CHECK(full.encoding == "base64");
  CHECK(full.optional);
  const Projection& plain = mount->projections[1];
  CHECK(plain.ref == SecretRef{"dev", kStore, "plain", "", ""});
  CHECK(plain.field.empty());
  CHECK(plain.mode == 0644);
  CHECK_FALSE(plain.optional);
  CHECK(mount->audiences.empty());
  CHECK(mount->options->LoginText() == std::string("store=") + kStore);
}

TEST_CASE("dev: objects that need the same secret share one ref") {
  Result<ParsedMount> mount =
      Parse(InputOf("- {objectName: user, secretPath: db, secretKey: user}\n"
                    "- {objectName: password, secretPath: db, secretKey: password}\n"));
  REQUIRE(mount.ok());
  CHECK(mount->projections[0].ref == mount->projections[1].ref);
}

TEST_CASE("dev: the mount's permission is the mode of files that name none") {
  SpcInput input = InputOf("- objectName: a\n");
  input.mode = 0400;
  Result<ParsedMount> mount = Parse(input);
  REQUIRE(mount.ok());
  CHECK(mount->projections[0].mode == 0400);
}

TEST_CASE("dev: the reserved parameters set policy and optional objects") {
  SpcInput input = InputOf("- objectName: a\n- objectName: b\n");
  input.parameters["nodekeep/refreshAfter"] = "5s";
  input.parameters["nodekeep/serveStaleFor"] = "10m";
  input.parameters["nodekeep/optional"] = "b";
  Result<ParsedMount> mount = Parse(input);
  REQUIRE(mount.ok());
  CHECK(mount->policy.refresh_after == std::chrono::seconds(5));
  CHECK(mount->policy.serve_stale_for == std::chrono::minutes(10));
  CHECK_FALSE(mount->projections[0].optional);
  CHECK(mount->projections[1].optional);
}

TEST_CASE("dev: the error for a wrong objects parameter names line, object, field and fix") {
  struct Row {
    std::string name, objects;
    std::vector<std::string> parts;
  };
  const Row rows[] = {
      {"empty", "", {"parameter objects", "lists no objects", "YAML list"}},
      {"empty list", "[]", {"parameter objects: line 1", "lists no objects"}},
      {"a mapping", "objectName: a", {"parameter objects: line 1", "YAML list"}},
      {"bare text in the list", "- a\n", {"line 1", "must be a mapping with objectName"}},
      {"broken YAML", "- objectName: [\n", {"parameter objects: line"}},
      {"no name", "- secretPath: a\n", {"line 1", "objectName is missing"}},
      {"empty name", "- objectName: \"\"\n", {"objectName: is empty"}},
      {"empty property",
       "- objectName: a\n  nodekeep/property: \"\"\n",
       {"line 2", "object \"a\"", "nodekeep/property: is empty"}},
      {"name is a list", "- objectName: [a]\n", {"line 1", "objectName: must be text"}},
      {"typo",
       "- objectName: a\n  secretpath: b\n",
       {"line 2", "object \"a\"", "unknown field \"secretpath\"", "did you mean secretPath?"}},
      {"unknown",
       "- objectName: a\n  colour: red\n",
       {"line 2", "object \"a\"", "unknown field \"colour\"", "the fields are objectName"}},
      {"another dialect's field",
       "- objectName: a\n  objectAlias: b\n",
       {"object \"a\"", "unknown field \"objectAlias\""}},
      {"mode in quotes",
       "- objectName: a\n  filePermission: \"0400\"\n",
       {"line 2", "object \"a\"", "filePermission: must be a number without quotes"}},
      {"mode too large",
       "- objectName: a\n  filePermission: 1000\n",
       {"object \"a\"", "filePermission: 1000 is outside 0000 to 0777"}},
      {"mode negative",
       "- objectName: a\n  filePermission: -1\n",
       {"filePermission: -1 is outside"}},
      {"encoding",
       "- objectName: a\n  encoding: base32\n",
       {"line 2", "object \"a\"", "encoding: \"base32\" is unknown: use utf-8, base64 or hex"}},
      {"optional",
       "- objectName: a\n  nodekeep/optional: maybe\n",
       {"object \"a\"", "nodekeep/optional: must be true or false"}},
      {"absolute file", "- objectName: /a\n", {"object \"/a\"", "objectName: invalid path"}},
      {"file outside", "- objectName: ../a\n", {"objectName: invalid path"}},
      {"file not clean", "- objectName: a//b\n", {"objectName: invalid filepath"}},
      {"secret outside",
       "- objectName: a\n  secretPath: ../b\n",
       {"line 2", "object \"a\"", "secretPath: invalid path"}},
      {"twice",
       "- objectName: a\n- objectName: b\n- objectName: a\n",
       {"line 3", "object \"a\"", "used twice"}},
      {"file where a directory is needed",
       "- objectName: a\n- objectName: a/b\n",
       {"line 2", "object \"a/b\"", "another object makes the file \"a\""}},
      {"directory where a file is needed",
       "- objectName: a/b/c\n- objectName: a/b\n",
       {"line 2", "object \"a/b\"", "another object makes the file \"a/b/c\""}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const std::string error = ErrorOf(InputOf(row.objects));
    INFO(error);
    for (const std::string& part : row.parts) CHECK(Contains(error, part));
  }
}

TEST_CASE("dev: other wrong parameters are errors") {
  struct Row {
    std::string name, key, value, part;
  };
  const Row rows[] = {
      {"typo in a reserved key", "nodekeep/refreshafter", "5s", "nodekeep/refreshAfter"},
      {"bad duration", "nodekeep/refreshAfter", "soon", "parameter nodekeep/refreshAfter"},
      {"optional names nothing", "nodekeep/optional", "zzz", "no object is named \"zzz\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    SpcInput input = InputOf("- objectName: a\n");
    input.parameters[row.key] = row.value;
    CHECK(Contains(ErrorOf(input), row.part));
  }
}

TEST_CASE("dev: the error for a missing objects parameter names a typo if there is one") {
  SpcInput input = InputOf("");
  input.parameters.erase("objects");
  CHECK(Contains(ErrorOf(input), "parameter objects is missing: write a YAML list"));
  input.parameters["object"] = "- objectName: a\n";
  CHECK(Contains(ErrorOf(input), "did you mean objects by \"object\"?"));
}

TEST_CASE("dev: what has no effect or can only be a mistake is a warning") {
  SpcInput input;
  input.parameters = {{"objects", "- {objectName: a, filePermission: 400}"},
                      {"nodekeep/optional", "a\n"},
                      {"object", "x"}};
  const Result<ParsedMount> mount = Parse(input);
  REQUIRE(mount.ok());
  CHECK(mount->warnings.Text() ==
        "parameter objects: line 1, column 35: object \"a\": filePermission: 400 is a decimal "
        "number, the mode 0620: octal numbers begin with 0: write 0400; parameter object: is "
        "unknown and ignored: did you mean objects?");
}

}  // namespace nodekeep

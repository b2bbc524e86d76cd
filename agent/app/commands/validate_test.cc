#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <sstream>

#include "agent/app/test_command_line.h"
#include "agent/base/json.h"
#include "tests/source_dir.h"

namespace nodekeep {
namespace {

// The lines of `text`, with paths below `directory` made relative.
std::vector<std::string> LinesOf(const std::string& text, const std::string& directory) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    for (std::size_t at; (at = line.find(directory + "/")) != std::string::npos;) {
      line.erase(at, directory.size() + 1);
    }
    lines.push_back(line);
  }
  return lines;
}

// A class of the dev store with the files `a` and `dir/b`; `more` follows from line 7 on.
std::string ClassWith(const std::string& name, const std::string& more) {
  return "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\n"
         "metadata: {name: " +
         name +
         ", namespace: shop}\nspec:\n  provider: dev\n"
         "  parameters: {objects: \"[{objectName: a}, {objectName: dir/b}]\"}\n" +
         more;
}

TEST_CASE("validate: every fault of secretObjects is found, with line, field and fix") {
  CommandBed bed;
  const std::string file = bed.Write("c.yaml", ClassWith("app", R"(  secretObjects:
  - secretName: Not_valid
    type: Opaque
    data: [{objectName: a, key: k}]
  - secretName: tls
    type: kubernetes.io/tls
    data: [{objectName: a, key: tls.crt}]
  - secretName: key
    type: Opaque
    data:
    - objectName: a
      key: a/b
    - objectName: dir/c
      key: file
  - secretName: empty
    type: Opaque
  - secretName: twice
    type: Opaque
    data: [{objectName: a, key: k}]
  - secretName: twice
    type: Opaque
    data: [{objectName: a, key: l}]
  - secretName: fields
    type: Opaque
    label: {a: b}
    annotations: {nodekeep/deletionpolicy: Retain}
    labels: {a: yes}
    data: [{objectname: a, key: m, objectName: a}]
)"));
  CHECK(bed.Run({"validate", "-f", file}) == kExitFailed);
  const std::string spc = "SecretProviderClass shop/app: spec.secretObjects";
  CHECK(
      LinesOf(bed.out, bed.directory) ==
      std::vector<std::string>{
          "c.yaml:8:17: " + spc +
              "[0].secretName: \"Not_valid\" is not a valid Secret name; use lower case letters, "
              "digits, '-' and '.', not more than 253",
          "c.yaml:13:11: " + spc + "[1].data: has no key tls.key; type kubernetes.io/tls needs it",
          "c.yaml:18:12: " + spc +
              "[2].data[0].key: \"a/b\" is not a valid Secret key; use letters, digits, '-', '_' "
              "and '.', not more than 253",
          "c.yaml:19:19: " + spc +
              "[2].data[1].objectName: no object of the class makes the file \"dir/c\"; did you "
              "mean \"dir/b\"?",
          "c.yaml:21:5: " + spc + "[3].data: data is empty; list at least one objectName and key",
          "c.yaml:26:17: " + spc +
              "[5].secretName: \"twice\" is used twice; put all keys into one entry",
          "c.yaml:31:5: " + spc + "[6].label: unknown field; did you mean labels?",
          "c.yaml:34:13: " + spc +
              "[6].data[0].objectname: unknown field; did you mean objectName?",
          "c.yaml:33:17: " + spc +
              "[6].labels[\"a\"]: must be a string, found a boolean; quote it: \"yes\"",
          "c.yaml:32:19: " + spc +
              "[6].annotations[\"nodekeep/deletionpolicy\"]: is unknown; write "
              "nodekeep/deletionPolicy, or remove it",
          "10 findings: 1 SecretProviderClass, 0 configurations"});
}

TEST_CASE("validate: secretObjects of a class with other faults are checked too") {
  CommandBed bed;
  const std::string file = bed.Write(
      "c.yaml", Replaced(ClassWith("app", "  secretObjects: {}\n"), "{objectName: a}", "{x: a}"));
  CHECK(bed.Run({"validate", "-f", file}) == kExitFailed);
  CHECK(bed.OutHas("spec.parameters.objects: "));
  CHECK(
      bed.OutHas(":7:18: SecretProviderClass shop/app: spec.secretObjects: must be a list, found "
                 "a map; write one `- secretName: ...` per Secret\n2 findings"));
  CHECK(bed.Run({"validate", "-f", "-"}, ClassWith("app", "  secretObjects: [7]\n  x: y\n")) ==
        kExitFailed);
  CHECK(bed.OutHas("spec.secretObjects[0]: must be a map with secretName, type and data\n"));
  CHECK(bed.OutHas("spec.x: unknown field"));
}

TEST_CASE("get: faults of secretObjects, which it does not need, do not keep it from working") {
  CommandBed bed;
  CHECK(bed.Run({"get", "-f", bed.Write("c.yaml", ClassWith("app", "  secretObjects: [{}]\n")),
                 "--explain"}) == kExitOk);
}

TEST_CASE("validate: a file below a folder object may be one of it") {
  static constexpr char kClass[] = R"(apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: app}
spec:
  provider: akeyless
  parameters:
    akeylessAccessType: access_key
    objects: "[{fileName: conf, secretPath: /conf, nodekeep/type: folder}, {fileName: f, secretPath: /f}]"
  secretObjects:
  - secretName: app
    type: Opaque
    data:
    - {objectName: conf/db/user, key: a}
    - {objectName: conf, key: b}
    - {objectName: f/x, key: c}
    - {objectName: f, key: d}
)";
  CommandBed bed;
  CHECK(bed.Run({"validate", "-f", bed.Write("c.yaml", kClass)}) == kExitFailed);
  const std::string at = "SecretProviderClass app: spec.secretObjects[0].data";
  const std::vector<std::string> lines = LinesOf(bed.out, bed.directory);
  REQUIRE(lines.size() >= 3);
  CHECK(lines[0] ==
        "c.yaml:14:20: " + at +
            "[1].objectName: no object of the class makes the file \"conf\"; its objects are "
            "\"conf\" (a folder), \"f\"");
  CHECK(lines[1].starts_with("c.yaml:15:20: " + at + "[2].objectName: no object"));
  CHECK(lines[2].starts_with("2 findings: "));
}

TEST_CASE("validate: classes of a namespace may share a Secret, but no key and only one type") {
  CommandBed bed;
  const auto secret = [](const std::string& type, const std::string& key) {
    return "  secretObjects:\n  - secretName: shared\n    type: " + type +
           "\n    data: [{objectName: a, key: " + key + "}]\n";
  };
  const std::string one = bed.Write("one.yaml", ClassWith("one", secret("Opaque", "A")));
  struct Row {
    std::string name, text;
    std::vector<std::string> want;
  };
  const Row rows[] = {
      {"another key", ClassWith("two", secret("Opaque", "B")), {}},
      {"another namespace",
       Replaced(ClassWith("two", secret("Opaque", "A")), "namespace: shop", "namespace: web"),
       {}},
      {"the same key",
       ClassWith("two", secret("Opaque", "A")),
       {"two.yaml:10:33: SecretProviderClass shop/two: spec.secretObjects[0].data[0].key: key "
        "\"A\" of Secret \"shared\" is also set by SecretProviderClass shop/one at one.yaml:10; "
        "let one class set it, or name another Secret"}},
      {"another type",
       ClassWith("two", secret("example.com/x", "B")),
       {"two.yaml:9:11: SecretProviderClass shop/two: spec.secretObjects[0].type: Secret "
        "\"shared\" has type example.com/x here, and type Opaque in SecretProviderClass shop/one "
        "at one.yaml:9; write the same type, or name another Secret"}},
      {"another deletion policy",
       ClassWith("two", Replaced(secret("Opaque", "B"), "\n    data",
                                 "\n    annotations: {nodekeep/deletionPolicy: Retain}\n    data")),
       {"two.yaml:8:5: SecretProviderClass shop/two: spec.secretObjects[0]: Secret \"shared\" has "
        "deletion policy Retain here, and deletion policy Delete in SecretProviderClass shop/one "
        "at "
        "one.yaml:8; write the same deletion policy, or name another Secret"}},
      {"in the same file too",
       ClassWith("x", "") + "---\n" + ClassWith("two", secret("Opaque", "A")),
       {"two.yaml:17:33: SecretProviderClass shop/two: spec.secretObjects[0].data[0].key: key "
        "\"A\" of Secret \"shared\" is also set by SecretProviderClass shop/one at one.yaml:10; "
        "let one class set it, or name another Secret"}},
      {"the same class again",
       ClassWith("one", secret("Opaque", "A")),
       {"warning: two.yaml:1: SecretProviderClass shop/one: metadata.name: is also that of a class "
        "at one.yaml:1; the one that is applied last replaces the other"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const std::string two = bed.Write("two.yaml", row.text);
    const bool is_fault = !row.want.empty() && !row.want[0].starts_with("warning: ");
    CHECK(bed.Run({"validate", "-f", one, two}) == (is_fault ? kExitFailed : kExitOk));
    std::vector<std::string> lines = LinesOf(bed.out, bed.directory);
    REQUIRE_FALSE(lines.empty());
    lines.pop_back();
    CHECK(lines == row.want);
  }
  // Without a namespace they are in the same one.
  const auto nowhere = [&](const std::string& name) {
    return Replaced(ClassWith(name, secret("Opaque", "A")), ", namespace: shop", "");
  };
  CHECK(bed.Run({"validate", "-f", "-"}, nowhere("a") + "---\n" + nowhere("b")) == kExitFailed);
  CHECK(bed.OutHas("is also set by SecretProviderClass a at standard input:10; "));
}

constexpr char kDoubtful[] = R"(apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: app, namespace: shop}
spec:
  provider: vault
  parameters:
    roleName: app
    vaultadress: https://vault:8200
    objects: |
      - objectName: a
        secretPath: kv/data/a
        secretkey: k
)";

TEST_CASE("validate: what upstream ignores is a warning, which fails under --strict") {
  CommandBed bed;
  const std::string file = bed.Write("c.yaml", kDoubtful);
  CHECK(bed.Run({"validate", "-f", file}) == kExitOk);
  const std::string spc = ": SecretProviderClass shop/app: spec.parameters.";
  const std::vector<std::string> warnings = {
      "warning: c.yaml:12" + spc +
          "objects: parameter objects: line 3, column 3: object \"a\": key secretkey is unknown "
          "and ignored: did you mean secretKey?",
      "warning: c.yaml:8" + spc +
          "vaultadress: parameter vaultadress: is unknown and ignored: did you mean vaultAddress?"};
  const auto with = [&](const std::string& last) {
    std::vector<std::string> lines = warnings;
    lines.push_back(last);
    return lines;
  };
  CHECK(LinesOf(bed.out, bed.directory) ==
        with("ok, 2 warnings: 1 SecretProviderClass, 0 configurations"));
  CHECK(bed.Run({"validate", "--strict", "-f", file}) == kExitFailed);
  CHECK(LinesOf(bed.out, bed.directory) ==
        with("2 warnings: 1 SecretProviderClass, 0 configurations"));
  REQUIRE(bed.Run({"validate", "-o", "json", "-f", file}) == kExitOk);
  const Result<Json> json = ParseJson(bed.out);
  REQUIRE(json.ok());
  CHECK((*json)["findings"].empty());
  REQUIRE((*json)["warnings"].size() == 2);
  CHECK((*json)["warnings"][0]["line"].as<int>() == 12);
  CHECK((*json)["warnings"][0]["object"].as_string() == "SecretProviderClass shop/app");
  // Without a warning --strict changes nothing.
  CHECK(bed.Run({"validate", "--strict", "-f", bed.Write("good.yaml", kDevClass)}) == kExitOk);
  // With a finding both are counted.
  const std::string bad = bed.Write("bad.yaml", Replaced(kDevClass, "secretKey", "secretKye"));
  CHECK(bed.Run({"validate", "-f", file, bad}) == kExitFailed);
  CHECK(bed.OutHas("\n1 finding, 2 warnings: 2 SecretProviderClasses"));
}

TEST_CASE("validate: of many warnings of a class the first are listed, the rest is counted") {
  std::string text = kDoubtful;
  for (int i = 0; i < 40; ++i) text += fmt::format("        key{}: x\n", i);
  CommandBed bed;
  CHECK(bed.Run({"validate", "-f", "-"}, text) == kExitOk);
  CHECK(
      bed.OutHas("warning: standard input:1: SecretProviderClass shop/app: and 22 more "
                 "warnings\nok, 21 warnings: "));
}

TEST_CASE("get: --explain lists the warnings of the class") {
  CommandBed bed;
  REQUIRE(bed.Run({"get", "-f", bed.Write("c.yaml", kDoubtful), "--explain"}) == kExitOk);
  CHECK(
      bed.OutHas("\nwarning: parameter objects: line 3, column 3: object \"a\": key secretkey is "
                 "unknown and ignored: did you mean secretKey?\n"
                 "warning: parameter vaultadress: "));
}

TEST_CASE("validate: the samples of every provider have no warnings") {
  for (const ProviderEntry& entry : ProviderRegistry()) {
    CommandBed bed;
    CHECK(bed.Run({"validate", "--strict", "-f",
                   fmt::format("{}/providers/{}/sample.yaml", NODEKEEP_SOURCE_DIR, entry.name)}) ==
          kExitOk);
    INFO(bed.out);
    CHECK_FALSE(bed.OutHas("warning"));
  }
}

}  // namespace
}  // namespace nodekeep

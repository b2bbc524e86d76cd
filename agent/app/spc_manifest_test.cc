#include "agent/app/spc_manifest.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <fstream>

namespace nodekeep {
namespace {

constexpr char kGood[] =
    "apiVersion: secrets-store.csi.x-k8s.io/v1\n"
    "kind: SecretProviderClass\n"
    "metadata:\n"
    "  name: app\n"
    "  namespace: shop\n"
    "spec:\n"
    "  provider: vault\n"
    "  parameters:\n"
    "    roleName: \"app\"\n"
    "    objects: |\n"
    "      - objectName: \"db\"\n"
    "        secretPath: secret/data/db\n"
    "      - objectName: api\n"
    "        secretPath: secret/data/api\n"
    "    vaultNamespace: team\n";

std::vector<std::string> Texts(const ManifestCheck& check) {
  std::vector<std::string> texts;
  for (const Finding& finding : check.findings) texts.push_back(finding.Text());
  return texts;
}

TEST_CASE("manifest: a SecretProviderClass is read with the lines of its parameters") {
  const ManifestCheck check = ReadManifests("class.yaml", kGood);
  CHECK(Texts(check) == std::vector<std::string>{});
  REQUIRE(check.classes.size() == 1);
  const SpcManifest& manifest = check.classes[0];
  CHECK(manifest.name == "app");
  CHECK(manifest.namespace_name == "shop");
  CHECK(manifest.provider == "vault");
  CHECK(manifest.provider_line == 7);
  CHECK(manifest.parameters.at("roleName") == "app");
  CHECK(manifest.parameters.at("objects").starts_with("- objectName: \"db\"\n  secretPath"));
  CHECK(manifest.parameter_lines.at("objects") == 10);
  CHECK(manifest.parameter_lines.at("vaultNamespace") == 15);
}

TEST_CASE("manifest: several documents, Lists and objects of other kinds are distinguished") {
  const ManifestCheck check =
      ReadManifests("all.yaml",
                    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
                    "---\n"
                    "apiVersion: secrets-store.csi.x-k8s.io/v1alpha1\nkind: SecretProviderClass\n"
                    "metadata: {name: one}\nspec: {provider: dev, parameters: {objects: x}}\n"
                    "---\n"
                    "apiVersion: v1\nkind: List\nitems:\n"
                    "- apiVersion: secrets-store.csi.x-k8s.io/v1\n  kind: SecretProviderClass\n"
                    "  metadata: {name: two}\n  spec: {provider: dev, parameters: {objects: z}}\n"
                    "- {apiVersion: v1, kind: Secret}\n");
  CHECK(Texts(check) == std::vector<std::string>{});
  REQUIRE(check.classes.size() == 2);
  CHECK(check.classes[0].name == "one");
  CHECK(check.classes[1].name == "two");
}

// A class whose spec is `spec`, one line each from line 5 on.
std::string WithSpec(const std::string& spec) {
  return "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\n"
         "metadata: {name: app}\nspec:\n" +
         spec;
}

TEST_CASE("manifest: a parameter that kubectl does not read as a string is reported with its fix") {
  struct Row {
    std::string value, type, fix;
  };
  const Row rows[] = {
      {"true", "a boolean", "quote it: \"true\""},
      {"yes", "a boolean", "quote it: \"yes\""},
      {"off", "a boolean", "quote it: \"off\""},
      {"420", "a number", "quote it: \"420\""},
      {"0644", "a number", "quote it: \"0644\""},
      {"1_000", "a number", "quote it: \"1_000\""},
      {"1.50", "a number", "quote it: \"1.50\""},
      {"-1e3", "a number", "quote it: \"-1e3\""},
      {"1e999", "a number", "quote it: \"1e999\""},
      {".inf", "a number", "quote it: \".inf\""},
      {"~", "null", "write \"\" for an empty text, or remove the line"},
      {"", "null", "write \"\" for an empty text, or remove the line"},
      {"{a: b}", "a map", "write it as a text below `|`"},
      {"[a]", "a list", "write it as a text below `|`"},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    const ManifestCheck check = ReadManifests(
        "c.yaml",
        WithSpec("  provider: dev\n  parameters:\n    objects: x\n    p: " + row.value + "\n"));
    REQUIRE(check.findings.size() == 1);
    const Finding& finding = check.findings[0];
    CHECK(finding.field == "spec.parameters.p");
    CHECK(finding.line == 8);
    CHECK(finding.message == "must be a string, found " + row.type);
    CHECK(finding.fix == row.fix);
    CHECK(check.classes.empty());
  }
}

TEST_CASE("manifest: a value that kubectl reads as a string is not a finding") {
  for (const char* value : {"app", "\"true\"", "'420'", "1.2.3", "2026-01-31", "10.0.0.1:8200",
                            "1h", "0x", "e3", "infinite", "nan", "http://x", "|\n      420\n"}) {
    INFO(value);
    const ManifestCheck check = ReadManifests(
        "c.yaml", WithSpec("  provider: dev\n  parameters:\n    p: " + std::string(value) + "\n"));
    CHECK(Texts(check) == std::vector<std::string>{});
  }
}

TEST_CASE("manifest: all faults of a class are reported at once") {
  const ManifestCheck check = ReadManifests("c.yaml",
                                            "apiVersion: secrets-store.csi.x-k8s.io/v2\n"
                                            "kind: SecretProviderClass\n"
                                            "metadata: {namespace: 1}\n"
                                            "sepc: {}\n"
                                            "spec:\n"
                                            "  provider: no/such\n"
                                            "  parameter: {}\n"
                                            "  parameters: text\n"
                                            "  secretObjects: {}\n");
  const std::string spc = "SecretProviderClass: ";
  CHECK(Texts(check) ==
        std::vector<std::string>{
            "c.yaml:1:13: " + spc +
                "apiVersion: unknown version \"v2\"; write secrets-store.csi.x-k8s.io/v1",
            "c.yaml:4:1: " + spc + "sepc: unknown field; did you mean spec?",
            "c.yaml:3:11: " + spc + "metadata.name: missing; give the class a name",
            "c.yaml:3:23: " + spc +
                "metadata.namespace: must be a string, found a number; quote it: \"1\"",
            "c.yaml:7:3: " + spc + "spec.parameter: unknown field; did you mean parameters?",
            "c.yaml:6:13: " + spc +
                "spec.provider: invalid provider: provider \"no/such\"; use at most 30 letters, "
                "digits, - and _",
            "c.yaml:8:15: " + spc +
                "spec.parameters: expected a map, found a string; write `name: value` lines below "
                "it"});
}

TEST_CASE("manifest: missing fields are reported") {
  struct Row {
    std::string name, text, want;
  };
  const std::string head = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\n";
  const Row rows[] = {
      {"spec", head + "metadata: {name: a}\n",
       "c.yaml:1:1: SecretProviderClass a: spec.provider: provider not set in a; set "
       "spec.provider\n"
       "c.yaml:1:1: SecretProviderClass a: spec.parameters: parameters not set in a; set "
       "spec.parameters\n"},
      {"metadata", head + "spec: {provider: dev, parameters: {objects: x}}\n",
       "c.yaml:1:1: SecretProviderClass: metadata: missing; add metadata with a name\n"},
      {"provider", head + "metadata: {name: a}\nspec: {parameters: {objects: x}}\n",
       "c.yaml:4:7: SecretProviderClass a: spec.provider: provider not set in a; set "
       "spec.provider\n"},
      {"parameters", head + "metadata: {name: a}\nspec: {provider: dev, parameters: {}}\n",
       "c.yaml:4:35: SecretProviderClass a: spec.parameters: parameters not set in a; set "
       "spec.parameters\n"},
      {"values", head + "metadata: {name: a, namespace: x}\nspec:\n  provider:\n  parameters:\n",
       "c.yaml:5:3: SecretProviderClass x/a: spec.provider: provider not set in x/a; set "
       "spec.provider\n"
       "c.yaml:6:3: SecretProviderClass x/a: spec.parameters: parameters not set in x/a; set "
       "spec.parameters\n"},
      {"annotation in quotes",
       head + "metadata: {name: a, annotations: {x.y/z: yes}}\n"
              "spec: {provider: dev, parameters: {1: x}}\n",
       "c.yaml:4:36: SecretProviderClass a: spec.parameters.1: must be a string, found a number; "
       "quote it: \"1\"\n"
       "c.yaml:3:42: SecretProviderClass a: metadata.annotations.x.y/z: must be a string, found a "
       "boolean; quote it: \"yes\"\n"},
      {"group", "apiVersion: v1\nkind: SecretProviderClass\nmetadata: {name: a}\n",
       "c.yaml:1:1: SecretProviderClass a: apiVersion: not the API of SecretProviderClass; write "
       "secrets-store.csi.x-k8s.io/v1\n"},
      {"YAML", "a: [\n",
       "c.yaml:1:5: did not find expected node content while parsing a flow node\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    std::string texts;
    for (const std::string& text : Texts(ReadManifests("c.yaml", row.text))) texts += text + "\n";
    CHECK(texts == row.want);
  }
}

TEST_CASE("manifest: an error of a dialect is reported at the line that caused it") {
  const ManifestCheck check = ReadManifests("class.yaml", kGood);
  REQUIRE(check.classes.size() == 1);
  struct Row {
    std::string name, message, field;
    int line;
  };
  const Row rows[] = {
      {"names a parameter", "parameter vaultNamespace: bad", "spec.parameters.vaultNamespace", 15},
      {"names an object", "object \"api\": no secretPath", "spec.parameters.objects", 13},
      {"names a quoted object", "object \"db\": no secretPath", "spec.parameters.objects", 11},
      {"hints at another parameter",
       "parameter vaultNamespace: unknown: did you mean the longer objects.vaultNamespace? objects",
       "spec.parameters.vaultNamespace", 15},
      {"names nothing that exists", "object \"x\": bad", "spec.parameters.objects", 10},
      {"counts lines", "parameter objects: line 3, column 5: bad", "spec.parameters.objects", 13},
      {"counts lines of a text that is not a block", "roleName: line 3: bad",
       "spec.parameters.roleName", 9},
      {"a word inside another is not a name", "roleNames are bad", "spec.parameters.objects", 10},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Finding finding =
        check.classes[0].FindingOfParseError(Error(ErrorCode::kInvalid, row.message), kGood);
    CHECK(finding.field == row.field);
    CHECK(finding.line == row.line);
    CHECK(finding.message == row.message);
  }
}

TEST_CASE("manifest: findings in a List name the object and its line") {
  const std::string item =
      "- apiVersion: secrets-store.csi.x-k8s.io/v1\n  kind: SecretProviderClass\n";
  const ManifestCheck check =
      ReadManifests("all.yaml", "apiVersion: v1\nkind: List\nitems:\n" + item +
                                    "  metadata: {name: one, namespace: shop}\n"
                                    "  spec: {provider: dev, parameters: {a: 1}}\n" +
                                    item +
                                    "  metadata: {name: two}\n"
                                    "  spec: {provider: dev, parameters: {objects: x}, x: y}\n");
  CHECK(Texts(check) ==
        std::vector<std::string>{
            "all.yaml:7:41: SecretProviderClass shop/one: spec.parameters.a: must be a string, "
            "found a number; quote it: \"1\"",
            "all.yaml:11:51: SecretProviderClass two: spec.x: unknown field; known here: provider, "
            "parameters, secretObjects"});
  CHECK(check.classes.empty());
  REQUIRE(check.faulty.size() == 2);
  const Finding finding =
      check.faulty[1].FindingOfParseError(Error(ErrorCode::kInvalid, "object \"a\": bad"), "");
  CHECK(finding.object == "SecretProviderClass two");
}

TEST_CASE("manifest: a class of values that kubectl reads as other types is read without them") {
  const ManifestCheck check = ReadManifests(
      "c.yaml", WithSpec("  provider: dev\n  parameters: {objects: x, p: 1.5, q: yes, r: ~}\n"
                         "  secretObjects: [{secretName: 7}]\n"));
  CHECK(check.findings.size() == 3);
  REQUIRE(check.faulty.size() == 1);
  CHECK(check.faulty[0].parameters == std::map<std::string, std::string>{{"objects", "x"}});
  CHECK(check.faulty[0].secret_objects.size() == 1);
}

TEST_CASE("manifest: one class of a file is chosen by name") {
  const std::string path = "spc_manifest_test.yaml";
  std::ofstream(path)
      << kGood
      << "---\n"
         "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\n"
         "metadata: {name: local}\nspec: {provider: dev, parameters: {objects: x}}\n";
  const auto named = [&](const std::string& name) {
    const Result<SpcManifest> manifest = LoadManifest(path, name);
    return manifest.ok() ? manifest->provider : manifest.error().message();
  };
  CHECK(named("app") == "vault");
  CHECK(named("local") == "dev");
  CHECK(named("") == path + ": has several SecretProviderClasses; choose from app, local");
  CHECK(named("other") == path + ": no SecretProviderClass \"other\" in it; it has app, local");
  std::remove(path.c_str());
  CHECK(named("") == "read " + path + ": No such file or directory");
}

}  // namespace
}  // namespace nodekeep

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "agent/app/test_command_line.h"
#include "agent/base/json.h"
#include "agent/template/function_reference.h"
#include "tests/source_dir.h"

namespace nodekeep {
namespace {

std::string WithTemplate(const std::string& lines) {
  return "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: app}\n"
         "spec:\n  target:\n    template:\n" +
         lines;
}

TEST_CASE("template: an ExternalSecret's template is rendered with the data of the command line") {
  struct Row {
    std::string name, lines;
    std::vector<std::string> arguments;
    std::string want;
  };
  const Row rows[] = {
      {"values",
       "      data: {url: 'http://{{ .host }}/'}\n",
       {},
       R"({"data":{"url":"http://h/"}})"},
      {"a literal",
       "      templateFrom:\n      - literal: |\n          {{ .key }}: {{ .host }}\n          num: "
       "0644\n",
       {},
       R"({"data":{"k":"h","num":"420"}})"},
      {"data wins over literals",
       "      templateFrom:\n      - literal: 'a: literal'\n      data: {a: data}\n",
       {},
       R"({"data":{"a":"data"}})"},
      {"labels and annotations",
       "      metadata: {labels: {l: '{{ .key }}'}, annotations: {a: '{{ .host }}'}}\n",
       {},
       R"({"annotations":{"a":"h"},"data":{"host":"h","key":"k"},"labels":{"l":"k"}})"},
      {"a target and a decoding",
       "      templateFrom:\n      - literal: 'a: YQ=='\n        target: labels\n"
       "        valuesDecodingStrategy: Base64\n",
       {},
       R"({"data":{},"labels":{"a":"a"}})"},
      {"merge keeps the data",
       "      mergePolicy: Merge\n      data: {a: b}\n",
       {},
       R"({"data":{"a":"b","host":"h","key":"k"}})"},
      {"other delimiters",
       "      data: {a: '[[ .host ]] {{ .x }}'}\n",
       {"--left-delimiter", "[[", "--right-delimiter", "]]"},
       R"({"data":{"a":"h {{ .x }}"}})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CommandBed bed;
    const std::string file = bed.Write("es.yaml", WithTemplate(row.lines));
    std::vector<std::string> arguments = {"template", "-f",    file, "--data", "host=h",
                                          "--data",   "key=k", "-o", "json"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const int code = bed.Run(arguments);
    INFO(bed.err);
    CHECK(code == kExitOk);
    const Result<Json> printed = ParseJson(bed.out);
    REQUIRE(printed.ok());
    CHECK(GoJson(*printed).Reveal() == row.want);
  }
}

TEST_CASE("template: an error shows key, line and column, and a caret below the place") {
  CommandBed bed;
  const std::string file = bed.Write(
      "es.yaml",
      WithTemplate("      data:\n        url: |\n          first\n          a {{ .host }}\n"));
  CHECK(bed.Run({"template", "-f", file}) == kExitFailed);
  CHECK(bed.err ==
        "nodekeep: spec.target.template.data.url: line 2, column 6: unable to execute template at "
        "key url: unable to execute template at key url: template: url:2:5: executing \"url\" at "
        "<.host>: map has no entry for key \"host\"\n    a {{ .host }}\n         ^\n");
}

TEST_CASE("template: what cannot be rendered is refused with its place") {
  struct Row {
    std::string name, lines, want;
  };
  const Row rows[] = {
      {"a ConfigMap", "      templateFrom:\n      - configMap: {name: x}\n",
       "spec.target.template.templateFrom[0]: has no literal"},
      {"an old engine", "      engineVersion: v1\n", "unsupported template engine version: v1"},
      {"a misspelt field", "      dat: {a: b}\n",
       "spec.target.template.dat: unknown field: did you mean data?"},
      {"a misspelt field of metadata", "      metadata: {annotation: {a: b}}\n",
       "spec.target.template.metadata.annotation: unknown field: did you mean annotations?"},
      {"a misspelt field of an entry", "      templateFrom:\n      - {literl: 'a: b'}\n",
       "spec.target.template.templateFrom[0].literl: unknown field: did you mean literal?"},
      {"an empty entry", "      templateFrom:\n      - {}\n", "must have a literal"},
      {"no list", "      templateFrom: {literal: 'a: b'}\n", "templateFrom must be a list"},
      {"a merge policy", "      mergePolicy: merge\n",
       "spec.target.template.mergePolicy: unknown value \"merge\": did you mean Merge?"},
      {"a number", "      data: {port: 5432}\n",
       "spec.target.template.data.port must be text: write it in quotes"},
      {"null", "      data: {port: null}\n", "spec.target.template.data.port must be text"},
      {"a mapping", "      data: {port: {}}\n", "spec.target.template.data.port must be text"},
      {"a parse error", "      data: {a: '{{ nope }}'}\n",
       "spec.target.template.data.a: line 1: unable to execute template at key a: unable to parse "
       "template at key a: template: a:1: function \"nope\" not defined\n    {{ nope }}"},
      {"a target", "      templateFrom:\n      - {literal: 'a: b', target: spec}\n",
       "unknown target 'spec'"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CommandBed bed;
    CHECK(bed.Run({"template", "-f", bed.Write("es.yaml", WithTemplate(row.lines))}) ==
          kExitFailed);
    INFO(bed.err);
    CHECK(bed.ErrHas(row.want));
  }
  CommandBed bed;
  CHECK(bed.Run({"template", "-f", bed.Write("es.yaml", "a: b\n")}) == kExitFailed);
  CHECK(bed.ErrHas("has no ExternalSecret of external-secrets.io/v1 or v1beta1: it has no "));
  const std::string store =
      bed.Write("store.yaml",
                "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: vault}\n");
  CHECK(bed.Run({"template", "-f", store}) == kExitFailed);
  CHECK(bed.ErrHas("it has SecretStore \"vault\""));
  CHECK(bed.Run({"template"}) == kExitUsage);
}

TEST_CASE("docs: docs/template-functions.md lists what the engine registers") {
  std::ifstream in(NODEKEEP_SOURCE_DIR "/docs/template-functions.md");
  std::stringstream page;
  page << in.rdbuf();
  INFO("to update it: make generate");
  CHECK(page.str() == FunctionReference());
}

}  // namespace
}  // namespace nodekeep

#include "agent/template/target_template.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "agent/base/clock.h"
#include "agent/template/key_rewrite.h"

namespace nodekeep {
namespace {

SecretMap OneValue(const std::string& key, const std::string& value) {
  SecretMap values;
  values.emplace(key, SecretBytes(value));
  return values;
}

// "KEY=VALUE ", or the error.
std::string Text(const Result<SecretMap>& values) {
  if (!values.ok()) return values.error().message();
  std::string text;
  for (const auto& [key, value] : *values) text += key + "=" + std::string(value.Reveal()) + " ";
  return text;
}

const TemplateEnvironment& Environment() {
  static const SystemClock clock;
  static const TemplateEnvironment environment{
      .clock = clock, .random = [](std::size_t size) { return SecretBytes::OfSize(size); }};
  return environment;
}

TEST_CASE("target: templates become keys and values by their scope") {
  struct Row {
    std::string text;
    TemplateScope scope;
    DecodingStrategy decoding;
    std::string want;
  };
  const auto values = TemplateScope::kValues;
  const auto both = TemplateScope::kKeysAndValues;
  const auto none = DecodingStrategy::kNone;
  const auto base64 = DecodingStrategy::kBase64;
  const Row rows[] = {
      {"{{ .a }}!", values, none, "k=yes! "},
      {"{{ .a }}: {{ .a }}\nb: 0644\n", both, none, "b=420 true=true "},
      {"YQ==", values, base64, "k=a "},
      {"b: YQ==", both, base64, "b=a "},
      {"Y Q", values, base64,
       "failed to decode rendered template value for key k: illegal base64 data at input byte 1"},
      {"{{ .z }}", values, none,
       "unable to execute template at key k: unable to execute template at key k: template: "
       "k:1:3: executing \"k\" at <.z>: map has no entry for key \"z\""},
      {"{{ nope }}", values, none,
       "unable to execute template at key k: unable to parse template at key k: template: k:1: "
       "function \"nope\" not defined"},
      {"{{ .z }}", both, none,
       "unable to execute template at key {{ .z }}: unable to execute template at key {{ .z }}: "
       "template: {{ .z }}:1:3: executing \"{{ .z }}\" at <.z>: map has no entry for key \"z\""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const TargetTemplate target{{{"k", row.text}}, row.scope, row.decoding};
    CHECK(Text(RenderTarget(Environment(), target, TemplateData(OneValue("a", "yes")))) ==
          row.want);
  }
}

TEST_CASE("target: names of scopes and targets") {
  CHECK(*ParseTemplateScope("KeysAndValues") == TemplateScope::kKeysAndValues);
  CHECK(ParseTemplateScope("values").error().message() ==
        "unknown scope 'values': expected 'Values' or 'KeysAndValues'");
  CHECK(*ParseTemplateTarget("LABELS") == TemplateTarget::kLabels);
  CHECK(*ParseTemplateTarget("") == TemplateTarget::kData);
  CHECK_FALSE(ParseTemplateTarget("spec").ok());
}

TEST_CASE("rewrite: steps see the result of the ones before") {
  struct Row {
    std::string json, want;
  };
  const Row rows[] = {
      {"[]", "ab=1 "},
      {"[{}]", "ab=1 "},
      {R"json([{"regexp":{"source":"a(.)","target":"x$1"}},
               {"transform":{"template":"{{ .value | upper }}"}}])json",
       "XB=1 "},
      {R"json([{"transform":{"template":"{{ .no }}"}}])json", "<no value>=1 "},
      {R"json([{},{"transform":{"template":"{{ .value"}}])json",
       "failed rewrite operation[1]: transform failed with failed to parse template: template: "
       "transform:1: unclosed action"},
      {R"json([{"merge":{"strategy":"JSON"}}])json",
       "failed rewrite operation[0]: merge failed with failed to unmarshal JSON: json: cannot "
       "unmarshal number into Go value of type map[string]interface {}"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    const Result<Json> json = ParseJson(row.json);
    REQUIRE(json.ok());
    const auto rewrites = ReadKeyRewrites(*json);
    REQUIRE(rewrites.ok());
    CHECK(Text(RewriteKeys(Environment(), *rewrites, OneValue("ab", "1"))) == row.want);
  }
}

TEST_CASE("rewrite: the keys and steps of a list share the limits of one template") {
  struct Row {
    std::string transform, want;
  };
  const Row rows[] = {
      {"{{ bcrypt .value }}", "makes more than 0 keys and password hashes"},
      {"{{ $x := repeat 5000000 \"a\" }}{{ .value }}", "take more than"},
      {"{{ range 500000 }}{{ end }}{{ .value }}", "takes more than"},
  };
  for (const Row& row : rows) {
    INFO(row.transform);
    SecretMap values;
    for (int i = 0; i < 30; ++i) values.insert_or_assign(std::to_string(i), SecretBytes("v"));
    const KeyRewrite rewrites[] = {TransformRewrite{row.transform}};
    const Result<SecretMap> rewritten = RewriteKeys(Environment(), rewrites, std::move(values));
    REQUIRE_FALSE(rewritten.ok());
    CHECK(rewritten.error().code() == ErrorCode::kTooLarge);
    CHECK(rewritten.error().message().find(row.want) != std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep

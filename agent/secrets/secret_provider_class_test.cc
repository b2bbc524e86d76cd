#include "agent/secrets/secret_provider_class.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep {
namespace {

Result<SecretProviderClass> Read(const std::string& more) {
  Result<Json> json =
      ParseJson(R"({"metadata":{"namespace":"shop","name":"app","uid":"u","resourceVersion":"7"})" +
                more + "}");
  REQUIRE(json.ok());
  return ReadSecretProviderClass(*json);
}

}  // namespace

TEST_CASE("secret provider class: provider, parameters and secretObjects are parsed") {
  Result<SecretProviderClass> spc =
      Read(R"(,"spec":{"provider":"vault","parameters":{"roleName":"r"},"secretObjects":[{}]})");
  REQUIRE(spc.ok());
  CHECK(spc->Text() == "shop/app");
  CHECK(spc->uid == "u");
  CHECK(spc->resource_version == "7");
  CHECK(spc->provider == "vault");
  CHECK(spc->parameters == std::map<std::string, std::string>{{"roleName", "r"}});
  CHECK(spc->secret_objects.size() == 1);
  CHECK(Read(R"(,"spec":{"provider":"vault","parameters":{"a":"b"}})")->secret_objects.is_null());
}

TEST_CASE("secret provider class: errors name the missing or non-string field") {
  struct Row {
    std::string more, want;
  };
  const Row rows[] = {
      {"", "provider not set in shop/app; set spec.provider"},
      {R"(,"spec":{"provider":"vault"})", "parameters not set in shop/app; set spec.parameters"},
      {R"(,"spec":{"provider":"vault","parameters":{}})",
       "parameters not set in shop/app; set spec.parameters"},
      {R"(,"spec":{"provider":"vault","parameters":{"a":1}})",
       "shop/app: spec.parameters.a: must be a string, found a number; put quotes around it"},
      {R"(,"spec":{"provider":"vault","parameters":[]})",
       "shop/app: spec.parameters: expected a map, found a list; write `name: value` lines below "
       "it"},
      {R"(,"spec":{"provider":7,"parameters":{"a":"b"}})",
       "shop/app: spec.provider: must be a string, found a number; put quotes around it"},
      {R"(,"spec":{"provider":"","parameters":{"a":"b"}})",
       "provider not set in shop/app; set spec.provider"},
  };
  for (const Row& row : rows) {
    INFO(row.more);
    Result<SecretProviderClass> spc = Read(row.more);
    REQUIRE_FALSE(spc.ok());
    CHECK(spc.error().code() == ErrorCode::kInvalid);
    CHECK(spc.error().message() == row.want);
  }
}

TEST_CASE("secret provider class: all faults are reported, and what could be read is returned") {
  Result<Json> json = ParseJson(R"({"metadata":{"name":"app","annotations":{"x.y/z":true}},
      "spec":{"parameters":{"a":1,"b":"c","d":null},"secretObjects":[{}]}})");
  REQUIRE(json.ok());
  std::vector<ClassFault> faults;
  const SecretProviderClass spc = ReadSecretProviderClass(*json, faults);
  CHECK(spc.Text() == "app");
  CHECK(spc.parameters == std::map<std::string, std::string>{{"b", "c"}});
  CHECK(spc.secret_objects.size() == 1);
  REQUIRE(faults.size() == 4);
  CHECK(faults[0].Text() ==
        "metadata.annotations.x.y/z: must be a string, found a boolean: put quotes around it");
  CHECK(faults[0].path.steps() == std::vector<std::string>{"metadata", "annotations", "x.y/z"});
  CHECK(faults[0].needs_quotes);
  CHECK(faults[1].Text() == "spec.provider: provider not set in app: set spec.provider");
  CHECK(faults[2].path.text() == "spec.parameters.a");
  CHECK(faults[3].message == "must be a string, found null");
  CHECK(faults[3].of_key);
}

TEST_CASE("secret provider class: a provider name must be valid as a socket name") {
  CHECK(IsProviderName("vault"));
  CHECK(IsProviderName("My_provider-2"));
  CHECK(IsProviderName(std::string(kMaxProviderName, 'a')));
  CHECK_FALSE(IsProviderName(""));
  CHECK_FALSE(IsProviderName(std::string(kMaxProviderName + 1, 'a')));
  for (const char* name : {"a/b", "..", "a b", "a.b", "\xc3\xa4"}) {
    INFO(name);
    CHECK_FALSE(IsProviderName(name));
  }
}

}  // namespace nodekeep

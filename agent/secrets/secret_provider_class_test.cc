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
       "shop/app: spec.parameters.a: expected a string; put quotes around it"},
      {R"(,"spec":{"provider":"vault","parameters":[]})",
       "shop/app: spec.parameters: expected a map of strings"},
  };
  for (const Row& row : rows) {
    INFO(row.more);
    Result<SecretProviderClass> spc = Read(row.more);
    REQUIRE_FALSE(spc.ok());
    CHECK(spc.error().code() == ErrorCode::kInvalid);
    CHECK(spc.error().message() == row.want);
  }
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

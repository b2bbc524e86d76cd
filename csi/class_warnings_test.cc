#include "csi/class_warnings.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {
namespace {

SecretProviderClass Class(const std::string& namespace_name, const std::string& name,
                          const std::string& version, const std::string& uid = "u") {
  SecretProviderClass spc;
  spc.namespace_name = namespace_name;
  spc.name = name;
  spc.uid = uid;
  spc.resource_version = version;
  return spc;
}

}  // namespace

TEST_CASE("class warnings: a class is new once per version and per object") {
  ClassWarnings warnings;
  CHECK(warnings.IsNew(Class("shop", "app", "1")));
  CHECK_FALSE(warnings.IsNew(Class("shop", "app", "1")));
  CHECK(warnings.IsNew(Class("web", "app", "1")));
  CHECK(warnings.IsNew(Class("shop", "db", "1")));
  CHECK(warnings.IsNew(Class("shop", "app", "2")));
  CHECK(warnings.IsNew(Class("shop", "app", "2", "another")));
  CHECK_FALSE(warnings.IsNew(Class("shop", "app", "2", "another")));
}

TEST_CASE("class warnings: a namespace with very many classes displaces its own") {
  ClassWarnings warnings;
  CHECK(warnings.IsNew(Class("shop", "app", "1")));
  for (std::size_t i = 0; i < 2 * ClassWarnings::kMost; ++i) {
    CHECK(warnings.IsNew(Class("hostile", std::to_string(i), "1")));
  }
  CHECK_FALSE(warnings.IsNew(Class("shop", "app", "1")));
  CHECK(warnings.IsNew(Class("hostile", "0", "1")));
}

}  // namespace nodekeep

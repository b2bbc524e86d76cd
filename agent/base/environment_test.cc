#include "agent/base/environment.h"

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {

TEST_CASE(
    "environment: a credential is read from its variable, and is empty where that is not set") {
  ::setenv("NODEKEEP_TEST_CREDENTIAL", "hunter2", 1);
  CHECK(EnvironmentSecret("NODEKEEP_TEST_CREDENTIAL").Reveal() == "hunter2");
  ::unsetenv("NODEKEEP_TEST_CREDENTIAL");
  CHECK(EnvironmentSecret("NODEKEEP_TEST_CREDENTIAL").empty());
}

}  // namespace nodekeep

#include "agent/base/environment.h"

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {

TEST_CASE("environment: variables of the process are read, unset ones are empty") {
  ::setenv("NODEKEEP_TEST_VARIABLE", "value", 1);
  CHECK(ProcessEnvironment()("NODEKEEP_TEST_VARIABLE") == "value");
  ::unsetenv("NODEKEEP_TEST_VARIABLE");
  CHECK(ProcessEnvironment()("NODEKEEP_TEST_VARIABLE").empty());
}

}  // namespace nodekeep

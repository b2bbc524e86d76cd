#include "agent/base/go_number.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

namespace nodekeep {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_CASE("numbers are read as by strconv.ParseFloat") {
  struct Row {
    std::string text;
    std::optional<double> want;
  };
  const Row rows[] = {
      {"0", 0.0},
      {"007", 7.0},
      {"-12.50", -12.5},
      {"+3", 3.0},
      {".5", 0.5},
      {"5.", 5.0},
      {"1e3", 1000.0},
      {"1E-2", 0.01},
      {"1_23.50_0_0e+1_2", 123.5e12},
      {"0x1p-2", 0.25},
      {"0X_1.8p1", 3.0},
      {"inf", kInfinity},
      {"-Infinity", -kInfinity},
      {"1e400", kInfinity},
      {"-1e400", -kInfinity},
      {"1e-400", 0.0},
      {"", std::nullopt},
      {"-", std::nullopt},
      {".", std::nullopt},
      {"e5", std::nullopt},
      {"1e", std::nullopt},
      {"1e+", std::nullopt},
      {"1e5x", std::nullopt},
      {"1__0", std::nullopt},
      {"_1", std::nullopt},
      {"1_", std::nullopt},
      {"1_.5", std::nullopt},
      {"0x1", std::nullopt},
      {"0x", std::nullopt},
      {"infi", std::nullopt},
      {"+nan", std::nullopt},
      {" 1", std::nullopt},
      {"12|3", std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(ParseGoFloat(row.text) == row.want);
  }
  REQUIRE(ParseGoFloat("NaN"));
  CHECK(std::isnan(*ParseGoFloat("NaN")));
}

TEST_CASE("numbers are written with the shortest digits and never with an exponent") {
  struct Row {
    double value;
    std::string want;
  };
  const Row rows[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1, "1"},
      {-12.5, "-12.5"},
      {0.1, "0.1"},
      {0.000001, "0.000001"},
      {1.5e-10, "0.00000000015"},
      {1e21, "1000000000000000000000"},
      {1e23, "100000000000000000000000"},
      {123456789012345678.0, "123456789012345680"},
      {3.14159, "3.14159"},
      {kInfinity, "+Inf"},
      {-kInfinity, "-Inf"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"},
  };
  for (const Row& row : rows) {
    INFO(row.want);
    CHECK(GoFloatWithoutExponent(row.value) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep

#include "agent/template/yaml_string_map.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep::go {
namespace {

TEST_CASE("values of a string map are normalized by the rules of YAML 1.1") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"0644", "420"},
      {"0x1F", "31"},
      {"1_000", "1000"},
      {"yes", "true"},
      {"off", "false"},
      {"~", ""},
      {"3.14159265", "3.1415927"},
      {"1000000.0", "1e+06"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "1.8446744e+19"},
      {".inf", "+Inf"},
      {"2026-01-02", "2026-01-02"},
      {"12:30:45", "12:30:45"},
      {"'0644'", "0644"},
      {"08", "8"},
      {"1e400", "1e400"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto map = YamlStringMap("k: " + row.text);
    REQUIRE(map.ok());
    CHECK(map->at("k").Reveal() == row.want);
  }
}

TEST_CASE("the last of duplicate keys wins, and a merge key replaces what stands before it") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"a: 1\na: 2", "2"},
      {"a: 1\n<<: {a: 2}", "2"},
      {"<<: {a: 2}\na: 1", "1"},
      {"a: 1\n---\na: 2", "1"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto map = YamlStringMap(row.text);
    REQUIRE(map.ok());
    CHECK(map->at("a").Reveal() == row.want);
  }
}

TEST_CASE("anything but a map of scalars is an error without its values") {
  for (const std::string text :
       {"a: {secret: 1}", "a: [secret]", "secret", "[secret]", "~: secret", "a: 'secret"}) {
    INFO(text);
    const auto map = YamlStringMap(text);
    REQUIRE_FALSE(map.ok());
    CHECK(
        map.error().message().starts_with("could not unmarshal template to 'map[string][]byte': "));
    CHECK(map.error().message().find("secret") == std::string::npos);
  }
}

}  // namespace
}  // namespace nodekeep::go

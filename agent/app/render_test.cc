#include "agent/app/render.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/app/commands/commands.h"
#include "agent/base/yaml.h"
#include "proto/admin.pb.h"

namespace nodekeep {
namespace {

TEST_CASE("render: a YAML scalar is quoted if it would parse as something else") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"info", "info"},
      {"/run/x.sock", "/run/x.sock"},
      {"90s", "90s"},
      {"1h30m0s", "1h30m0s"},
      {"64MiB", "64MiB"},
      {"", "\"\""},
      {"true", "\"true\""},
      {"Off", "\"Off\""},
      {"4", "\"4\""},
      {"1.5", "\"1.5\""},
      {"0x1B", "\"0x1B\""},
      {"a: b", "\"a: b\""},
      {"x:", "\"x:\""},
      {"# no", "\"# no\""},
      {"http://v:1", "http://v:1"},
      {" a", "\" a\""},
      {"-", "\"-\""},
      {"line\nbreak", "\"line\\nbreak\""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(YamlScalar(row.text) == row.want);
    const Result<YamlNode> back = ParseYaml("k: " + YamlScalar(row.text));
    REQUIRE(back.ok());
    CHECK(back->Find("k")->text == row.text);
  }
}

TEST_CASE("render: JSON and YAML of the same value") {
  const Result<Json> json = ParseJson(
      R"({"name":"x","list":[{"a":1,"b":[true]},"two"],"empty":[],"none":{},"nested":{"k":1.50}})");
  REQUIRE(json.ok());
  CHECK(JsonAsYaml(*json) ==
        "empty: []\n"
        "list:\n"
        "  - a: 1\n"
        "    b:\n"
        "      - true\n"
        "  - two\n"
        "name: x\n"
        "nested:\n"
        "  k: 1.50\n"
        "none: {}\n");
  CHECK(PrettyJson(*json) ==
        "{\n  \"empty\": [],\n  \"list\": [\n    {\n      \"a\": 1,\n      \"b\": [\n        true\n"
        "      ]\n    },\n    \"two\"\n  ],\n  \"name\": \"x\",\n  \"nested\": {\n    \"k\": 1.50\n"
        "  },\n  \"none\": {}\n}\n");
  CHECK(JsonAsYaml(Json(jsoncons::json_object_arg)) == "{}\n");
}

TEST_CASE("render: a message shows every field, numbers as numbers") {
  admin::v1::StatusResponse status;
  status.set_version("1");
  status.mutable_cache()->set_max_bytes(std::uint64_t{1} << 40);
  status.add_mounts()->add_objects("db");
  status.add_sessions()->set_renewable(true);
  const Json json = MessageAsJson(status);
  CHECK(json["version"].as_string() == "1");
  CHECK(json["cache"]["maxBytes"].as<std::uint64_t>() == std::uint64_t{1} << 40);
  CHECK(json["mounts"][0]["objects"][0].as_string() == "db");
  CHECK(json["sessions"][0]["renewable"].as_bool());
  CHECK(json["ready"].as_bool() == false);
  CHECK(json["leases"].is_array());
  CHECK(json["sessions"][0]["expiresInSeconds"].is_null());
}

TEST_CASE("render: a table is aligned and cannot control the terminal") {
  TextTable table({"A", "LONG HEADER", "C"});
  CHECK(table.empty());
  table.Add({"wide cell", "x", "\x1b[31mred\n"});
  CHECK(table.Text() ==
        "A          LONG HEADER  C\n"
        "wide cell  x            ?[31mred?\n");
}

TEST_CASE("render: durations and sizes for users") {
  CHECK(ShortDuration(0.25) == "0.2s");
  CHECK(ShortDuration(-1) == "0s");
  CHECK(ShortDuration(59) == "59s");
  CHECK(ShortDuration(61) == "1m1s");
  CHECK(ShortDuration(7500) == "2h5m");
  CHECK(ShortDuration(100'000) == "1d3h");
  CHECK(ShortSize(0) == "0 B");
  CHECK(ShortSize(1536) == "1.5 KiB");
  CHECK(ShortSize(64 << 20) == "64 MiB");
}

}  // namespace
}  // namespace nodekeep

#include "agent/query/rewrite.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/query/secret_map_test.h"

namespace nodekeep {
namespace {

using Strategy = MergeRewrite::Strategy;

SecretMap MapOf(const std::vector<std::pair<std::string, std::string>>& entries) {
  SecretMap values;
  for (const auto& [key, value] : entries) values.emplace(key, SecretBytes(value));
  return values;
}

TEST_CASE("rewrite: a regular expression replaces its matches in each key") {
  struct Row {
    std::string name;
    RegexpRewrite rewrite;
    std::string want;
  };
  const Row rows[] = {
      {"a prefix", {"^db-", "x_"}, "app=3 x_pass=2 x_user=1"},
      {"a group", {"db-(.*)", "${1}!"}, "app=3 pass!=2 user!=1"},
      {"a named group", {"db-(?P<n>.*)", "${n}"}, "app=3 pass=2 user=1"},
      {"the longest name counts", {"db-(.*)", "$1x"}, "=1 app=3"},
      {"no match", {"zz", "y"}, "app=3 db-pass=2 db-user=1"},
      {"keys become the same one", {".*", "k"}, "k=1"},
      {"no expression",
       {"(", ""},
       "regexp failed with failed to compile: error parsing regexp: missing closing ): `(`"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Text(RewriteByRegexp(
              row.rewrite, MapOf({{"db-user", "1"}, {"db-pass", "2"}, {"app", "3"}}))) == row.want);
  }
}

TEST_CASE("rewrite: the members of all values are merged") {
  struct Row {
    std::string name;
    MergeRewrite rewrite;
    std::vector<std::pair<std::string, std::string>> values;
    std::string want;
  };
  const Row rows[] = {
      {"extracted",
       {},
       {{"a", R"({"s":"x<","n":1.50,"o":{"b":1,"a":"<"},"z":null})"}, {"b", R"({"l":[1, 2]})"}},
       R"(l=[1,2] n=1.5 o={"a":"\u003c","b":1} s=x< z=)"},
      {"as JSON",
       {.strategy = Strategy::kJson, .into = "all"},
       {{"a", R"({"y":"<"})"}, {"b", R"({"x":1e3})"}},
       R"(a={"y":"<"} all={"x":1000,"y":"<"} b={"x":1e3})"},
      {"JSON into a key that exists",
       {.strategy = Strategy::kJson, .into = "a"},
       {{"a", R"({"y":1})"}},
       R"(a={"y":1})"},
      {"JSON of nothing", {.strategy = Strategy::kJson, .into = "all"}, {}, "all={}"},
      {"JSON needs into",
       {.strategy = Strategy::kJson},
       {{"a", "{}"}},
       "merge failed with missing 'into' field"},
      {"an unknown strategy", {.strategy = Strategy::kUnknown}, {{"a", R"({"x":1})"}}, ""},
      {"null has no members", {}, {{"a", "null"}, {"b", R"({"x":"1"})"}}, "x=1"},
      {"a list",
       {},
       {{"a", "[1]"}},
       "merge failed with failed to unmarshal JSON: json: cannot unmarshal array into Go value of "
       "type map[string]interface {}"},
      {"no JSON",
       {},
       {{"a", ""}},
       "merge failed with failed to unmarshal JSON: unexpected end of JSON input"},
      {"conflicts",
       {},
       {{"a", R"({"x":1,"y":1})"}, {"b", R"({"x":2})"}, {"c", R"({"x":3,"y":3})"}},
       "merge failed with conflicts: x, x, y"},
      {"a conflict with a priority",
       {.priority = {"a"}},
       {{"a", R"({"x":1})"}, {"b", R"({"x":2})"}},
       "merge failed with conflicts: x"},
      {"the last wins",
       {.conflicts_are_errors = false},
       {{"a", R"({"x":1})"}, {"b", R"({"x":2})"}},
       "x=2"},
      {"the priority wins",
       {.conflicts_are_errors = false, .priority = {"a"}},
       {{"a", R"({"x":1})"}, {"b", R"({"x":2})"}},
       "x=1"},
      {"the last priority wins",
       {.conflicts_are_errors = false, .priority = {"b", "a"}},
       {{"a", R"({"x":1})"}, {"b", R"({"x":2})"}, {"c", R"({"x":3})"}},
       "x=1"},
      {"a missing priority",
       {.priority = {"z"}},
       {{"a", R"({"x":1})"}},
       "merge failed with key \"z\" not found in input map"},
      {"a missing priority is ignored",
       {.priority = {"z"}, .missing_priority_is_error = false},
       {{"a", R"({"x":1})"}},
       "x=1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Text(RewriteByMerge(row.rewrite, MapOf(row.values))) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep

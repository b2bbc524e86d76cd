#include "agent/secrets/policy.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "agent/secrets/provider.h"

namespace nodekeep {
namespace {

using Attributes = std::map<std::string, std::string>;
using std::chrono::seconds;

std::vector<Projection> Objects(const std::vector<std::string>& names) {
  std::vector<Projection> projections;
  for (const std::string& name : names) {
    Projection projection;
    projection.object = name;
    projections.push_back(std::move(projection));
  }
  return projections;
}

}  // namespace

TEST_CASE("policy: parameters of the class override the defaults") {
  const Policy defaults{seconds(60), seconds(600), seconds(5)};
  struct Row {
    std::string name;
    Attributes attributes;
    Policy want;
  };
  const Row rows[] = {
      {"none", {{"roleName", "r"}}, defaults},
      {"soft age", {{"nodekeep/refreshAfter", "90s"}}, {seconds(90), seconds(600), seconds(5)}},
      {"hard age", {{"nodekeep/serveStaleFor", "24h"}}, {seconds(60), seconds(86400), seconds(5)}},
      {"never stale", {{"nodekeep/serveStaleFor", "0"}}, {seconds(60), seconds(0), seconds(5)}},
      {"both",
       {{"nodekeep/refreshAfter", "1m30s"}, {"nodekeep/serveStaleFor", "2h"}},
       {seconds(90), seconds(7200), seconds(5)}},
      {"age at start",
       {{"nodekeep/maxAgeAtStart", "0s"}},
       {.refresh_after = seconds(60),
        .serve_stale_for = seconds(600),
        .remember_failure = seconds(5),
        .max_age_at_start = seconds(0)}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Policy> policy = ReadPolicy(row.attributes, defaults, {});
    REQUIRE(policy.ok());
    CHECK(*policy == row.want);
  }
}

TEST_CASE("policy: a class gets no shorter refresh age than the node allows") {
  struct Row {
    std::string name;
    std::string asked;
    Duration floor, standard;
    Duration want;
    std::string text;
  };
  const std::string ten =
      "; the node allows no less than 10s (policy.refreshAfterMin), which is used";
  const Row rows[] = {
      {"below", "1ms", seconds(10), seconds(120), seconds(10),
       "nodekeep/refreshAfter is 1ms" + ten},
      {"zero", "0", seconds(10), seconds(120), seconds(10), "nodekeep/refreshAfter is 0s" + ten},
      {"equal", "10s", seconds(10), seconds(120), seconds(10), ""},
      {"above", "11s", seconds(10), seconds(120), seconds(11), ""},
      {"a lower floor", "1s", seconds(1), seconds(120), seconds(1), ""},
      {"no floor", "0", seconds(0), seconds(120), seconds(0), ""},
      {"the operator's own default is shorter", "2s", seconds(10), seconds(2), seconds(2), ""},
      {"not asked", "", seconds(10), seconds(1), seconds(1), ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Attributes attributes;
    if (!row.asked.empty()) attributes["nodekeep/refreshAfter"] = row.asked;
    const Policy defaults{.refresh_after = row.standard, .refresh_after_min = row.floor};
    const Result<Policy> policy = ReadPolicy(attributes, defaults, {});
    REQUIRE(policy.ok());
    CHECK(policy->refresh_after == row.want);
    CHECK(TextOfFloor(*policy) == row.text);
  }
  CHECK(Policy().refresh_after_min == seconds(10));
}

TEST_CASE("policy: a mistyped reserved parameter is refused with the list of allowed keys") {
  struct Row {
    std::string name, key;
    bool ok;
    std::string meant = "";
  };
  const Row rows[] = {
      {"one of every dialect", "nodekeep/optional", true},
      {"one of this dialect", "nodekeep/auth", true},
      {"a typo", "nodekeep/refreshAfterr", false, "nodekeep/refreshAfter"},
      {"another case of the name", "nodekeep/refreshafter", false, "nodekeep/refreshAfter"},
      {"another case of the prefix", "Nodekeep/refreshAfter", false, "nodekeep/refreshAfter"},
      {"shouted", "NODEKEEP/refreshAfter", false, "nodekeep/refreshAfter"},
      {"a domain as prefix", "nodekeep.io/refreshAfter", false, "nodekeep/refreshAfter"},
      {"a dash instead of the slash", "nodekeep-refreshAfter", false, "nodekeep/refreshAfter"},
      {"no separator", "nodekeeprefreshAfter", false, "nodekeep/refreshAfter"},
      {"nothing after the prefix", "nodekeep/", false},
      {"only the name", "nodekeep", false},
      {"another prefix", "node/refreshAfter", true},
      {"the name further on", "x.nodekeep/refreshAfter", true},
      {"a shorter word", "nodekee", true},
      {"empty", "", true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Policy> policy = ReadPolicy({{row.key, "1m"}}, Policy(), {"nodekeep/auth"});
    CHECK(policy.ok() == row.ok);
    if (policy.ok() || row.ok) continue;
    CHECK(policy.error().code() == ErrorCode::kInvalid);
    CHECK(policy.error().message() ==
          "parameter " + row.key + ": unknown" +
              (row.meant.empty() ? "" : ": did you mean " + row.meant + "?") +
              "; keys under nodekeep/ are: nodekeep/refreshAfter, nodekeep/serveStaleFor, "
              "nodekeep/maxAgeAtStart, nodekeep/optional, nodekeep/auth");
  }
  CHECK_FALSE(ReadPolicy({{"nodekeep/auth", "jwt"}}, Policy(), {}).ok());
}

TEST_CASE("policy: an invalid age is an error that names its parameter") {
  struct Row {
    std::string name, key, text;
  };
  const Row rows[] = {
      {"a word", "nodekeep/refreshAfter", "soon"},
      {"empty", "nodekeep/refreshAfter", ""},
      {"negative", "nodekeep/refreshAfter", "-1m"},
      {"a number without unit", "nodekeep/serveStaleFor", "60"},
      {"negative hard age", "nodekeep/serveStaleFor", "-1s"},
      {"negative age at start", "nodekeep/maxAgeAtStart", "-1s"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Policy> policy = ReadPolicy({{row.key, row.text}}, Policy(), {});
    REQUIRE_FALSE(policy.ok());
    CHECK(policy.error().code() == ErrorCode::kInvalid);
    CHECK(policy.error().message().starts_with("parameter " + row.key + ": "));
  }
}

TEST_CASE("policy: an age of one year is the longest accepted") {
  for (const std::string key :
       {"nodekeep/refreshAfter", "nodekeep/serveStaleFor", "nodekeep/maxAgeAtStart"}) {
    INFO(key);
    CHECK(ReadPolicy({{key, "8760h"}}, Policy(), {}).ok());
    for (const std::string text : {"8760h0m0.001s", "2562047h"}) {
      Result<Policy> policy = ReadPolicy({{key, text}}, Policy(), {});
      REQUIRE_FALSE(policy.ok());
      CHECK(policy.error().code() == ErrorCode::kInvalid);
      CHECK(policy.error().message() == "parameter " + key + ": " + text +
                                            " is longer than one year (8760h0m0s), the longest "
                                            "that is allowed");
    }
  }
}

TEST_CASE("optional: objects are marked by name, or all of them") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::vector<bool> want;
  };
  const Row rows[] = {
      {"absent", {}, {false, false, false}},
      {"empty", {{"nodekeep/optional", ""}}, {false, false, false}},
      {"one", {{"nodekeep/optional", "b"}}, {false, true, false}},
      {"two, with blanks", {{"nodekeep/optional", " a , c,"}}, {true, false, true}},
      {"a name with a blank inside", {{"nodekeep/optional", "b b,b"}}, {false, true, false}},
      {"all", {{"nodekeep/optional", "*"}}, {true, true, true}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    std::vector<Projection> objects = Objects({"a", "b", "c"});
    if (row.name == "a name with a blank inside") objects.push_back(Objects({"b b"}).front());
    REQUIRE(MarkOptional(row.attributes, objects).ok());
    for (std::size_t i = 0; i < row.want.size(); ++i) CHECK(objects[i].optional == row.want[i]);
  }
}

TEST_CASE("optional: a name that no object has is refused") {
  std::vector<Projection> objects = Objects({"a", "b"});
  Status marked = MarkOptional({{"nodekeep/optional", "a, A"}}, objects);
  REQUIRE_FALSE(marked.ok());
  CHECK(marked.error().code() == ErrorCode::kInvalid);
  CHECK(
      marked.error().message() ==
      "parameter nodekeep/optional: no object is named \"A\"; name objects of this class, or \"*\" "
      "for all");
}

}  // namespace nodekeep

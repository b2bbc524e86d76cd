#include "agent/secrets/fetch_plan.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/fakes/heart.h"

namespace nodekeep {
namespace {

FetchPlan PlanOf(PodIdentity identity, const std::string& login_text = "fake",
                 const std::string& digest = "", bool shows_pod = true) {
  FetchPlan plan;
  plan.provider = "fake";
  auto options = std::make_shared<FakeOptions>();
  options->login_text = login_text;
  options->digest = digest;
  options->shows_pod = shows_pod;
  plan.mount.options = options;
  plan.identity = std::move(identity);
  return plan;
}

PodIdentity Web() { return MakeIdentity("shop", "web-1", "web"); }

PodIdentity WithToken(PodIdentity identity, const std::string& token) {
  identity.tokens["vault"].token = SecretBytes(token);
  return identity;
}

}  // namespace

TEST_CASE("plan: explain prints everything but secrets") {
  FakeClock clock;
  auto backend = std::make_shared<FakeProvider>(clock);
  PodIdentity identity = WithToken(Web(), "hunter2-token");
  identity.secrets["password"] = SecretBytes("hunter2-secret");
  const PlanPtr made = FakePlan(
      backend, "app/db#user,app/db#password,app/cert", std::move(identity),
      {{"nodekeep/optional", "app/cert"}, {"nodekeep/refreshAfter", "90s"}});
  FetchPlan plan;
  plan.provider = made->provider;
  plan.backend = made->backend;
  plan.mount = made->mount;
  plan.identity = made->identity.Clone();
  plan.mount.audiences = {"vault", "openbao"};
  plan.mount.projections[0].mode = 0400;
  plan.mount.projections[1].encoding = "base64";
  plan.mount.projections[2].ref.version = "3";

  CHECK(plan.Explain() ==
        "provider: fake\n"
        "login: fake\n"
        "pod: shop/web-1\n"
        "service account: shop/web\n"
        "token audience: vault (present)\n"
        "token audience: openbao (absent)\n"
        "refresh after: 1m30s\n"
        "serve stale for: 1h0m0s\n"
        "backend reads when nothing is cached: 2\n"
        "file: app-db.user (mode 0400) <- fake:app/db, key user\n"
        "file: app-db.password (mode 0644) <- fake:app/db, key password, decode base64\n"
        "file: app-cert (mode 0644) <- fake:app/cert@3, optional\n");
}

TEST_CASE("plan: explain outside Kubernetes says so") {
  FakeClock clock;
  const PlanPtr plan = FakePlan(std::make_shared<FakeProvider>(clock), "a", PodIdentity());
  CHECK(plan->Explain() ==
        "provider: fake\n"
        "login: fake\n"
        "pod: (no pod)\n"
        "refresh after: 2m0s\n"
        "serve stale for: 1h0m0s\n"
        "backend reads when nothing is cached: 1\n"
        "file: a (mode 0644) <- fake:a\n");
}

TEST_CASE("plan: refs are distinct and in the manifest's order") {
  FakeClock clock;
  const PlanPtr plan =
      FakePlan(std::make_shared<FakeProvider>(clock), "z#1,a,z#2,m,a#x", Web());
  std::vector<std::string> paths;
  for (const SecretRef& ref : plan->Refs()) paths.push_back(ref.path);
  CHECK(paths == std::vector<std::string>{"z", "a", "m"});
}

TEST_CASE("plan: the route of a plan holds nothing of the pod") {
  FakeClock clock;
  const PlanPtr plan = FakePlan(std::make_shared<FakeProvider>(clock), "a",
                                WithToken(Web(), "hunter2-token"));
  const Route route = plan->route();
  CHECK(route.provider == "fake");
  CHECK(route.backend == plan->backend);
  CHECK(route.options == plan->mount.options);
  CHECK(route.policy == plan->mount.policy);
}

TEST_CASE("login keys: pods of one service account have one key to share and one each of their own") {
  const LoginKeys a = LoginKeysOf(PlanOf(MakeIdentity("shop", "web-1", "web")));
  const LoginKeys b = LoginKeysOf(PlanOf(MakeIdentity("shop", "web-2", "web")));
  CHECK(a.shared == "fake fake shop/web sa-uid=uid-of-web");
  CHECK(a.own == "fake fake shop/web sa-uid=uid-of-web pod=web-1/uid-of-web-1");
  CHECK(a.shared == b.shared);
  CHECK(a.own != b.own);
}

TEST_CASE("login keys: whoever differs in anything shares nothing") {
  PodIdentity recreated = Web();
  recreated.pod_uid = "another";
  struct Row {
    std::string name;
    FetchPlan plan;
  };
  std::vector<Row> rows;
  rows.push_back({"another namespace", PlanOf(MakeIdentity("blog", "web-1", "web"))});
  rows.push_back({"another service account", PlanOf(MakeIdentity("shop", "web-1", "db"))});
  rows.push_back({"the account created anew", PlanOf(MakeIdentity("shop", "web-1", "web", "new"))});
  rows.push_back({"no uid known", PlanOf(MakeIdentity("shop", "web-1", "web", ""))});
  rows.push_back({"another login", PlanOf(Web(), "fake role=admin")});
  rows.push_back({"credentials of its own", PlanOf(Web(), "fake", "d1")});
  rows.push_back({"other credentials of its own", PlanOf(Web(), "fake", "d2")});
  rows.push_back({"borders moved into the login",
                  PlanOf(Web(), "fake shop/web sa-uid=uid-of-web")});
  // Each pair would read alike were the parts only joined.
  rows.push_back({"a border in the namespace", PlanOf(MakeIdentity("a/b", "web-1", "c", "u"))});
  rows.push_back({"a border in the account", PlanOf(MakeIdentity("a", "web-1", "b/c", "u"))});
  rows.push_back({"a tag in the account", PlanOf(MakeIdentity("a", "web-1", "b sa-uid=u", ""))});
  rows.push_back({"a tag in its place", PlanOf(MakeIdentity("a", "web-1", "b", "u"))});
  rows.push_back({"a gap in the namespace", PlanOf(MakeIdentity("x y", "web-1", "c", "u"))});
  rows.push_back({"a gap in the login", PlanOf(MakeIdentity("y", "web-1", "c", "u"), "fake x")});
  rows.push_back({"only its credentials", PlanOf(Web(), "fake", "d1", false)});
  rows.push_back({"only the node's credentials", PlanOf(Web(), "fake", "", false)});
  rows.push_back({"a pod spelled in the login",
                  PlanOf(Web(), "fake shop/web sa-uid=uid-of-web pod=web-1/uid-of-web-1", "d1",
                         false)});
  FetchPlan other_provider = PlanOf(Web());
  other_provider.provider = "vault";
  rows.push_back({"another provider", std::move(other_provider)});
  rows.push_back({"itself", PlanOf(Web())});

  std::vector<LoginKeys> keys;
  for (const Row& row : rows) keys.push_back(LoginKeysOf(row.plan));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      INFO(rows[i].name << " and " << rows[j].name);
      CHECK(keys[i].own != keys[j].own);
      CHECK((keys[i].shared.empty() || keys[i].shared != keys[j].shared));
      CHECK(keys[i].own != keys[j].shared);
    }
  }
  CHECK(LoginKeysOf(PlanOf(std::move(recreated))).own != keys.back().own);
}

TEST_CASE("login keys: nothing is shared without a proven account or with credentials of one's own") {
  struct Row {
    std::string name, sa_uid, digest;
    bool shared;
  };
  const Row rows[] = {
      {"account known, the pod's token only", "-", "", true},
      {"account unknown", "", "", false},
      {"credentials of its own", "-", "d1", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const LoginKeys keys = LoginKeysOf(
        PlanOf(MakeIdentity("shop", "web-1", "web", row.sa_uid), "fake", row.digest));
    CHECK(!keys.shared.empty() == row.shared);
    CHECK(!keys.own.empty());
  }
}

TEST_CASE("login keys: a login that shows nothing of the pod belongs to its credentials") {
  const auto own = [](PodIdentity identity, const std::string& digest) {
    const LoginKeys keys = LoginKeysOf(PlanOf(std::move(identity), "fake", digest, false));
    CHECK(keys.shared.empty());
    return keys.own;
  };
  const std::string web = own(Web(), "d1");
  CHECK(web == own(MakeIdentity("blog", "db-0", "db"), "d1"));
  CHECK(web == own(PodIdentity(), "d1"));
  CHECK(web != own(Web(), "d2"));
}

TEST_CASE("login keys: without a pod uid the token tells callers apart, and is not in the key") {
  PodIdentity nobody;
  const std::string none = LoginKeysOf(PlanOf(nobody.Clone())).own;
  const std::string a = LoginKeysOf(PlanOf(WithToken(nobody.Clone(), "hunter2-a"))).own;
  const std::string b = LoginKeysOf(PlanOf(WithToken(nobody.Clone(), "hunter2-b"))).own;
  CHECK(a != b);
  CHECK(a != none);
  CHECK(a == LoginKeysOf(PlanOf(WithToken(nobody.Clone(), "hunter2-a"))).own);
  CHECK(a.find("hunter2") == std::string::npos);
}

}  // namespace nodekeep

#include "agent/secrets/read_plan.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <set>
#include <string>

#include "agent/base/digest.h"
#include "tests/fakes/core.h"

namespace nodekeep {
namespace {

struct Login {
  std::string provider = "fake";
  FakeOptions options;
  Identity identity;

  LoginKeys Keys() const { return LoginKeysOf(provider, options, identity); }
};

Login LoginOf(Identity identity, const std::string& login_text = "fake",
              const std::string& digest = "", bool sends_pod_token = true) {
  Login login;
  login.options.login_text = login_text;
  login.options.digest = digest;
  login.options.sends_pod_token = sends_pod_token;
  login.identity = std::move(identity);
  return login;
}

Identity Web() { return MakeIdentity("shop", "web-1", "web"); }

Identity WithToken(Identity identity, const std::string& token) {
  identity.tokens["vault"].token = SecretBytes(token);
  return identity;
}

}  // namespace

TEST_CASE("login keys: pods of one service account have one shared key and different own keys") {
  const LoginKeys a = LoginOf(MakeIdentity("shop", "web-1", "web")).Keys();
  const LoginKeys b = LoginOf(MakeIdentity("shop", "web-2", "web")).Keys();
  CHECK(a.shared == "fake fake shop/web sa-uid=uid-of-web");
  CHECK(a.own == "fake fake shop/web sa-uid=uid-of-web pod=web-1/uid-of-web-1");
  CHECK(a.shared == b.shared);
  CHECK(a.own != b.own);
}

TEST_CASE("login keys: identities or logins that differ in any part have different keys") {
  Identity recreated = Web();
  recreated.pod->uid = "another";
  struct Row {
    std::string name;
    Login login;
  };
  std::vector<Row> rows;
  rows.push_back({"another namespace", LoginOf(MakeIdentity("blog", "web-1", "web"))});
  rows.push_back({"another service account", LoginOf(MakeIdentity("shop", "web-1", "db"))});
  rows.push_back({"the account re-created", LoginOf(MakeIdentity("shop", "web-1", "web", "new"))});
  rows.push_back({"no uid known", LoginOf(MakeIdentity("shop", "web-1", "web", ""))});
  rows.push_back({"another login", LoginOf(Web(), "fake role=admin")});
  rows.push_back({"its own credentials", LoginOf(Web(), "fake", "d1")});
  rows.push_back({"other credentials", LoginOf(Web(), "fake", "d2")});
  rows.push_back(
      {"borders moved into the login", LoginOf(Web(), "fake shop/web sa-uid=uid-of-web")});
  // Each pair would have equal keys if the parts were only concatenated.
  rows.push_back({"a border in the namespace", LoginOf(MakeIdentity("a/b", "web-1", "c", "u"))});
  rows.push_back({"a border in the account", LoginOf(MakeIdentity("a", "web-1", "b/c", "u"))});
  rows.push_back({"a tag in the account", LoginOf(MakeIdentity("a", "web-1", "b sa-uid=u", ""))});
  rows.push_back({"a tag in its place", LoginOf(MakeIdentity("a", "web-1", "b", "u"))});
  rows.push_back({"a gap in the namespace", LoginOf(MakeIdentity("x y", "web-1", "c", "u"))});
  rows.push_back({"a gap in the login", LoginOf(MakeIdentity("y", "web-1", "c", "u"), "fake x")});
  rows.push_back({"only its credentials", LoginOf(Web(), "fake", "d1", false)});
  rows.push_back({"only the node's credentials", LoginOf(Web(), "fake", "", false)});
  rows.push_back(
      {"a pod spelled in the login",
       LoginOf(Web(), "fake shop/web sa-uid=uid-of-web pod=web-1/uid-of-web-1", "d1", false)});
  Login other_provider = LoginOf(Web());
  other_provider.provider = "vault";
  rows.push_back({"another provider", std::move(other_provider)});
  rows.push_back({"itself", LoginOf(Web())});

  std::vector<LoginKeys> keys;
  for (const Row& row : rows) keys.push_back(row.login.Keys());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      INFO(rows[i].name << " and " << rows[j].name);
      CHECK(keys[i].own != keys[j].own);
      CHECK((keys[i].shared.empty() || keys[i].shared != keys[j].shared));
      CHECK(keys[i].own != keys[j].shared);
    }
  }
  CHECK(LoginOf(std::move(recreated)).Keys().own != keys.back().own);
}

TEST_CASE("login keys: no shared key without an account uid or with other credentials") {
  struct Row {
    std::string name, sa_uid, digest;
    bool shared;
  };
  const Row rows[] = {
      {"account known, the pod's token only", "-", "", true},
      {"account unknown", "", "", false},
      {"its own credentials", "-", "d1", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const LoginKeys keys =
        LoginOf(MakeIdentity("shop", "web-1", "web", row.sa_uid), "fake", row.digest).Keys();
    CHECK(!keys.shared.empty() == row.shared);
    CHECK(!keys.own.empty());
  }
}

TEST_CASE("login keys: a login without pod identity has a key of its credentials only") {
  const auto own = [](Identity identity, const std::string& digest) {
    const LoginKeys keys = LoginOf(std::move(identity), "fake", digest, false).Keys();
    CHECK(keys.shared.empty());
    return keys.own;
  };
  const std::string web = own(Web(), "d1");
  CHECK(web == own(MakeIdentity("blog", "db-0", "db"), "d1"));
  CHECK(web == own(Identity(), "d1"));
  CHECK(web != own(Web(), "d2"));
}

TEST_CASE("login keys: without a pod uid a token digest distinguishes callers") {
  Identity no_pod;
  const std::string none = LoginOf(no_pod.Clone()).Keys().own;
  const std::string a = LoginOf(WithToken(no_pod.Clone(), "hunter2-a")).Keys().own;
  const std::string b = LoginOf(WithToken(no_pod.Clone(), "hunter2-b")).Keys().own;
  CHECK(a != b);
  CHECK(a != none);
  CHECK(a == LoginOf(WithToken(no_pod.Clone(), "hunter2-a")).Keys().own);
  CHECK(a.find("hunter2") == std::string::npos);
}

TEST_CASE("login keys: long parts are digested, and still differ") {
  const std::string huge(900'000, 'x');
  struct Row {
    std::string name;
    std::function<void(Login&, const std::string&)> set;
  };
  const Row rows[] = {
      {"settings", [](Login& l, const std::string& text) { l.options.login_text = text; }},
      {"credential", [](Login& l, const std::string& text) { l.options.digest = text; }},
      {"namespace", [](Login& l, const std::string& text) { l.identity.namespace_name = text; }},
      {"account", [](Login& l, const std::string& text) { l.identity.service_account = text; }},
      {"account uid",
       [](Login& l, const std::string& text) { l.identity.service_account_uid = text; }},
      {"pod", [](Login& l, const std::string& text) { l.identity.pod->name = text; }},
      {"pod uid", [](Login& l, const std::string& text) { l.identity.pod->uid = text; }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    std::set<std::string> keys;
    for (const std::string& text : {huge, huge + "y", Sha256Hex(huge), "#" + Sha256Hex(huge)}) {
      Login login = LoginOf(Web());
      row.set(login, text);
      keys.insert(login.Keys().own);
      CHECK(login.Keys().own.size() < 8192);
    }
    CHECK(keys.size() == 4);
  }
}

}  // namespace nodekeep

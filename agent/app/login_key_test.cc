#include "agent/app/login_key.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/secrets/login_text.h"
#include "agent/secrets/read_plan.h"

namespace nodekeep {
namespace {

struct Options final : ProviderOptions {
  std::string LoginText() const override { return text; }
  std::string CredentialDigest(const Identity&) const override { return digest; }
  bool SendsPodToken() const override { return sends_token; }
  std::vector<std::pair<std::string, std::string>> Explain() const override { return {}; }

  std::string text;
  std::string digest;
  bool sends_token = true;
};

Identity WebOfShop() {
  Identity identity;
  identity.namespace_name = "shop";
  identity.service_account = "web";
  identity.service_account_uid = "sa-1";
  identity.pod = PodRef{"web-1", "u-1"};
  return identity;
}

std::string TextAt(const std::string& endpoint) {
  return LoginText("kubernetes", endpoint, {}, "vault").Part("role", "a pod=x any-pod").Take();
}

TEST_CASE("login key: who logs in, and where") {
  const std::string vault = "https://vault.vault.svc:8200";
  struct Row {
    std::string name, text, digest;
    bool sends_token, shared;
    std::string who, where;
  };
  const Row rows[] = {
      {"an account", TextAt(vault), "", true, true, "shop/web", "vault.vault.svc:8200"},
      {"one pod", TextAt(vault), "", true, false, "shop/web, pod web-1", "vault.vault.svc:8200"},
      {"one pod with credentials", TextAt(vault), "abc", true, false, "shop/web, pod web-1",
       "vault.vault.svc:8200"},
      {"credentials alone", TextAt(vault), "abc", false, false, "any pod", "vault.vault.svc:8200"},
      {"two addresses", TextAt("https://a, https://b"), "", true, true, "shop/web", "a, https://b"},
      {"a socket", TextAt("unix:///run/v.sock"), "", true, true, "shop/web", "/run/v.sock"},
      {"a digested endpoint", TextAt(std::string(300, 'x')), "", true, true, "shop/web", "-"},
      {"no endpoint", "store=/dev/store", "", true, true, "shop/web", "-"},
      {"digested settings", "#" + std::string(5000, 'x'), "", true, true, "shop/web", "-"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Options options;
    options.text = row.text;
    options.digest = row.digest;
    options.sends_token = row.sends_token;
    const LoginKeys keys = LoginKeysOf("vault", options, WebOfShop());
    const std::string& key = row.shared ? keys.shared : keys.own;
    REQUIRE_FALSE(key.empty());
    const LoginSummary summary = SummaryOf(key);
    CHECK(summary.who == row.who);
    CHECK(summary.where == row.where);
  }
}

TEST_CASE("login key: one of another form is shown as unknown") {
  for (const char* key : {"", " ", "=", "a", "a=b", "vault kubernetes endpoint=",
                          "vault kubernetes endpoint=9", "vault kubernetes endpoint=99999:x y"}) {
    INFO(key);
    CHECK(SummaryOf(key).who == "?");
  }
}

}  // namespace
}  // namespace nodekeep

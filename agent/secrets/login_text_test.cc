#include "agent/secrets/login_text.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace nodekeep {

TEST_CASE("login text: contains all TLS settings, the endpoint and the audience") {
  struct Login {
    std::string method = "k8s", endpoint = "https://a", audience = "vault";
    TlsSettings tls;
    std::string role = "app";

    std::string Text() const {
      return LoginText(method, endpoint, tls, audience).Part("role", role).Take();
    }
  };
  const std::vector<std::function<void(Login&)>> changes = {
      [](Login&) {},
      [](Login& l) { l.method = "jwt"; },
      [](Login& l) { l.endpoint = "https://b"; },
      [](Login& l) { l.audience = ""; },
      [](Login& l) { l.role = "admin"; },
      [](Login& l) { l.tls.ca_file = "x"; },
      [](Login& l) { l.tls.ca_directory = "x"; },
      [](Login& l) { l.tls.ca_pem = "x"; },
      [](Login& l) { l.tls.server_name = "x"; },
      [](Login& l) { l.tls.client_cert_file = "x"; },
      [](Login& l) { l.tls.client_key_file = "x"; },
      [](Login& l) { l.tls.client_cert_pem = "x"; },
      [](Login& l) { l.tls.client_key_pem = std::make_shared<const SecretBytes>("x"); },
      [](Login& l) { l.tls.skip_verify = true; },
      // These would equal other texts if the parts were only concatenated.
      [](Login& l) { l.role = "app ca-file=1:x"; },
      [](Login& l) { l.endpoint = "https://a audience=0:"; },
  };
  std::set<std::string> texts;
  for (const auto& change : changes) {
    Login login;
    change(login);
    texts.insert(login.Text());
  }
  CHECK(texts.size() == changes.size());
}

TEST_CASE("login text: keys are digested") {
  TlsSettings tls;
  tls.client_key_pem = std::make_shared<const SecretBytes>("CANARY");
  CHECK(LoginText("cert", "https://a", tls, "").Take().find("CANARY") == std::string::npos);
}

TEST_CASE("login text: long values are digested, and still differ") {
  const auto text = [](const std::string& endpoint, const std::string& role) {
    return LoginText("k8s", endpoint, TlsSettings(), "").Part("role", role).Take();
  };
  const std::string longest(kMaxKeyPart, 'r');
  CHECK(text("https://a", longest).find(longest) != std::string::npos);
  const std::string huge(900'000, 'r');
  const std::set<std::string> texts = {text("https://a", huge), text("https://a", huge + "r"),
                                       text("https://a", "x" + huge), text("https://a" + huge, "r"),
                                       text("https://b" + huge, "r"),
                                       // As long as the digest of the first, and equal to it.
                                       text("https://a", ShortKeyPart(huge))};
  CHECK(texts.size() == 6);
  for (const std::string& one : texts) CHECK(one.size() < 1024);
}

}  // namespace nodekeep

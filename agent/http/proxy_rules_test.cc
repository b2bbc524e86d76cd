#include "agent/http/proxy_rules.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>
#include <utility>

namespace nodekeep {
namespace {

using Variables = std::map<std::string, std::string>;

Environment With(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

// The URL of the proxy, "direct", or "error: ...".
std::string ProxyFor(const Variables& variables, const std::string& url) {
  HttpRequest request;
  request.url = url;
  Result<Origin> origin = ParseOrigin(request);
  REQUIRE(origin.ok());
  Result<std::shared_ptr<const Proxy>> proxy = ProxyRules(With(variables)).For(*origin);
  if (!proxy.ok()) return "error: " + proxy.error().message();
  return *proxy ? (*proxy)->url : "direct";
}

}  // namespace

// tests/integration/test_proxy.py compares more of this with Go itself.
TEST_CASE("proxy rules: NO_PROXY means what it means in Go") {
  struct Row {
    std::string list, url;
    bool direct;
  };
  const Row rows[] = {
      {"", "https://vault.example", false},
      {",, ,", "https://vault.example", false},
      {"*", "https://vault.example", true},
      {"a.test,*", "https://10.0.0.1", true},
      {"vault.example", "https://vault.example", true},
      {"vault.example", "https://VAULT.example", true},
      {"Vault.EXAMPLE", "https://vault.example", true},
      {"vault.example", "https://a.vault.example", true},
      {"vault.example", "https://myvault.example", false},
      {"vault.example", "https://vault.example.org", false},
      {".example", "https://vault.example", true},
      {".vault.example", "https://vault.example", false},
      {".vault.example", "https://a.vault.example", true},
      {"*.vault.example", "https://vault.example", false},
      {"*.vault.example", "https://a.b.vault.example", true},
      {"*.example:8200", "https://vault.example:8200", true},
      {"*.example:8200", "https://vault.example", false},
      {"vault.*", "https://vault.example", false},
      {"vault.example:8200", "https://vault.example:8200", true},
      {"vault.example:8200", "https://vault.example", false},
      {"vault.example:443", "https://vault.example", true},
      {"vault.example:", "https://vault.example", true},
      {":443", "https://vault.example", false},
      {"vault.example.", "https://vault.example", false},
      {"vault.example", "https://vault.example.", false},
      {"https://vault.example", "https://vault.example", false},
      {"a.test, vault.example", "https://vault.example", true},
      {"a.test vault.example", "https://vault.example", true},
      {"10.1.2.3", "https://10.1.2.3", true},
      {"10.1.2.3:443", "https://10.1.2.3", true},
      {"10.1.2.3:444", "https://10.1.2.3", false},
      {"2.3", "https://10.1.2.3", false},
      {".3", "https://10.1.2.3", false},
      {"10.0.0.0/8", "https://10.1.2.3", true},
      {"10.0.0.0/8", "https://11.1.2.3", false},
      {"10.0.0.0/8", "https://[::ffff:10.1.2.3]", true},
      {"10.1.2.0/23", "https://10.1.3.9", true},
      {"10.1.2.0/23", "https://10.1.4.9", false},
      {"0.0.0.0/0", "https://192.0.2.1", true},
      {"0.0.0.0/0", "https://[fd00::1]", false},
      {"::/0", "https://192.0.2.1", false},
      {"::/0", "https://[fd00::1]", true},
      {"10.0.0.0/33", "https://10.0.0.0", false},
      {"10.0.0.0/x", "https://10.0.0.0", false},
      {"10.0.0.0/", "https://10.0.0.0", false},
      {"10.0.0.0/-1", "https://10.0.0.0", false},
      {"fd00::/8", "https://[fd12::1]", true},
      {"fd00::/8", "https://[fe00::1]", false},
      {"fd00::1", "https://[fd00:0::1]:8200", true},
      {"[fd00::1]:8200", "https://[fd00::1]:8200", true},
      {"[fd00::1]:8200", "https://[fd00::1]", false},
      {"[fd00::1]", "https://[fd00::1]", false},
  };
  for (const Row& row : rows) {
    INFO(row.list << " / " << row.url);
    const std::string proxy = "http://proxy:3128";
    CHECK(ProxyFor({{"HTTPS_PROXY", proxy}, {"NO_PROXY", row.list}}, row.url) ==
          (row.direct ? "direct" : proxy));
  }
}

TEST_CASE("proxy rules: loopback is reached directly, whatever the list says") {
  for (const std::string host :
       {"localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "[::1]", "[::ffff:127.0.0.1]"}) {
    for (const std::string scheme : {"http", "https"}) {
      INFO(scheme << " " << host);
      const std::string url = scheme + "://" + host + ":8200";
      CHECK(ProxyFor({{"HTTPS_PROXY", "proxy"}, {"HTTP_PROXY", "proxy"}}, url) == "direct");
    }
  }
  CHECK(ProxyFor({{"HTTPS_PROXY", "proxy"}}, "https://localhost.test") == "http://proxy:80");
  CHECK(ProxyFor({{"HTTPS_PROXY", "proxy"}}, "https://128.0.0.1") == "http://proxy:80");
  CHECK(ProxyFor({{"HTTPS_PROXY", "proxy"}}, "https://[::2]") == "http://proxy:80");
}

TEST_CASE("proxy rules: the scheme of the request decides which variable is read") {
  struct Row {
    std::string name;
    Variables variables;
    std::string url, want;
  };
  const Row rows[] = {
      {"https",
       {{"HTTPS_PROXY", "http://p:1"}, {"HTTP_PROXY", "http://q:1"}},
       "https://a.test",
       "http://p:1"},
      {"http",
       {{"HTTPS_PROXY", "http://p:1"}, {"HTTP_PROXY", "http://q:1"}},
       "http://a.test",
       "http://q:1"},
      {"none for this scheme", {{"HTTPS_PROXY", "http://p:1"}}, "http://a.test", "direct"},
      {"lower case first",
       {{"HTTPS_PROXY", "http://p:1"}, {"https_proxy", "http://q:1"}},
       "https://a.test",
       "http://q:1"},
      {"an empty one is not set",
       {{"HTTPS_PROXY", "http://p:1"}, {"https_proxy", ""}},
       "https://a.test",
       "http://p:1"},
      {"ALL_PROXY",
       {{"ALL_PROXY", "http://p:1"}, {"all_proxy", "http://p:1"}},
       "https://a.test",
       "direct"},
      {"lower case list first",
       {{"HTTPS_PROXY", "http://p:1"}, {"no_proxy", "b.test"}, {"NO_PROXY", "a.test"}},
       "https://a.test",
       "http://p:1"},
      {"CGI",
       {{"HTTP_PROXY", "http://p:1"}, {"REQUEST_METHOD", "GET"}},
       "http://a.test",
       "error: HTTP_PROXY is not used in a CGI environment: unset REQUEST_METHOD"},
      {"CGI, https",
       {{"HTTPS_PROXY", "http://p:1"}, {"REQUEST_METHOD", "GET"}},
       "https://a.test",
       "http://p:1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ProxyFor(row.variables, row.url) == row.want);
  }
}

TEST_CASE("proxy rules: the value is a URL, or host and port; an error does not show it") {
  struct Row {
    std::string value, want;
  };
  const std::string form = ": write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
  const Row rows[] = {
      {"http://Proxy.test:3128/x", "http://proxy.test:3128"},
      {"http://proxy.test", "http://proxy.test:80"},
      {"proxy.test:3128", "http://proxy.test:3128"},
      {"proxy.test", "http://proxy.test:80"},
      {"10.0.0.1:3128", "http://10.0.0.1:3128"},
      {"[fd00::1]:3128", "http://[fd00::1]:3128"},
      {"HTTPS://proxy.test", "https://proxy.test:443"},
      {"socks5://proxy.test", "socks5h://proxy.test:1080"},
      {"socks5h://proxy.test:1", "socks5h://proxy.test:1"},
      {"http://alice:s3cret@proxy.test:3128", "http://proxy.test:3128"},
      {"alice:s3cret@proxy.test:3128", "http://proxy.test:3128"},
      {"ftp://alice:s3cret@proxy.test",
       "error: HTTPS_PROXY has a scheme other than http, https, socks5 and socks5h" + form},
      {"http://alice:s3cret@:3128", "error: HTTPS_PROXY is not the URL of a proxy" + form},
      {"http://alice:s3cret@proxy test", "error: HTTPS_PROXY is not the URL of a proxy" + form},
      {"http://proxy.test:99999", "error: HTTPS_PROXY is not the URL of a proxy" + form},
      {"http://", "error: HTTPS_PROXY is not the URL of a proxy" + form},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    CHECK(ProxyFor({{"HTTPS_PROXY", row.value}}, "https://a.test") == row.want);
  }
  CHECK(ProxyFor({{"HTTPS_PROXY", "http://"}}, "https://localhost") == "direct");
}

TEST_CASE("proxy rules: credentials are decoded and kept apart from the URL") {
  HttpRequest request;
  request.url = "https://a.test";
  const Result<Origin> origin = ParseOrigin(request);
  REQUIRE(origin.ok());
  const ProxyRules rules(With({{"https_proxy", "http://al%40ice:p%3Aw@proxy:3128"}}));
  const auto proxy = rules.For(*origin);
  REQUIRE(proxy.ok());
  CHECK((*proxy)->user == "al@ice");
  CHECK((*proxy)->password.Reveal() == "p:w");
  CHECK((*proxy)->Text() == "the proxy http://proxy:3128 (from https_proxy)");
}

}  // namespace nodekeep

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <thread>

#include "providers/vault/test_mount.h"
#include "providers/vault/wire.h"

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using namespace std::chrono_literals;

namespace nodekeep::vault {
namespace {

constexpr const char* kSecret = R"({"data":{"k":"v"}})";

std::string Objects(const std::string& rest) { return "- {objectName: a, " + rest + "}"; }

}  // namespace

TEST_CASE("vault: a read sends token and headers; the answer is the raw reply") {
  TestMount vault(Attributes{{"vaultNamespace", "team"}});
  vault.http.On("GET", "https://vault:8200/v1/secret/data/a",
                {FakeHttpClient::Respond(200, kSecret)});
  Result<Answer> answer = vault.FetchOne();
  REQUIRE(MessageOf(answer) == "(ok)");
  CHECK(answer->value.Reveal() == kSecret);
  const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(0);
  CHECK(seen.headers.at("x-vault-token") == "hvs.test-token");
  CHECK(seen.headers.at("x-vault-request") == "true");
  CHECK(seen.headers.at("x-vault-namespace") == "team");
  CHECK(seen.body == "");
  CHECK(seen.timeout == 30s);
  const auto files = vault.provider.spc->RenderFiles(vault.mount.projections[0], answer->value);
  REQUIRE(files.ok());
  CHECK(files->at(0).contents.Reveal() == "v");
}

TEST_CASE("vault: the request has the method and arguments of the object") {
  struct Row {
    std::string name, object, method, url, body;
  };
  const Row rows[] = {
      {"plain", "secretPath: p", "GET", "https://vault:8200/v1/p", ""},
      {"a version", "secretPath: 'secret/data/a?version=2'", "GET",
       "https://vault:8200/v1/secret/data/a?version=2", ""},
      {"characters that a URL cannot hold", "secretPath: 'a b/ü%2F#c'", "GET",
       "https://vault:8200/v1/a%20b/%C3%BC%252F%23c", ""},
      {"arguments", "secretPath: pki/issue/w, method: PUT, secretArgs: {common_name: x, ttl: 1h}",
       "PUT", "https://vault:8200/v1/pki/issue/w", R"({"common_name":"x","ttl":"1h"})"},
      {"arguments with GET", "secretPath: p, secretArgs: {a: 1}", "GET", "https://vault:8200/v1/p",
       R"({"a":1})"},
      {"another method, no body", "secretPath: p, method: LIST", "LIST", "https://vault:8200/v1/p",
       ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault(Attributes{{"objects", Objects(row.object)}});
    REQUIRE(vault.parse_error == "");
    vault.http.On("", "*", {FakeHttpClient::Respond(200, kSecret)});
    REQUIRE(MessageOf(vault.FetchOne()) == "(ok)");
    const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(0);
    CHECK(row.method == seen.method);
    CHECK(row.url == seen.url);
    CHECK(row.body == seen.body);
    REQUIRE(seen.tls_names != nullptr);
    CHECK(seen.tls_names->ca == "vaultCACertPath or vaultCADirectory");
  }
}

TEST_CASE("vault: requests go to the configured address") {
  struct Row {
    std::string address, url, socket;
  };
  const Row rows[] = {
      {"http://proxy/prefix/", "http://proxy/prefix/v1/secret/data/a", ""},
      {"https://[fd00::1]:8200", "https://[fd00::1]:8200/v1/secret/data/a", ""},
      {"unix:///run/vault/agent.sock", "http://localhost/v1/secret/data/a",
       "/run/vault/agent.sock"},
  };
  for (const Row& row : rows) {
    INFO(row.address);
    VaultSettings settings;
    settings.unix_sockets = {"/run/vault/agent.sock"};
    TestMount vault(Attributes{{"vaultAddress", row.address}}, std::move(settings));
    vault.http.On("", "*", {FakeHttpClient::Respond(200, kSecret)});
    REQUIRE(vault.FetchOne().ok());
    CHECK(row.url == vault.http.Requests().at(0).url);
    CHECK(row.socket == vault.http.Requests().at(0).unix_socket);
  }
}

TEST_CASE("vault: all questions are sent at once and each gets its own answer") {
  TestMount vault(Attributes{{"objects",
                              "- {objectName: a, secretPath: a}\n- {objectName: b, secretPath: b}\n"
                              "- {objectName: c, secretPath: c}"}});
  FakeHttpClient::Gate gate;
  vault.http.On("", "https://vault:8200/v1/a", {gate.Then(FakeHttpClient::Respond(200, kSecret))});
  vault.http.On("", "https://vault:8200/v1/b",
                {gate.Then(FakeHttpClient::Respond(404, R"({"errors":[]})"))});
  vault.http.On("", "https://vault:8200/v1/c",
                {gate.Then(FakeHttpClient::Fail(ErrorCode::kTransient, "cut"))});
  std::jthread release([&] {
    gate.AwaitArrivals(3);
    gate.Release();
  });
  std::vector<Question> questions;
  for (const Projection& p : vault.mount.projections) questions.push_back({p.ref, ""});
  std::vector<Result<Answer>> answers = vault.Fetch(questions);
  REQUIRE(answers.size() == 3);
  CHECK(CodeOf(answers[0]) == "ok");
  CHECK(CodeOf(answers[1]) == "not_found");
  CHECK(CodeOf(answers[2]) == "transient");
  CHECK(MessageOf(answers[2]) == "error requesting secret: GET https://vault:8200/v1/c: cut");
}

TEST_CASE("vault: a 503 of a server that is down as a whole differs from one of a single path") {
  struct Row {
    std::string name;
    int status;
    std::string body;
    ServerState want;
  };
  using enum ServerState;
  const Row rows[] = {
      {"sealed", 503, R"({"errors":["Vault is sealed"]})", kDown},
      {"sealed, OpenBao", 503, R"({"errors":["OpenBao is sealed"]})", kDown},
      {"standby", 503, R"({"errors":["Vault is in standby mode"]})", kDown},
      {"a locked namespace", 503, R"({"errors":["API access to this namespace has been locked"]})",
       kUnknown},
      {"words of a sealed server under another status", 404, "Vault is sealed", kWorks},
      {"a failing engine", 502, "", kUnknown},
      {"a quota", 429, "", kThrottles},
      {"denied", 403, "", kWorks},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    HttpResponse response;
    response.status = row.status;
    response.body = SecretBytes(row.body);
    CHECK(StateOfServer(response) == row.want);
  }
  TestMount vault;
  vault.http.On("GET", "https://vault:8200/v1/secret/data/a",
                {FakeHttpClient::Respond(200, kSecret)});
  REQUIRE(MessageOf(vault.FetchOne()) == "(ok)");
  CHECK(vault.http.Requests().at(0).server_state == StateOfServer);
}

TEST_CASE("vault: the error of a failed read has its code, the server's message and the fix") {
  struct Row {
    std::string name, path;
    int status;
    std::string body, code, want;
    std::string first{};  // after upstream's prefix
  };
  const Row rows[] = {
      {"denied", "secret/data/a", 403, R"({"errors":["permission denied"]})", "denied",
       "* permission denied; read after login by auth mount \"kubernetes\", role \"app\": its "
       "policies must allow this path"},
      {"denied where data/ may be missing", "secret/a", 403, R"({"errors":["permission denied"]})",
       "denied", "on a KV v2 engine the secretPath is \"secret/data/a\""},
      {"unauthorised", "secret/data/a", 401, "", "auth_expired", "Code: 401"},
      {"absent", "secret/data/a", 404, R"({"errors":[]})", "not_found",
       "Code: 404. Errors: none given; on a KV v1 engine the path has no \"data/\"",
       "secret \"secret/data/a\" does not exist: "},
      {"absent, without a body", "secret/data/a", 404, "", "not_found", "Code: 404",
       "secret \"secret/data/a\" does not exist: "},
      {"an absent version", "secret/data/a?version=9", 404, R"({"errors":[]})", "not_found",
       "Code: 404", "version 9 of secret \"secret/data/a\" does not exist: "},
      {"the latest version by number", "secret/data/a?version=0", 404, R"({"errors":[]})",
       "not_found", "Code: 404", "secret \"secret/data/a\" does not exist: "},
      {"KV v2 without data/", "secret/team/a", 404,
       R"({"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]})",
       "not_found",
       "* warning: Invalid path for a versioned K/V secrets engine.; on a KV v2 engine the "
       "secretPath is \"secret/data/team/a\"",
       "secret \"secret/team/a\" does not exist: "},
      {"a deleted version", "secret/data/a", 404,
       R"({"data":{"data":null,"metadata":{"version":2,"deletion_time":"2026-01-31T12:00:00Z",
           "destroyed":false}}})",
       "not_found", "Code: 404. Errors: none given",
       "version 2 of secret \"secret/data/a\" does not exist: it was deleted at "
       "2026-01-31T12:00:00Z; undelete it or write a new version: "},
      {"a destroyed version", "secret/data/a", 404,
       R"({"data":{"data":null,"metadata":{"version":2,"deletion_time":"","destroyed":true}}})",
       "not_found", "Code: 404. Errors: none given",
       "version 2 of secret \"secret/data/a\" does not exist: it was destroyed; write a new "
       "version: "},
      {"a destroyed version that was asked for", "secret/data/a?version=2", 404,
       R"({"data":{"data":null,"metadata":{"version":2,"deletion_time":"","destroyed":true}}})",
       "not_found", "Code: 404",
       "version 2 of secret \"secret/data/a\" does not exist: it was "
       "destroyed; write a new version: "},
      {"no engine", "secret/a", 404, R"({"errors":["no handler for route \"secret/a\"."]})",
       "not_found",
       "* no handler for route \"secret/a\".; check the first part of the secretPath, and "
       "vaultNamespace",
       "no secrets engine is mounted at the path \"secret/a\": "},
      {"a path with \"v1/\" twice", "v1/v1/secret/data/a", 404, R"({"errors":[]})", "not_found",
       "; the secretPath begins with \"v1/\" twice: write it once, or not at all",
       "secret \"v1/secret/data/a\" does not exist: "},
      {"a list of errors in one text", "secret/data/a", 403,
       R"({"errors":["1 error occurred:\n\t* permission denied\n\n"]})", "denied",
       "Errors: * 1 error occurred: * permission denied; read after"},
      {"a dynamic path has no KV hint", "database/creds/a", 404, "", "not_found",
       "Code: 404. Errors: none given", "secret \"database/creds/a\" does not exist: "},
      {"bad request", "pki/issue/w", 400, R"({"errors":["common name not allowed"]})", "invalid",
       "* common name not allowed"},
      {"unsupported", "secret/data/a", 405, R"({"errors":["unsupported operation"]})", "invalid",
       "unsupported operation"},
      {"behind", "secret/data/a", 412, "", "transient", "Code: 412"},
      {"sealed", "secret/data/a", 503, R"({"errors":["Vault is sealed"]})", "transient",
       "Vault is sealed"},
      {"upstream of the engine", "aws/creds/a", 502, "", "transient", "Code: 502"},
      {"not initialised", "secret/data/a", 501, "", "precondition", "Code: 501"},
      {"the path is shown as it is written", "secret/data/Team A/\u00fc", 404, "", "not_found",
       "Code: 404", "secret \"secret/data/Team A/\u00fc\" does not exist: "},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TestMount vault(Attributes{{"objects", Objects("secretPath: '" + row.path + "'")}});
    vault.http.On("", "*", {FakeHttpClient::Respond(row.status, row.body)});
    Result<Answer> answer = vault.FetchOne();
    CHECK(row.code == CodeOf(answer));
    CHECK_THAT(MessageOf(answer), ContainsSubstring(row.want));
    CHECK_THAT(MessageOf(answer),
               StartsWith("error requesting secret: " + row.first +
                          "Error making API request. URL: GET https://vault:8200/v1/" +
                          (row.path.starts_with("v1/") ? row.path.substr(3) : row.path)) &&
                   !ContainsSubstring("hvs.test-token"));
    if (row.path == "database/creds/a") {
      CHECK_THAT(MessageOf(answer), !ContainsSubstring("KV v"));
    }
  }
}

TEST_CASE("vault: an error shows the path as the class spells it") {
  TestMount vault(Attributes{{"objects", Objects("secretPath: 'secret/data/Team A/50%'")}});
  vault.http.On(
      "", "https://vault:8200/v1/secret/data/Team%20A/50%25",
      {FakeHttpClient::Respond(403, "{}"), FakeHttpClient::Fail(ErrorCode::kTransient, "cut")});
  CHECK_THAT(MessageOf(vault.FetchOne()),
             ContainsSubstring("URL: GET https://vault:8200/v1/secret/data/Team A/50% Code: 403"));
  CHECK(MessageOf(vault.FetchOne()) ==
        "error requesting secret: GET https://vault:8200/v1/secret/data/Team A/50%: cut");
}

TEST_CASE("vault: an address that ends with the API's own prefix is named, by where it was set") {
  struct Row {
    std::string of_class, of_node, want;
  };
  const Row rows[] = {
      {"https://v:8200/v1/", "",
       "; vaultAddress \"https://v:8200/v1/\" ends with \"/v1\", which is "
       "added to it: leave it out"},
      {"", "https://v:8200/v1",
       "; providers.vault.address of the node's configuration "
       "\"https://v:8200/v1\" ends with \"/v1\", which is added to it"},
      {"https://v:8200/proxy", "", "none given; on a KV v1 engine"},
  };
  for (const Row& row : rows) {
    INFO(row.want);
    VaultSettings settings;
    settings.address = row.of_node;
    TestMount vault(Attributes{{"vaultAddress", row.of_class}}, std::move(settings));
    REQUIRE(vault.parse_error == "");
    vault.http.On(
        "", "*",
        {FakeHttpClient::Respond(404, R"({"errors":[]})"),
         FakeHttpClient::Respond(404, R"({"errors":[]})"), FakeHttpClient::Respond(200, kSecret)});
    CHECK_THAT(MessageOf(vault.FetchOne()), ContainsSubstring(row.want));
    CHECK(ContainsSubstring("ends with \"/v1\"").match(MessageOf(vault.LogIn())) ==
          row.want.starts_with(";"));
    // A proxy may serve the API below "/v1", so it is asked all the same.
    CHECK(vault.FetchOne().ok());
  }
}

TEST_CASE("vault: Retry-After reaches the caller, in seconds or as a date") {
  TestMount vault;
  vault.http.On(
      "", "*",
      {FakeHttpClient::Respond(429, "", {{"retry-after", "12"}}), FakeHttpClient::Respond(429, ""),
       FakeHttpClient::Respond(503, "", {{"retry-after", "3"}})});
  Result<Answer> answer = vault.FetchOne();
  CHECK(CodeOf(answer) == "throttled");
  CHECK(answer.error().retry_after() == std::optional<std::chrono::milliseconds>(12s));
  answer = vault.FetchOne();
  CHECK(CodeOf(answer) == "throttled");
  CHECK_FALSE(answer.error().retry_after().has_value());
  answer = vault.FetchOne();
  CHECK(CodeOf(answer) == "transient");
  CHECK(answer.error().retry_after() == std::optional<std::chrono::milliseconds>(3s));
}

namespace {

// The server of a class may redirect to these hosts.
VaultSettings RedirectingTo(std::vector<std::string> hosts) {
  VaultSettings settings;
  settings.redirect_hosts = std::move(hosts);
  return settings;
}

}  // namespace

TEST_CASE("vault: one redirect of a standby is followed, with method, body and token") {
  for (int status : {301, 302, 307, 308}) {
    INFO(status);
    TestMount vault(Attributes{{"objects", Objects("secretPath: pki/issue/w, method: PUT, "
                                                   "secretArgs: {common_name: x}")},
                               {"vaultCACertPath", "/ca"}},
                    RedirectingTo({"active"}));
    vault.http.On("", "https://vault:8200/*",
                  {FakeHttpClient::Respond(status, "",
                                           {{"location", "https://active:8200/v1/pki/issue/w"}})});
    vault.http.On("", "https://active:8200/v1/pki/issue/w",
                  {FakeHttpClient::Respond(200, kSecret)});
    REQUIRE(MessageOf(vault.FetchOne()) == "(ok)");
    const FakeHttpClient::RecordedRequest seen = vault.http.Requests().at(1);
    CHECK(seen.method == "PUT");
    CHECK(seen.body == R"({"common_name":"x"})");
    CHECK(seen.headers.at("x-vault-token") == "hvs.test-token");
    CHECK(seen.tls->ca_file == "/ca");
  }
}

TEST_CASE("vault: with a client certificate only the node's own server may redirect to another") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::string location;
    bool followed;
  };
  const Attributes pair = {{"vaultTLSClientCertPath", "/c"}, {"vaultTLSClientKeyPath", "/k"}};
  const auto with_pair = [&](Attributes attributes) {
    attributes.insert(pair.begin(), pair.end());
    return attributes;
  };
  constexpr char kElsewhere[] = "https://active:8200/v1/auth/cert/login";
  const Row rows[] = {
      {"the node's server", with_pair({}), kElsewhere, true},
      {"a server of the class", with_pair({{"vaultAddress", "https://evil"}}), kElsewhere, false},
      {"the node's server under the class's trust", with_pair({{"vaultSkipTLSVerify", "true"}}),
       kElsewhere, false},
      {"a path of the same server", with_pair({{"vaultAddress", "https://evil"}}), "/v1/b", true},
      {"no certificate, a listed host", {{"vaultAddress", "https://evil"}}, kElsewhere, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    VaultSettings settings = RedirectingTo({"active"});
    settings.address = "https://vault:8200";
    TestMount vault(row.attributes, std::move(settings));
    REQUIRE(vault.parse_error == "");
    vault.http.On("", "*",
                  {FakeHttpClient::Respond(307, "", {{"location", row.location}}),
                   FakeHttpClient::Respond(200, kSecret)});
    const Result<Answer> answer = vault.FetchOne();
    INFO(MessageOf(answer));
    CHECK(answer.ok() == row.followed);
    CHECK(vault.http.Requests().size() == (row.followed ? 2 : 1));
    if (!row.followed)
      CHECK_THAT(MessageOf(answer), ContainsSubstring("a redirect to another server"));
  }
}

TEST_CASE("vault: a login is redirected too, and two redirects are one too many") {
  TestMount vault({}, RedirectingTo({"active"}));
  vault.http.On("", "*",
                {FakeHttpClient::Respond(307, "", {{"location", "https://active:8200/v1/x"}})});
  Result<Credential> login = vault.LogIn();
  CHECK(CodeOf(login) == "transient");
  CHECK_THAT(MessageOf(login), ContainsSubstring("redirected twice"));
  CHECK(vault.http.Requests().size() == 2);
  CHECK(vault.http.Requests().at(1).body == vault.http.Requests().at(0).body);
}

TEST_CASE("vault: only a safe redirect is followed") {
  constexpr char kHttps[] = "https://vault:8200";
  constexpr char kHttp[] = "http://vault:8200";
  struct Row {
    std::string name, address, location, want;
  };
  const Row rows[] = {
      {"a listed host", kHttps, "https://active/v1/a", "https://active/v1/a"},
      {"a listed host in capitals", kHttps, "https://ACTIVE./v1/a", "https://ACTIVE./v1/a"},
      {"a host below a listed domain", kHttps, "https://v-0.pods.test:8200/v1/a",
       "https://v-0.pods.test:8200/v1/a"},
      {"the same host at another port", kHttps, "https://vault/v1/a", "https://vault/v1/a"},
      {"http to https", kHttp, "https://vault/v1/a", "https://vault/v1/a"},
      {"http to http", kHttp, "http://active/v1/a", "http://active/v1/a"},
      {"an @ in the path", kHttps, "https://vault/v1/a@b", "https://vault/v1/a@b"},
      {"loopback to loopback", "http://127.0.0.1:8200", "http://127.0.0.1:8300/v1/a",
       "http://127.0.0.1:8300/v1/a"},
      {"a path only", "https://vault:8200/prefix", "/v1/b?x=1", "https://vault:8200/v1/b?x=1"},
      {"a path on a socket", "unix:///s", "/v1/b", "http://localhost/v1/b"},
      {"another host", kHttps, "https://evil/v1/a", "a redirect to another host, \"evil\", is not"},
      {"the listed domain itself", kHttps, "https://pods.test/v1/a", "to another host"},
      {"the end of a name", kHttps, "https://evilpods.test/v1/a", "to another host"},
      {"a listed host as user name", kHttps, "https://active:8200@evil/v1/a", "user name"},
      {"a backslash", kHttps, "https://evil\\@active/v1/a", "malformed"},
      {"https to http", kHttps, "http://vault:8200/v1/a", "from https to http"},
      {"https to HTTP", kHttps, "HTTP://vault:8200/v1/a", "from https to http"},
      {"loopback", kHttp, "http://127.0.0.1:8200/v1/a", "to a loopback address"},
      {"loopback, short", kHttp, "http://127.1/v1/a", "to a loopback address"},
      {"loopback, a number", kHttp, "http://2130706433/v1/a", "to a loopback address"},
      {"loopback, IPv6", kHttp, "http://[::1]/v1/a", "to a loopback address"},
      {"loopback, mapped", kHttp, "http://[::ffff:127.0.0.1]/v1/a", "to a loopback address"},
      {"localhost", kHttp, "http://LocalHost./v1/a", "to a loopback address"},
      {"below localhost", kHttp, "http://a.localhost/v1/a", "to a loopback address"},
      {"metadata", kHttp, "http://169.254.169.254/latest", "to a link-local address"},
      {"link-local, IPv6", kHttp, "http://[fe80::1]/v1/a", "to a link-local address"},
      {"unspecified", kHttp, "http://0.0.0.0/v1/a", "to an unspecified address"},
      {"unspecified, IPv6", kHttp, "http://[::]/v1/a", "to an unspecified address"},
      {"away from a socket", "unix:///s", "https://vault/v1/a", "away from a unix socket"},
      {"nowhere", kHttps, "", "without saying where to"},
      {"another protocol", kHttps, "file:///etc/passwd", "not http(s)"},
      {"no scheme", kHttps, "//evil/v1/a", "not http(s)"},
      {"no host", kHttps, "https://", "malformed"},
      {"a user name", kHttps, "https://u:p@evil/v1/a", "user name"},
      {"a line break", kHttps, "https://a/\r\nx: y", "malformed"},
  };
  Options options;
  options.tls = std::make_shared<const TlsSettings>();
  options.redirect_hosts = {"active", "*.Pods.test", "169.254.169.254", "127.0.0.1", "localhost"};
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Address> address = Address::Parse(row.address);
    REQUIRE(address.ok());
    HttpRequest from;
    from.url = address->base + "/v1/a";
    from.unix_socket = address->unix_socket;
    Result<std::string> target = RedirectTarget(from, row.location, options);
    CHECK_THAT(target.ok() ? *target : target.error().message(), ContainsSubstring(row.want));
    CHECK(target.ok() == row.want.starts_with("http"));
  }
}

TEST_CASE("vault: the node's own server may redirect to any host but those of the machine") {
  Options options;
  options.tls = std::make_shared<const TlsSettings>();
  options.at_node_server = true;
  HttpRequest from;
  from.url = "http://vault:8200/v1/a";
  CHECK(RedirectTarget(from, "http://10.1.2.3:8200/v1/a", options).ok());
  CHECK_FALSE(RedirectTarget(from, "http://169.254.169.254/v1/a", options).ok());
  CHECK_FALSE(RedirectTarget(from, "http://127.0.0.1/v1/a", options).ok());
}

TEST_CASE("vault: a refused redirect fails that read only, and the token is not sent") {
  TestMount vault;
  vault.http.On("", "*",
                {FakeHttpClient::Respond(307, "", {{"location", "http://vault:8200/v1/x"}})});
  Result<Answer> answer = vault.FetchOne();
  CHECK(CodeOf(answer) == "invalid");
  CHECK_THAT(MessageOf(answer),
             ContainsSubstring("error requesting secret: GET https://vault:8200") &&
                 ContainsSubstring("a redirect from https to http"));
  CHECK(vault.http.Requests().size() == 1);
}

TEST_CASE("vault: a context that is over ends the call with its own error") {
  TestMount vault;
  std::stop_source stop;
  stop.request_stop();
  std::vector<Question> questions = {{vault.mount.projections[0].ref, ""}};
  std::vector<Result<Answer>> answers =
      vault.provider.backend->Fetch(Context(SteadyTime::max(), stop.get_token()), vault.options(),
                                    TestMount::credential(), questions);
  CHECK(CodeOf(answers.at(0)) == "cancelled");
}

TEST_CASE("vault: a key that is added to the server's reply twice counts once") {
  TestMount vault;
  const auto files = vault.provider.spc->RenderFiles(
      vault.mount.projections[0], SecretBytes(R"({"data":{"k":"first","k":"last"}})"));
  REQUIRE(files.ok());
  CHECK(files->at(0).contents.Reveal() == "last");
}

}  // namespace nodekeep::vault

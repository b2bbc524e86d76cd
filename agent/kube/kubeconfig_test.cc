#include "agent/kube/kubeconfig.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "agent/base/codecs.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

// A kubeconfig with these fields in its cluster and user, each line indented by four spaces.
std::string Config(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
         "clusters:\n- name: other\n  cluster: {server: 'https://other:1'}\n"
         "- name: c\n  cluster:\n" +
         cluster + "users:\n- name: u\n  user:\n" + user +
         "contexts:\n- name: main\n  context: {cluster: c, user: u}\n";
}

constexpr char kServer[] = "    server: https://10.0.0.1:6443/\n";

}  // namespace

TEST_CASE("kubeconfig: the current context's cluster and user are read") {
  TempDir folder;
  const std::string path = folder.Write(
      "config", Config("    server: https://10.0.0.1:6443/\n    certificate-authority: pki/ca.crt\n"
                       "    tls-server-name: kube.test\n",
                       "    client-certificate: /pki/me.crt\n    client-key: me.key\n"));
  Result<KubeConnection> read = ReadKubeconfig(path);
  REQUIRE(read.ok());
  CHECK(read->server == "https://10.0.0.1:6443");
  CHECK(read->source == "kubeconfig " + path);
  CHECK(read->tls->ca_file == folder / "pki/ca.crt");
  CHECK(read->tls->ca_pem.empty());
  CHECK(read->tls->server_name == "kube.test");
  CHECK_FALSE(read->tls->skip_verify);
  CHECK(read->tls->client_cert_file == "/pki/me.crt");
  CHECK(read->tls->client_key_file == folder / "me.key");
  CHECK(read->tls->client_key_pem == nullptr);
  CHECK(read->token.empty());
  CHECK(read->token_file.empty());
}

TEST_CASE("kubeconfig: inline data takes precedence over paths") {
  TempDir folder;
  const std::string path = folder.Write(
      "config",
      Config(fmt::format("{}    certificate-authority: ca.crt\n"
                         "    certificate-authority-data: {}\n    insecure-skip-tls-verify: true\n",
                         kServer, Base64Encode("the CA")),
             fmt::format("    client-certificate: me.crt\n    client-certificate-data: {}\n"
                         "    client-key: me.key\n    client-key-data: {}\n",
                         Base64Encode("my cert"), Base64Encode("my key"))));
  Result<KubeConnection> read = ReadKubeconfig(path);
  REQUIRE(read.ok());
  CHECK(read->tls->ca_pem == "the CA");
  CHECK(read->tls->ca_file.empty());
  CHECK(read->tls->skip_verify);
  CHECK(read->tls->client_cert_pem == "my cert");
  CHECK(read->tls->client_cert_file.empty());
  REQUIRE(read->tls->client_key_pem != nullptr);
  CHECK(read->tls->client_key_pem->Reveal() == "my key");
  CHECK(read->tls->client_key_file.empty());
}

TEST_CASE("kubeconfig: JSON is accepted, and tokens are read") {
  TempDir folder;
  const std::string path = folder.Write("config", R"({"current-context": "x",
      "clusters": [{"name": "b", "cluster": {"server": "https://127.0.0.1:1"}}],
      "users": [{"name": "x", "user": {"token": "abc", "tokenFile": "token"}}],
      "contexts": [{"name": "x", "context": {"cluster": "b", "user": "x"}}]})");
  Result<KubeConnection> read = ReadKubeconfig(path);
  REQUIRE(read.ok());
  CHECK(read->token.Reveal() == "abc");
  CHECK(read->token_file == folder / "token");
}

TEST_CASE("kubeconfig: an unusable field is an error that names it") {
  struct Row {
    std::string name, text, want;
  };
  const std::string user = "    token: t0p-secret\n";
  const Row rows[] = {
      {"not YAML", "a: [", "line "},
      {"no context chosen", "clusters: []\n", "current-context is not set"},
      {"unknown context", "current-context: x\n", "contexts has no entry named \"x\""},
      {"unknown cluster",
       "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n",
       "clusters has no entry named \"c\""},
      {"unknown user",
       "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
       "clusters: [{name: c, cluster: {server: 'https://a'}}]\n",
       "users has no entry named \"u\""},
      {"entry without content", "current-context: x\ncontexts: [{name: x}]\n",
       "context \"x\" has no field context"},
      {"no server", Config("    tls-server-name: x\n", user),
       "cluster \"c\": field server: \"\" must begin with https:// or http://"},
      {"server without scheme", Config("    server: 10.0.0.1:6443\n", user),
       "\"10.0.0.1:6443\" must begin with https://"},
      {"a token in the clear", Config("    server: http://10.0.0.1\n", user),
       "a token is not sent over http://"},
      {"bad CA data",
       Config(std::string(kServer) + "    certificate-authority-data: '***'\n", user),
       "field certificate-authority-data: illegal base64 data at input byte 0"},
      {"bad flag", Config(std::string(kServer) + "    insecure-skip-tls-verify: maybe\n", user),
       "field insecure-skip-tls-verify must be true or false"},
      {"server is a list", Config("    server: [a]\n", user), "field server must be a string"},
      {"proxy", Config(std::string(kServer) + "    proxy-url: http://p\n", user),
       "field proxy-url: not supported: set HTTPS_PROXY"},
      {"exec", Config(kServer, "    exec: {command: aws}\n"),
       "user \"u\": line 13, column 11: field exec: not supported: use a token, a tokenFile or a "
       "client "
       "certificate"},
      {"auth-provider", Config(kServer, "    auth-provider: {name: oidc}\n"),
       "field auth-provider: not supported"},
      {"password", Config(kServer, "    username: u\n    password: p\n"),
       "field username: not supported"},
      {"impersonation", Config(kServer, user + "    as: system:admin\n"),
       "field as: not supported: grant the user itself the permissions"},
      {"bad key data", Config(kServer, "    client-key-data: '!'\n"),
       "field client-key-data: illegal base64"},
  };
  TempDir folder;
  for (const Row& row : rows) {
    INFO(row.name);
    const std::string path = folder.Write("config", row.text);
    Result<KubeConnection> read = ReadKubeconfig(path);
    REQUIRE_FALSE(read.ok());
    INFO(read.error().message());
    CHECK(read.error().code() == ErrorCode::kInvalid);
    CHECK(read.error().message().starts_with("kubeconfig " + path + ": "));
    CHECK(read.error().message().find(row.want) != std::string::npos);
    CHECK(read.error().message().find("t0p-secret") == std::string::npos);
  }
  Result<KubeConnection> missing = ReadKubeconfig(folder / "missing");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message().ends_with("No such file or directory"));
}

TEST_CASE("in-cluster connection: server, token and CA come from the pod's environment") {
  TempDir folder;
  folder.Write("token", "abc");
  std::map<std::string, std::string> variables;
  const Environment environment = [&](const std::string& name) { return variables[name]; };

  Result<KubeConnection> outside = InClusterConnection(environment, folder.path());
  REQUIRE_FALSE(outside.ok());
  CHECK(outside.error().code() == ErrorCode::kPrecondition);

  variables = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  Result<KubeConnection> inside = InClusterConnection(environment, folder.path());
  REQUIRE(inside.ok());
  CHECK(inside->server == "https://10.0.0.1:443");
  CHECK(inside->token_file == folder / "token");
  CHECK(inside->tls->ca_file == folder / "ca.crt");

  variables["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  Result<KubeConnection> ipv6 = InClusterConnection(environment, folder.path());
  REQUIRE(ipv6.ok());
  CHECK(ipv6->server == "https://[fd00::1]:443");

  Result<KubeConnection> no_token = InClusterConnection(environment, folder / "missing");
  REQUIRE_FALSE(no_token.ok());
  CHECK(no_token.error().message().find("automountServiceAccountToken") != std::string::npos);
}

}  // namespace nodekeep

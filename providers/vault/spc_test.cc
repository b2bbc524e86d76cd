#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "agent/base/yaml.h"
#include "agent/secrets/spc_reader.h"
#include "providers/vault/node_paths.h"
#include "providers/vault/options.h"
#include "tests/source_dir.h"

using Catch::Matchers::ContainsSubstring;

namespace nodekeep::vault {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr const char* kObjects = R"(
- objectName: db-password
  secretPath: secret/data/db
  secretKey: password
)";

// A valid class with `changes` applied; the value "-" removes a key.
SpcInput Input(const Attributes& changes = {}) {
  SpcInput input;
  input.parameters = {
      {"roleName", "app"}, {"objects", kObjects}, {"csi.storage.k8s.io/pod.name", "web-0"}};
  for (const auto& [key, value] : changes) {
    if (value == "-") {
      input.parameters.erase(key);
    } else {
      input.parameters[key] = value;
    }
  }
  return input;
}

SpcInput WithObjects(const std::string& objects) { return Input({{"objects", objects}}); }

std::string ErrorOf(const Result<ParsedMount>& result) {
  return result.ok() ? "(parsed)" : result.error().message();
}

std::shared_ptr<const Options> OptionsOf(const Result<ParsedMount>& mount) {
  REQUIRE(ErrorOf(mount) == "(parsed)");
  return std::static_pointer_cast<const Options>(mount->options);
}

Projection OneOf(const std::string& objects) {
  Result<ParsedMount> mount = ParseMount(WithObjects(objects), VaultSettings());
  REQUIRE(ErrorOf(mount) == "(parsed)");
  REQUIRE(mount->projections.size() == 1);
  return mount->projections.front();
}

}  // namespace

TEST_CASE("vault: a plain class becomes one read of one key") {
  Result<ParsedMount> mount = ParseMount(Input(), VaultSettings());
  REQUIRE(ErrorOf(mount) == "(parsed)");
  CHECK(mount->audiences == std::vector<std::string>{"vault", ""});
  CHECK(mount->mount_error == "error making mount request");
  CHECK(mount->policy == Policy());
  REQUIRE(mount->projections.size() == 1);
  const Projection& object = mount->projections[0];
  CHECK(object.object == "db-password");
  CHECK(object.path == "db-password");
  CHECK(object.mode == 0644);
  CHECK(object.field == "password");
  CHECK(object.read_error == "couldn't read secret \"db-password\"");
  CHECK(object.ref == SecretRef{"vault", "https://127.0.0.1:8200", "/v1/secret/data/db", "", ""});
  CHECK(object.version_seed ==
        R"({"ObjectName":"db-password","SecretPath":"secret/data/db","SecretKey":"password",)"
        R"("Method":"","SecretArgs":null,"FilePermission":0,"Encoding":""})");
}

TEST_CASE("vault: each wrong parameter gets its message") {
  struct Row {
    std::string name;
    Attributes changes;
    std::string want;
  };
  const std::string entry = "- {objectName: a, secretPath: p";
  const std::vector<Row> rows = {
      {"both mount keys",
       {{"vaultAuthMountPath", "a"}, {"vaultKubernetesMountPath", "b"}},
       "cannot set both vaultKubernetesMountPath and vaultAuthMountPath"},
      {"both mount keys, both empty",
       {{"vaultAuthMountPath", ""}, {"vaultKubernetesMountPath", ""}},
       "cannot set both vaultKubernetesMountPath and vaultAuthMountPath"},
      {"skip verify is not a boolean",
       {{"vaultSkipTLSVerify", "yes"}},
       "parameter vaultSkipTLSVerify: strconv.ParseBool: parsing \"yes\": invalid syntax"},
      {"skip verify is empty",
       {{"vaultSkipTLSVerify", ""}},
       "strconv.ParseBool: parsing \"\": invalid syntax"},
      {"no role", {{"roleName", "-"}}, "missing 'roleName'"},
      {"empty role", {{"roleName", ""}}, "missing 'roleName'"},
      {"no role for jwt", {{"roleName", "-"}, {"nodekeep/auth", "jwt"}}, "missing 'roleName'"},
      {"no objects", {{"objects", "-"}}, "no secrets configured"},
      {"empty objects", {{"objects", ""}}, "no secrets configured"},
      {"empty list", {{"objects", "[]"}}, "no secrets configured"},
      {"objects is a mapping", {{"objects", "a: b"}}, "must be a list of objects"},
      {"objects is a text", {{"objects", "hello"}}, "must be a list of objects"},
      {"an entry is a text", {{"objects", "- hello"}}, "entry 1: line 1"},
      {"broken YAML", {{"objects", "- {"}}, "parameter objects: line"},
      {"a duplicate YAML key",
       {{"objects", "- {objectName: a, objectName: b, secretPath: p}"}},
       "parameter objects: line 1"},
      {"a name that is a list", {{"objects", "- {objectName: [a], secretPath: p}"}}, "objectName"},
      {"duplicate names",
       {{"objects",
         "- {objectName: a, secretPath: p}\n- {objectName: b, secretPath: p}\n"
         "- {objectName: b, secretPath: q}\n- {objectName: a, secretPath: q}"}},
       "each `objectName` within a SecretProviderClass must be unique; used more than once: \"b\", "
       "\"a\""},
      {"two without a name",
       {{"objects", "- {secretPath: p}\n- {secretPath: q}"}},
       "each `objectName` within a SecretProviderClass must be unique"},
      {"one without a name",
       {{"objects", "- {secretPath: p}"}},
       "parameter objects: entry 1: objectName is missing"},
      {"a null entry", {{"objects", "- ~"}}, "entry 1: objectName is missing"},
      {"name climbs out",
       {{"objects", "- {objectName: ../a, secretPath: p}"}},
       "object \"../a\": invalid"},
      {"name is absolute",
       {{"objects", "- {objectName: /a, secretPath: p}"}},
       "object \"/a\": invalid"},
      {"name is not clean",
       {{"objects", "- {objectName: a//b, secretPath: p}"}},
       "object \"a//b\": invalid"},
      {"a file that is a folder",
       {{"objects", "- {objectName: a/b, secretPath: p}\n- {objectName: a, secretPath: p}"}},
       "object \"a/b\": invalid path: \"a\" is another object's file"},
      {"no path", {{"objects", "- {objectName: a}"}}, "object \"a\": secretPath is empty"},
      {"a path of slashes",
       {{"objects", "- {objectName: a, secretPath: //}"}},
       "object \"a\": secretPath is empty"},
      {"a path that leaves the API",
       {{"objects", "- {objectName: a, secretPath: ../../ui}"}},
       "object \"a\": secretPath \"../../ui\" leaves the API"},
      {"a bad escape in the query",
       {{"objects", "- {objectName: a, secretPath: 'p?x=%zz'}"}},
       "invalid URL escape \"%zz\""},
      {"a semicolon in the query",
       {{"objects", "- {objectName: a, secretPath: 'p?x=1;y=2'}"}},
       "invalid semicolon separator in query"},
      {"a line break in the path",
       {{"objects", "- {objectName: a, secretPath: \"p\\nq\"}"}},
       "secretPath holds control characters"},
      {"a quoted mode", {{"objects", entry + ", filePermission: '0644'}"}}, "filePermission"},
      {"a mode that is a word", {{"objects", entry + ", filePermission: rw}"}}, "filePermission"},
      {"a mode over 0777",
       {{"objects", entry + ", filePermission: 01000}"}},
       "object \"a\": filePermission 512 is not a file mode"},
      {"a negative mode",
       {{"objects", entry + ", filePermission: -1}"}},
       "object \"a\": filePermission -1 is not a file mode"},
      {"a mode in decimal that was meant as octal",
       {{"objects", entry + ", filePermission: 644}"}},
       "object \"a\": filePermission 644 is not a file mode"},
      {"an unknown encoding with a key",
       {{"objects", entry + ", secretKey: k, encoding: rot13}"}},
       "error making mount request: {p}: {invalid encoding type \"rot13\""},
      {"arguments that are a list",
       {{"objects", entry + ", secretArgs: [a]}"}},
       "secretArgs must be a mapping"},
      {"arguments that JSON cannot say",
       {{"objects", entry + ", secretArgs: {ttl: .inf}}"}},
       "a JSON body cannot hold .inf"},
      {"a method that splits the request",
       {{"objects", entry + ", method: \"GET /\"}"}},
       "object \"a\": method \"GET /\" is not an HTTP method"},
      {"a misspelt key of ours in an object",
       {{"objects", entry + ", nodekeep/optinal: true}"}},
       "object \"a\": key \"nodekeep/optinal\" is unknown; keys under nodekeep/ in an object are: "
       "nodekeep/optional"},
      {"optional that is not a boolean",
       {{"objects", entry + ", nodekeep/optional: perhaps}"}},
       "nodekeep/optional"},
      {"an unknown login",
       {{"nodekeep/auth", "ldap"}},
       "parameter nodekeep/auth: unknown method \"ldap\"; use kubernetes, jwt, token, approle or"},
      {"a misspelt key of ours", {{"nodekeep/refreshafter", "1m"}}, "nodekeep/refreshafter"},
      {"a bad duration", {{"nodekeep/refreshAfter", "soon"}}, "nodekeep/refreshAfter"},
      {"optional names an unknown object",
       {{"nodekeep/optional", "other"}},
       "no object is named \"other\""},
      {"address without scheme",
       {{"vaultAddress", "vault:8200"}},
       "error making mount request: vaultAddress \"vault:8200\": it must begin with http://"},
      {"address of another scheme",
       {{"vaultAddress", "ftp://vault"}},
       "it must begin with http://"},
      {"address without host", {{"vaultAddress", "https://"}}, "it names no host"},
      {"address with port only", {{"vaultAddress", "https://:8200"}}, "it names no host"},
      {"address with a bad port",
       {{"vaultAddress", "https://v:99999"}},
       "the port is not a number"},
      {"address with an empty port", {{"vaultAddress", "https://v:"}}, "the port is not a number"},
      {"address with bare IPv6", {{"vaultAddress", "https://::1:8200"}}, "it names no host"},
      {"address with bare IPv6, long",
       {{"vaultAddress", "https://fd00::1"}},
       "an IPv6 address goes into brackets"},
      {"address with open bracket", {{"vaultAddress", "https://[::1"}}, "not closed"},
      {"address with query", {{"vaultAddress", "https://v?x=1"}}, "has no query"},
      {"address with white space", {{"vaultAddress", "https://v v"}}, "white space"},
      {"relative socket", {{"vaultAddress", "unix://agent.sock"}}, "absolute path after unix://"},
      {"a lone client certificate",
       {{"vaultTLSClientCertPath", "/c"}},
       "both client cert and client key must be provided: set vaultTLSClientKeyPath beside"},
      {"a lone client key",
       {{"vaultTLSClientKeyPath", "/k"}},
       "both client cert and client key must be provided: set vaultTLSClientCertPath beside"},
      {"cert login without a pair", {{"nodekeep/auth", "cert"}}, "\"cert\" needs an https address"},
      {"cert login over http",
       {{"nodekeep/auth", "cert"},
        {"vaultAddress", "http://v"},
        {"vaultTLSClientCertPath", "/c"},
        {"vaultTLSClientKeyPath", "/k"}},
       "\"cert\" needs an https address"},
      {"a socket that is not listed",
       {{"vaultAddress", "unix:///var/run/docker.sock"}},
       "vaultAddress \"unix:///var/run/docker.sock\": providers.vault.unixSockets of the node's "
       "configuration does not list this socket"},
      {"a server name that is more than a name",
       {{"vaultTLSServerName", "vault:8200/v1/auth/cert/login?x="}},
       "vaultTLSServerName \"vault:8200/v1/auth/cert/login?x=\" is not a host name"},
      {"a parameter that is too long",
       {{"roleName", std::string(4097, 'r')}},
       "parameter roleName has 4097 bytes; 4096 are the most"},
      {"a mount that is a query",
       {{"vaultAuthMountPath", "k?x"}},
       "is not a path of an auth mount"},
      {"a mount that climbs", {{"vaultAuthMountPath", "../sys"}}, "is not a path of an auth mount"},
      {"a namespace that splits the header",
       {{"vaultNamespace", "a\r\nX-Vault-Token: b"}},
       "vaultNamespace holds control characters"},
      {"a login namespace that splits the header",
       {{"nodekeep/authNamespace", "a\r\nX-Vault-Token: b"}},
       "nodekeep/authNamespace holds control characters"},
      {"a mount that climbs, by its other name",
       {{"vaultKubernetesMountPath", "../sys"}},
       "error making mount request: vaultKubernetesMountPath \"../sys\" is not a path of an auth "
       "mount"},
      {"what becomes of null is misspelt",
       {{"nodekeep/nullValues", "Text"}},
       "parameter nodekeep/nullValues: \"Text\" is unknown; use refuse or text"},
      {"an encoding of a property",
       {{"objects", "- {objectName: a, secretPath: p, nodekeep/property: x, encoding: rot13}"}},
       "invalid encoding type \"rot13\""},
      {"an unknown key under nodekeep/",
       {{"objects", "- {objectName: a, secretPath: p, nodekeep/propery: x}"}},
       "key \"nodekeep/propery\" is unknown; keys under nodekeep/ in an object are: "
       "nodekeep/optional, "
       "nodekeep/property"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount = ParseMount(Input(row.changes), VaultSettings());
    CHECK_THAT(ErrorOf(mount), ContainsSubstring(row.want));
    if (!mount.ok()) CHECK(mount.error().code() == ErrorCode::kInvalid);
  }
}

TEST_CASE("vault: an error about a setting of the node names the setting") {
  struct Row {
    std::string name;
    void (*set)(VaultSettings&);
    std::string want;
  };
  const Row rows[] = {
      {"address", [](VaultSettings& settings) { settings.address = "vault:8200"; },
       "error making mount request: providers.vault.address of the node's configuration "
       "\"vault:8200\": it must begin with http://"},
      {"namespace", [](VaultSettings& settings) { settings.namespace_name = "a\nb"; },
       "error making mount request: providers.vault.namespace of the node's configuration holds "
       "control characters"},
      {"mount", [](VaultSettings& settings) { settings.auth_mount = "../sys"; },
       "error making mount request: providers.vault.authMount of the node's configuration "
       "\"../sys\" is not a path of an auth mount"},
      {"certificate", [](VaultSettings& settings) { settings.tls.client_cert_file = "/c"; },
       "error making mount request: both client cert and client key must be provided: set "
       "providers.vault.clientKeyFile of the node's configuration beside its clientCertFile"},
      {"key", [](VaultSettings& settings) { settings.tls.client_key_file = "/k"; },
       "error making mount request: both client cert and client key must be provided: set "
       "providers.vault.clientCertFile of the node's configuration beside its clientKeyFile"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    VaultSettings settings;
    row.set(settings);
    CHECK_THAT(ErrorOf(ParseMount(Input(), settings)), ContainsSubstring(row.want));
  }
}

TEST_CASE("vault: the class decides over the node what becomes of null") {
  struct Row {
    std::string of_class;
    NullValues of_node, want;
  };
  for (const Row& row : {Row{"-", NullValues::kRefuse, NullValues::kRefuse},
                         Row{"-", NullValues::kText, NullValues::kText},
                         Row{"", NullValues::kText, NullValues::kText},
                         Row{"text", NullValues::kRefuse, NullValues::kText},
                         Row{"refuse", NullValues::kText, NullValues::kRefuse}}) {
    INFO(row.of_class);
    VaultSettings settings;
    settings.nulls = row.of_node;
    const Result<ParsedMount> mount =
        ParseMount(Input({{"nodekeep/nullValues", row.of_class}}), settings);
    REQUIRE(ErrorOf(mount) == "(parsed)");
    CHECK(mount->projections.at(0).nulls == row.want);
  }
}

TEST_CASE("vault: nodekeep/property goes with a key, or without one with the whole data") {
  const Projection inside = OneOf(
      "- {objectName: a, secretPath: p, secretKey: k, nodekeep/property: x.y, encoding: Base64}");
  CHECK(inside.field == "k");
  CHECK(inside.property == "x.y");
  CHECK(inside.encoding == "base64");
  const Projection whole =
      OneOf("- {objectName: a, secretPath: p, nodekeep/property: x, encoding: hex}");
  CHECK(whole.field == "");
  CHECK(whole.property == "x");
  CHECK(whole.encoding == "hex");
}

TEST_CASE("vault: a class may name the node's own socket and those that are listed") {
  VaultSettings settings;
  settings.address = "unix:///run/own.sock";
  settings.unix_sockets = {"/run/listed.sock"};
  struct Row {
    std::string socket;
    bool allowed;
  };
  for (const Row& row : {Row{"/run/own.sock", true}, Row{"/run/listed.sock", true},
                         Row{"/run/listed.sock/../other", false}, Row{"/run/listed.sock2", false},
                         Row{"/run", false}}) {
    INFO(row.socket);
    CHECK(ParseMount(Input({{"vaultAddress", "unix://" + row.socket}}), settings).ok() ==
          row.allowed);
  }
  CHECK(ParseMount(Input(), settings).ok());
}

TEST_CASE("vault: no message repeats a long value") {
  const std::string long_text(4000, 'x');
  const std::string longer(200000, 'x');
  const SpcInput inputs[] = {
      Input({{"vaultAddress", long_text}}),
      Input({{"vaultAuthMountPath", "../" + long_text}}),
      Input({{"nodekeep/auth", long_text}}),
      Input({{"vaultSkipTLSVerify", long_text}}),
      Input({{"vaultTLSServerName", long_text}}),
      Input({{"nodekeep/refreshAfter", long_text}}),
      Input({{"nodekeep/optional", long_text}}),
      WithObjects("- {objectName: " + longer + ", secretPath: a}"),
      WithObjects("- {objectName: a, secretPath: ../../" + longer + "}"),
      WithObjects("- {objectName: a, secretPath: b, method: \"" + longer + " \"}"),
      WithObjects("- {objectName: a, secretPath: b, nodekeep/" + longer + ": c}"),
      WithObjects("- {objectName: a, secretPath: b, secretKey: k, encoding: " + longer + "}"),
      WithObjects("- {objectName: " + long_text + "}\n- {objectName: " + long_text + "}"),
      WithObjects("- " + longer),
      WithObjects(longer),
  };
  for (const SpcInput& input : inputs) {
    const std::string message = ErrorOf(ParseMount(input, VaultSettings()));
    INFO(message.substr(0, 2000));
    CHECK(message != "(parsed)");
    CHECK(message.size() < 1200);
  }
}

TEST_CASE("vault: the error of two mistakes is the one that upstream checks first") {
  // Everything is wrong; each step fixes the reported mistake.
  SpcInput input = Input({{"vaultAuthMountPath", "a"},
                          {"vaultKubernetesMountPath", "b"},
                          {"vaultSkipTLSVerify", "maybe"},
                          {"objects", "- {"},
                          {"roleName", "-"},
                          {"vaultAddress", "nowhere"}});
  const auto message = [&] { return ErrorOf(ParseMount(input, VaultSettings())); };

  CHECK_THAT(message(), ContainsSubstring("cannot set both"));
  input.parameters.erase("vaultKubernetesMountPath");
  CHECK_THAT(message(), ContainsSubstring("vaultSkipTLSVerify"));
  input.parameters["vaultSkipTLSVerify"] = "false";
  CHECK_THAT(message(), ContainsSubstring("parameter objects"));
  input.parameters["objects"] = "[]";
  CHECK_THAT(message(), ContainsSubstring("missing 'roleName'"));
  input.parameters["roleName"] = "app";
  CHECK_THAT(message(), ContainsSubstring("no secrets configured"));
  input.parameters["objects"] = "- {objectName: a}\n- {objectName: a}";
  CHECK_THAT(message(), ContainsSubstring("must be unique"));
  input.parameters["objects"] = "- {objectName: a}";
  CHECK_THAT(message(), ContainsSubstring("vaultAddress"));
  input.parameters["vaultAddress"] = "https://vault";
  CHECK_THAT(message(), ContainsSubstring("secretPath"));
}

TEST_CASE("vault: a secret path is completed, cleaned and its query sorted") {
  struct Row {
    std::string name, written, want;
  };
  const Row rows[] = {
      {"complete", "/v1/secret/data/a", "/v1/secret/data/a"},
      {"without the first slash", "v1/secret/a", "/v1/secret/a"},
      {"without v1", "/secret/a", "/v1/secret/a"},
      {"plain", "secret/a", "/v1/secret/a"},
      {"v1 is also a name", "v1x/a", "/v1/v1x/a"},
      {"doubled slashes", "secret//a/", "/v1/secret/a"},
      {"dots inside", "secret/./b/../a", "/v1/secret/a"},
      {"a query", "secret/data/a?version=3", "/v1/secret/data/a?version=3"},
      {"a query to sort", "p?z=1&a=2&z=0", "/v1/p?a=2&z=1&z=0"},
      {"an empty query", "p?", "/v1/p"},
      {"a key without value", "p?list", "/v1/p?list="},
      {"a second question mark", "p?a=b?c", "/v1/p?a=b%3Fc"},
      {"a query with escapes", "p?a=b%20c+d%2F", "/v1/p?a=b+c+d%2F"},
      {"a space stays until the request", "secret/a b", "/v1/secret/a b"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<std::string> path = ApiPath(row.written);
    REQUIRE(path.ok());
    CHECK(row.want == *path);
  }
}

TEST_CASE("vault: modes are numbers in any base, and absent or zero means the request's") {
  struct Row {
    std::string written;
    std::uint32_t want;
  };
  const Row rows[] = {{"0644", 0644},  {"0o600", 0600}, {"420", 0644},
                      {"0x1a4", 0644}, {"0b110", 6},    {"0", 0444},
                      {"~", 0444},     {"4_2_0", 0644}, {"0777", 0777}};
  for (const Row& row : rows) {
    INFO(row.written);
    SpcInput input =
        WithObjects("- {objectName: a, secretPath: p, filePermission: " + row.written + "}");
    input.mode = 0444;
    Result<ParsedMount> mount = ParseMount(input, VaultSettings());
    REQUIRE(ErrorOf(mount) == "(parsed)");
    CHECK(row.want == mount->projections[0].mode);
  }
}

TEST_CASE("vault: method and arguments are part of the request, a plain GET is not") {
  struct Row {
    std::string name, rest, want;
  };
  const Row rows[] = {
      {"nothing said", "", ""},
      {"GET said", ", method: GET", ""},
      {"another method", ", method: LIST", R"({"method":"LIST"})"},
      {"lower case stays as it is", ", method: get", R"({"method":"get"})"},
      {"arguments with GET", ", secretArgs: {b: 1, a: x}",
       R"({"args":{"a":"x","b":1},"method":"GET"})"},
      {"empty arguments are a body", ", method: POST, secretArgs: {}",
       R"({"args":{},"method":"POST"})"},
      {"null arguments are none", ", method: POST, secretArgs: ~", R"({"method":"POST"})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(row.want == OneOf("- {objectName: a, secretPath: p" + row.rest + "}").ref.request);
  }
}

TEST_CASE("vault: arguments become the JSON that Go makes of the YAML") {
  struct Row {
    std::string name, yaml, want;
  };
  const Row rows[] = {
      {"text", "www.example.com", R"("www.example.com")"},
      {"quoted number", "'42'", R"("42")"},
      {"integer", "42", "42"},
      {"octal", "0644", "420"},
      {"hexadecimal", "0x1F", "31"},
      {"underscores", "1_000", "1000"},
      {"negative", "-7", "-7"},
      {"float", "1.50", "1.5"},
      {"exponent", "1e3", "1000"},
      {"a version is not a number", "1.2.3", R"("1.2.3")"},
      {"a duration is text", "24h", R"("24h")"},
      {"true", "true", "true"},
      {"yes is text", "yes", R"("yes")"},
      {"null", "~", "null"},
      {"a date", "2026-1-31", R"("2026-01-31T00:00:00Z")"},
      {"no date", "2026-13-31", R"("2026-13-31")"},
      {"a list", "[a, 1, {b: c}]", R"(["a",1,{"b":"c"}])"},
      {"markup is escaped", "'<a>&'", "\"\\u003ca\\u003e\\u0026\""},
      {"a number as key", "{1: x}", R"({"1":"x"})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Projection object = OneOf(
        "- objectName: a\n  secretPath: p\n  method: POST\n  secretArgs:\n    k: " + row.yaml);
    CHECK("{\"args\":{\"k\":" + row.want + "},\"method\":\"POST\"}" == object.ref.request);
  }
}

TEST_CASE("vault: objects that differ only in the extracted key share one read") {
  Result<ParsedMount> mount = ParseMount(
      WithObjects("- {objectName: u, secretPath: database/creds/app, secretKey: username}\n"
                  "- {objectName: p, secretPath: /v1/database/creds/app, secretKey: password, "
                  "method: GET}\n"
                  "- {objectName: all, secretPath: database/creds/app}"),
      VaultSettings());
  REQUIRE(ErrorOf(mount) == "(parsed)");
  CHECK(mount->projections[0].ref == mount->projections[1].ref);
  CHECK(mount->projections[0].ref == mount->projections[2].ref);
}

TEST_CASE("vault: objects of one path with different arguments are different reads") {
  Result<ParsedMount> mount = ParseMount(
      WithObjects(
          "- {objectName: a, secretPath: pki/issue/w, method: PUT, secretArgs: {common_name: a}}\n"
          "- {objectName: b, secretPath: pki/issue/w, method: PUT, secretArgs: {common_name: b}}"),
      VaultSettings());
  REQUIRE(ErrorOf(mount) == "(parsed)");
  CHECK(mount->projections[0].ref != mount->projections[1].ref);
}

TEST_CASE("vault: the version seed has the object's settings as written") {
  const Projection object = OneOf(
      "- {objectName: a, secretPath: 'p?x=1', method: PUT, secretArgs: {b: '<', a: 1}, "
      "filePermission: 0600, secretKey: k, encoding: BASE64}");
  CHECK(object.version_seed ==
        "{\"ObjectName\":\"a\",\"SecretPath\":\"p?x=1\",\"SecretKey\":\"k\",\"Method\":\"PUT\","
        "\"SecretArgs\":{\"a\":1,\"b\":\"\\u003c\"},\"FilePermission\":384,"
        "\"Encoding\":\"BASE64\"}");
  CHECK(object.encoding == "base64");
}

TEST_CASE("vault: an encoding without a key is ignored") {
  CHECK(OneOf("- {objectName: a, secretPath: p, encoding: rot13}").encoding == "");
}

TEST_CASE("vault: keys that upstream ignores are ignored") {
  Result<ParsedMount> mount =
      ParseMount(Input({{"kubernetesServiceAccountPath", "/x"},
                        {"vaultCAPem", "x"},
                        {"objects", "- {objectName: a, secretPath: p, objectVersion: 3}"}}),
                 VaultSettings());
  CHECK(ErrorOf(mount) == "(parsed)");
}

TEST_CASE("vault: objects are marked optional one by one or by a parameter") {
  const std::string objects =
      "- {objectName: a, secretPath: p, nodekeep/optional: true}\n"
      "- {objectName: b, secretPath: q}\n- {objectName: c, secretPath: r}";
  Result<ParsedMount> mount =
      ParseMount(Input({{"objects", objects}, {"nodekeep/optional", "c"}}), VaultSettings());
  REQUIRE(ErrorOf(mount) == "(parsed)");
  CHECK(mount->projections[0].optional);
  CHECK_FALSE(mount->projections[1].optional);
  CHECK(mount->projections[2].optional);
}

TEST_CASE("vault: the class overrides the node's address, namespace, mount and audience") {
  VaultSettings settings;
  settings.address = "https://node:8200/";
  settings.namespace_name = "node-ns";
  settings.auth_mount = "k8s-node";

  const auto node =
      OptionsOf(ParseMount(Input({{"vaultAddress", ""}, {"vaultNamespace", ""}}), settings));
  CHECK(node->Endpoint() == "https://node:8200#node-ns");
  CHECK(node->mount == "k8s-node");
  CHECK(node->audience == "vault");

  const auto own = OptionsOf(ParseMount(Input({{"vaultAddress", "HTTP://v:80/prefix/"},
                                               {"vaultNamespace", "team/a"},
                                               {"vaultKubernetesMountPath", "/k8s/one/"},
                                               {"audience", "bao"}}),
                                        settings));
  CHECK(own->Endpoint() == "http://v:80/prefix#team/a");
  CHECK(own->mount == "k8s/one");
  CHECK(own->audience == "bao");
  CHECK(own->login_namespace == "team/a");
}

TEST_CASE("vault: login and read may have different namespaces") {
  const auto named = OptionsOf(ParseMount(
      Input({{"vaultNamespace", "team"}, {"nodekeep/authNamespace", "login"}}), VaultSettings()));
  CHECK(named->login_namespace == "login");
  CHECK(named->read_namespace == "team");
  const auto root = OptionsOf(ParseMount(
      Input({{"vaultNamespace", "team"}, {"nodekeep/authNamespace", ""}}), VaultSettings()));
  CHECK(root->login_namespace == "");
}

TEST_CASE("vault: an address may be a unix socket, IPv6 or have a path") {
  struct Row {
    std::string written, base, socket;
  };
  const Row rows[] = {
      {"unix:///var/run/vault/agent.sock", "http://localhost", "/var/run/vault/agent.sock"},
      {"https://[fd00::1]:8200", "https://[fd00::1]:8200", ""},
      {"https://[fd00::1]", "https://[fd00::1]", ""},
      {"http://vault.example/a/b/", "http://vault.example/a/b", ""},
      {"HTTPS://Vault", "https://Vault", ""},
  };
  for (const Row& row : rows) {
    INFO(row.written);
    Result<Address> address = Address::Parse(row.written);
    REQUIRE(address.ok());
    CHECK(row.base == address->base);
    CHECK(row.socket == address->unix_socket);
  }
}

TEST_CASE("vault: a password in an address is not repeated in the error") {
  Result<Address> address = Address::Parse("https://user:hunter2@vault:8200");
  REQUIRE_FALSE(address.ok());
  CHECK_THAT(address.error().message(), ContainsSubstring("user name"));
  CHECK_THAT(address.error().message(), !ContainsSubstring("hunter2"));
}

TEST_CASE("vault: TLS settings of the class are merged with the node's") {
  VaultSettings settings;
  settings.tls.ca_file = "/node/ca";
  settings.tls.ca_directory = "/node/cas";
  settings.tls.ca_pem = "PEM";
  settings.tls.server_name = "node";
  settings.tls.client_cert_file = "/node/cert";
  settings.tls.client_key_file = "/node/key";

  struct Row {
    std::string name;
    Attributes changes;
    TlsSettings want;
  };
  const TlsSettings node = settings.tls;
  TlsSettings ca = node, directory = node, name = node, pair = node, skip = node;
  ca.ca_file = "/c";
  ca.ca_directory = ca.ca_pem = "";
  directory.ca_directory = "/d";
  directory.ca_file = directory.ca_pem = "";
  name.server_name = "n";
  pair.client_cert_file = "/c";
  pair.client_key_file = "/k";
  skip.skip_verify = true;
  const std::vector<Row> rows = {
      {"nothing", {}, node},
      {"empty values", {{"vaultCACertPath", ""}, {"vaultTLSServerName", ""}}, node},
      {"ca file", {{"vaultCACertPath", "/c"}}, ca},
      {"ca directory", {{"vaultCADirectory", "/d"}}, directory},
      {"server name", {{"vaultTLSServerName", "n"}}, name},
      {"pair", {{"vaultTLSClientCertPath", "/c"}, {"vaultTLSClientKeyPath", "/k"}}, pair},
      {"skip", {{"vaultSkipTLSVerify", "T"}}, skip},
      {"skip false", {{"vaultSkipTLSVerify", "0"}}, node},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(row.want == *OptionsOf(ParseMount(Input(row.changes), settings))->tls);
  }

  settings.tls.skip_verify = true;
  CHECK(
      OptionsOf(ParseMount(Input({{"vaultSkipTLSVerify", "false"}}), settings))->tls->skip_verify);
}

TEST_CASE("vault: methods without a pod token request no audience and default to their mount") {
  struct Row {
    std::string method, mount;
    std::vector<std::string> audiences;
  };
  const Row rows[] = {{"kubernetes", "kubernetes", {"vault", ""}},
                      {"jwt", "jwt", {"vault", ""}},
                      {"approle", "approle", {}},
                      {"token", "token", {}},
                      {"cert", "cert", {}}};
  for (const Row& row : rows) {
    INFO(row.method);
    SpcInput input = Input({{"nodekeep/auth", row.method},
                            {"vaultTLSClientCertPath", "/c"},
                            {"vaultTLSClientKeyPath", "/k"}});
    if (row.audiences.empty()) input.parameters.erase("roleName");
    Result<ParsedMount> mount = ParseMount(input, VaultSettings());
    CHECK(row.mount == OptionsOf(mount)->mount);
    CHECK(row.audiences == mount->audiences);
  }
}

TEST_CASE("vault: the node's credential is withheld from a class that could divert it") {
  VaultSettings settings;
  settings.address = "https://node:8200";
  settings.token_file = "/node/token";
  settings.unix_sockets = {"/s"};
  settings.node_paths = *ReadNodePaths("secret/data/db, n:secret/data/db", "");
  struct Row {
    std::string name;
    Attributes changes;
    std::string want;  // part of the reason; "" = not withheld
  };
  const auto objects = [](const std::string& entry) {
    return Attributes{
        {"objects", "- {objectName: good, secretPath: secret/data/db}\n- {" + entry + "}\n"}};
  };
  const std::vector<Row> rows = {
      {"the node's own settings", {}, ""},
      {"the same address, spelled out", {{"vaultAddress", "https://node:8200/"}}, ""},
      {"another mount and a listed namespace",
       {{"vaultAuthMountPath", "m"}, {"vaultNamespace", "n"}},
       ""},
      {"another server", {{"vaultAddress", "https://elsewhere"}}, "another vaultAddress"},
      {"a listed socket", {{"vaultAddress", "unix:///s"}}, "another vaultAddress"},
      {"another CA", {{"vaultCACertPath", "/c"}}, "how the server is trusted"},
      {"another CA directory", {{"vaultCADirectory", "/c"}}, "how the server is trusted"},
      {"another name", {{"vaultTLSServerName", "x"}}, "how the server is trusted"},
      {"no verification", {{"vaultSkipTLSVerify", "true"}}, "how the server is trusted"},
      {"a namespace of which nothing is listed",
       {{"vaultNamespace", "other"}},
       "logs in at namespace \"other\""},
      {"a login elsewhere",
       {{"nodekeep/authNamespace", "other"}},
       "logs in at namespace \"other\""},
      {"a path that is not listed", objects("objectName: bad, secretPath: secret/data/other"),
       "of object \"bad\": providers.vault.nodeCredentialPaths of the node's configuration does "
       "not "
       "list \"secret/data/other\""},
      {"the credential itself", objects("objectName: bad, secretPath: auth/token/lookup-self"),
       "of object \"bad\": \"auth/token/lookup-self\" is below auth"},
      {"a token of its rights",
       objects("objectName: bad, secretPath: auth/token/create, method: PUT"),
       "of object \"bad\": its method is \"PUT\""},
      {"a way out of a listed path",
       objects("objectName: bad, secretPath: secret/data/db/../../../auth/token/lookup-self"),
       "is below auth"},
      {"an optional object",
       objects("objectName: bad, secretPath: auth/token/lookup-self, nodekeep/optional: true"),
       "is below auth"},
  };
  for (Row row : rows) {
    INFO(row.name);
    row.changes["nodekeep/auth"] = "token";
    const auto options = OptionsOf(ParseMount(Input(row.changes), settings));
    INFO(options->node_credentials_withheld);
    CHECK(row.want.empty() == (options->token_file == "/node/token"));
    CHECK(row.want.empty() == options->node_credentials_withheld.empty());
    CHECK_THAT(options->node_credentials_withheld, ContainsSubstring(row.want));
  }
}

TEST_CASE("vault: the node's credential is withheld while no path is listed") {
  VaultSettings settings;
  settings.token_file = "/node/token";
  settings.approle_role_id = "role";
  for (const std::string method : {"token", "approle", "cert"}) {
    INFO(method);
    const auto options = OptionsOf(ParseMount(Input({{"nodekeep/auth", method},
                                                     {"vaultTLSClientCertPath", "/c"},
                                                     {"vaultTLSClientKeyPath", "/k"}}),
                                              settings));
    CHECK(options->token_file.empty());
    CHECK(options->approle_role_id.empty());
    CHECK_THAT(options->node_credentials_withheld,
               ContainsSubstring("does not list \"secret/data/db\""));
    const std::vector<NeededSetting> needed = options->NeededSettings();
    REQUIRE(needed.size() == 1);
    CHECK(needed[0].key == "nodeCredentialPaths");
    CHECK(needed[0].value == "secret/data/db");
    CHECK(needed[0].unless_secret == (method != "cert"));
  }
  // A pod's own token is not restricted.
  CHECK(OptionsOf(ParseMount(Input(), settings))->node_credentials_withheld.empty());
  CHECK(OptionsOf(ParseMount(Input(), settings))->NeededSettings().empty());
}

TEST_CASE("vault: a path of another namespace is listed with the namespace before it") {
  VaultSettings settings;
  settings.namespace_name = "team";
  settings.token_file = "/node/token";
  const auto listed_as = [&](const Attributes& changes) {
    Attributes all = changes;
    all["nodekeep/auth"] = "token";
    all["nodekeep/authNamespace"] = "team";
    return OptionsOf(ParseMount(Input(all), settings))->NeededSettings().at(0).value;
  };
  for (const Attributes& changes :
       {Attributes{}, Attributes{{"vaultNamespace", "other"}},
        Attributes{{"objects", "- {objectName: x, secretPath: 'a:b/c?version=1'}"}}}) {
    const std::string needed = listed_as(changes);
    INFO(needed);
    VaultSettings with;
    with.namespace_name = "team";
    with.token_file = "/node/token";
    with.node_paths = *ReadNodePaths(needed, "team");
    Attributes all = changes;
    all["nodekeep/auth"] = "token";
    all["nodekeep/authNamespace"] = "team";
    CHECK(OptionsOf(ParseMount(Input(all), with))->node_credentials_withheld.empty());
  }
  CHECK(listed_as({}) == "secret/data/db");
  CHECK(listed_as({{"vaultNamespace", "other"}}) == "other:secret/data/db");
}

TEST_CASE("vault: a class without access to the certificate does not find a cached login with it") {
  VaultSettings settings;
  settings.address = "https://node";
  settings.node_paths = *ReadNodePaths("secret/data/db", "");
  const auto text = [&](const std::string& path) {
    return OptionsOf(ParseMount(Input({{"nodekeep/auth", "cert"},
                                       {"vaultTLSClientCertPath", "/c"},
                                       {"vaultTLSClientKeyPath", "/k"},
                                       {"objects", "- {objectName: x, secretPath: " + path + "}"}}),
                                settings))
        ->LoginText();
  };
  CHECK(text("secret/data/db") == text("secret/data/db/x"));
  CHECK(text("secret/data/db") != text("secret/data/other"));
}

TEST_CASE("vault: an object cannot be a login, which would use the client certificate") {
  const auto error = [](const std::string& entry, bool certificate) {
    Attributes changes = {{"objects", "- {objectName: x, " + entry + "}"}};
    if (certificate) {
      changes["vaultTLSClientCertPath"] = "/c";
      changes["vaultTLSClientKeyPath"] = "/k";
    }
    return ErrorOf(ParseMount(Input(changes), VaultSettings()));
  };
  CHECK_THAT(error("secretPath: auth/cert/login, method: PUT", true),
             ContainsSubstring("object \"x\": secretPath \"auth/cert/login\" is a login"));
  CHECK_THAT(error("secretPath: ns/auth/cert/login, method: POST", true),
             ContainsSubstring("is a login"));
  CHECK(error("secretPath: auth/cert/login, method: PUT", false) == "(parsed)");
  CHECK(error("secretPath: secret/data/auth/login", true) == "(parsed)");
  VaultSettings node;
  node.tls.client_cert_file = "/node/cert";
  node.tls.client_key_file = "/node/key";
  CHECK_THAT(ErrorOf(ParseMount(
                 WithObjects("- {objectName: x, secretPath: auth/cert/login, method: PUT}"), node)),
             ContainsSubstring("is a login"));
}

TEST_CASE("vault: everything that a login's access depends on is in its text") {
  const Attributes base = {{"nodekeep/auth", "kubernetes"}};
  const std::vector<Attributes> changes = {
      {{"roleName", "other"}},
      {{"vaultAddress", "https://other"}},
      {{"vaultAddress", "unix:///other"}},
      {{"vaultNamespace", "other"}},
      // A login is refreshed, and its leases renewed, with the options that it was created with.
      {{"vaultNamespace", "one"}, {"nodekeep/authNamespace", "login"}},
      {{"vaultNamespace", "two"}, {"nodekeep/authNamespace", "login"}},
      {{"nodekeep/authNamespace", "login"}},
      {{"vaultAuthMountPath", "other"}},
      {{"audience", "other"}},
      {{"nodekeep/auth", "jwt"}, {"vaultAuthMountPath", "kubernetes"}},
      {{"vaultSkipTLSVerify", "true"}},
      {{"vaultCACertPath", "/other"}},
      {{"vaultCADirectory", "/other"}},
      {{"vaultTLSServerName", "other"}},
      {{"vaultTLSClientCertPath", "/c"}, {"vaultTLSClientKeyPath", "/k"}},
      // If the parts were merely joined, this would look like a role and an audience.
      {{"roleName", "app audience=5:vault"}},
  };
  VaultSettings settings;
  settings.unix_sockets = {"/other"};
  std::vector<std::string> texts = {OptionsOf(ParseMount(Input(base), settings))->LoginText()};
  for (const Attributes& change : changes) {
    texts.push_back(OptionsOf(ParseMount(Input(change), settings))->LoginText());
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CHECK(texts[i] != texts[j]);
  }
  // The objects to read are not part of the login.
  CHECK(texts[0] ==
        OptionsOf(ParseMount(WithObjects("- {objectName: x, secretPath: y}"), VaultSettings()))
            ->LoginText());
}

TEST_CASE("vault: credentials of a pod distinguish its login from others") {
  const auto digest = [](const std::string& method, std::map<std::string, std::string> secrets) {
    Identity identity;
    for (const auto& [key, value] : secrets) identity.credentials[key] = SecretBytes(value);
    return OptionsOf(ParseMount(Input({{"nodekeep/auth", method}}), VaultSettings()))
        ->CredentialDigest(identity);
  };
  CHECK(digest("kubernetes", {{"token", "x"}}) == "");
  CHECK(digest("token", {{"token", "a"}}) != digest("token", {{"token", "b"}}));
  CHECK(digest("token", {{"token", "a"}}) == digest("token", {{"token", "a"}, {"other", "x"}}));
  CHECK(digest("token", {}) != "");
  CHECK(digest("approle", {{"role_id", "r"}, {"secret_id", "a"}}) !=
        digest("approle", {{"role_id", "r"}, {"secret_id", "b"}}));
  CHECK(digest("approle", {{"role_id", "ra"}, {"secret_id", "b"}}) !=
        digest("approle", {{"role_id", "r"}, {"secret_id", "ab"}}));
}

TEST_CASE("vault: --explain prints the settings and no credential") {
  VaultSettings settings;
  settings.token_file = "/node/token";
  std::string text;
  const auto options = OptionsOf(
      ParseMount(Input({{"vaultNamespace", "team"}, {"nodekeep/authNamespace", ""}}), settings));
  for (const auto& [name, value] : options->Explain()) {
    text += name + "=" + value + "\n";
  }
  CHECK(text ==
        "address=https://127.0.0.1:8200\nnamespace=team\nlogin namespace=(root)\n"
        "auth=kubernetes\nauth mount=kubernetes\nrole=app\naudience=vault\n");
}

TEST_CASE("vault: as many objects as a class may have are parsed") {
  std::string objects;
  for (std::size_t i = 0; i < kMaxObjects; ++i) {
    objects += "- {objectName: o" + std::to_string(i) + ", secretPath: p, secretKey: k}\n";
  }
  Result<ParsedMount> mount = ParseMount(WithObjects(objects), VaultSettings());
  REQUIRE(ErrorOf(mount) == "(parsed)");
  CHECK(mount->projections.size() == kMaxObjects);
}

TEST_CASE("vault: the classes of the sample are valid") {
  std::ifstream file(NODEKEEP_SOURCE_DIR "/providers/vault/sample.yaml");
  std::stringstream text;
  text << file.rdbuf();
  Result<std::vector<YamlNode>> documents = ParseYamlDocuments(text.str());
  REQUIRE(documents.ok());
  std::vector<std::size_t> objects;
  for (const YamlNode& document : *documents) {
    if (document.Find("kind")->text != "SecretProviderClass") continue;
    SpcInput input = Input({{"roleName", "-"}});
    for (const auto& [key, value] : document.Find("spec")->Find("parameters")->entries) {
      input.parameters[key.text] = value.text;
    }
    Result<ParsedMount> mount = ParseMount(input, VaultSettings());
    REQUIRE(ErrorOf(mount) == "(parsed)");
    objects.push_back(mount->projections.size());
  }
  CHECK(objects == std::vector<std::size_t>{6, 1});
}

TEST_CASE("vault: what has no effect or can only be a mistake is a warning, and still works") {
  struct Row {
    std::string name;
    Attributes changes;
    std::string want;  // "" = no warning
  };
  const auto object = [](const std::string& more) {
    return Attributes{{"objects", "- objectName: a\n  secretPath: kv/a\n" + more}};
  };
  const Row rows[] = {
      {"nothing", {}, ""},
      {"all parameters of upstream",
       {{"vaultAddress", "https://v:8200"},
        {"vaultNamespace", "n"},
        {"vaultAuthMountPath", "k"},
        {"audience", "a"},
        {"vaultSkipTLSVerify", "true"},
        {"vaultCACertPath", "/c"},
        {"vaultCADirectory", "/d"},
        {"vaultTLSServerName", "v"},
        {"vaultTLSClientCertPath", "/c"},
        {"vaultTLSClientKeyPath", "/k"}},
       ""},
      {"the older mount path", {{"vaultKubernetesMountPath", "k"}}, ""},
      {"parameters of ours",
       {{"nodekeep/optional", "db-password,\n"}, {"nodekeep/refreshAfter", "1m"}},
       ""},
      {"all keys of upstream",
       object("  secretKey: k\n  method: PUT\n  secretArgs: {a: b}\n  filePermission: 0400\n"
              "  encoding: hex\n  nodekeep/optional: true\n"),
       ""},
      {"misspelt parameter",
       {{"vaultadress", "https://v"}},
       "parameter vaultadress: is unknown and ignored: did you mean vaultAddress?"},
      {"misspelt key", object("  secretkey: k\n"),
       "parameter objects: line 3, column 3: object \"a\": key secretkey is unknown and ignored: "
       "did you mean secretKey?"},
      {"decimal mode", object("  filePermission: 400\n"),
       "parameter objects: line 3, column 19: object \"a\": filePermission: 400 is a decimal "
       "number, the mode 0620: octal numbers begin with 0: write 0400"},
      {"encoding of the whole response", object("  encoding: base64\n"),
       "parameter objects: line 3, column 13: object \"a\": encoding: has no effect without "
       "secretKey: set secretKey"},
      {"audience with a line end",
       {{"audience", "vault\n"}},
       "parameter audience: has a line end in it: write it on one line, without `|`"},
      {"path of the API",
       {{"vaultAddress", "https://vault:8200/v1/"}},
       "parameter vaultAddress: \"https://vault:8200/v1/\" has the path /v1, below which is no "
       "API: write the address without it, /v1 is put before each secretPath"},
      {"path of the user interface",
       {{"vaultAddress", "https://vault:8200/ui"}},
       "parameter vaultAddress: \"https://vault:8200/ui\" has the path /ui, below which is no "
       "API: write the address without it, /v1 is put before each secretPath"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    SpcInput input = Input(row.changes);
    input.parameters.erase("csi.storage.k8s.io/pod.name");
    const Result<ParsedMount> mount = ParseMount(input, VaultSettings());
    REQUIRE(ErrorOf(mount) == "(parsed)");
    CHECK(mount->warnings.Text() == row.want);
  }
}

}  // namespace nodekeep::vault

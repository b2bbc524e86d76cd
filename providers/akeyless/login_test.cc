#include "providers/akeyless/login.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <catch2/catch_test_macros.hpp>

#include "agent/base/codecs.h"
#include "providers/akeyless/test_login.h"
#include "tests/fakes/certificates.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep::akeyless {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Whether `signature` is that of the certificate's key over SHA-256 of `bytes`.
bool Verifies(const std::string& certificate_pem, std::string_view bytes,
              std::string_view signature) {
  BIO* bio = BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const auto data = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  const bool verified =
      certificate != nullptr &&
      EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr,
                           X509_get0_pubkey(certificate)) == 1 &&
      EVP_DigestVerify(context, data(signature), signature.size(), data(bytes), bytes.size()) == 1;
  EVP_MD_CTX_free(context);
  X509_free(certificate);
  BIO_free(bio);
  return verified;
}

}  // namespace

TEST_CASE("akeyless login: an access key of any source is sent with its id") {
  struct Row {
    std::string name, of_pod, want;
  };
  const Row rows[] = {
      {"what the pod or its class brings", "pod\n", "pod"},
      {"node", "", "node"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(AccessType::kAccessKey);
    bench.gateway.On("auth", 200, kToken);
    bench.options.node_access_key = std::make_shared<const SecretBytes>(" node ");
    bench.pod.credentials["akeylessAccessKey"] = SecretBytes(row.of_pod);
    Result<Credential> credential = bench.LogIn();
    REQUIRE(credential.ok());
    CHECK(credential->token.Reveal() == "t-1");
    CHECK(bench.gateway.BodyText("auth") == R"({"access-id":"p-0123456789am","access-key":")" +
                                                row.want + R"(","access-type":"access_key"})");
  }
}

TEST_CASE("akeyless login: k8s sends the token of the pod or of the agent, encoded once") {
  TempDir directory;
  const std::string file = directory.Write("token", "header.payload.of-the-agent\n");
  for (bool as_pod : {true, false}) {
    INFO(as_pod);
    LoginBench bench(AccessType::kK8s);
    bench.gateway.On("auth", 200, kToken);
    bench.options.k8s_auth_config = "cluster";
    bench.options.as_pod = as_pod;
    bench.options.service_account_token_file = file;
    REQUIRE(bench.LogIn().ok());
    const Json body = bench.gateway.Body("auth");
    CHECK(TextOf(Find(body, {"access-type"})) == "k8s");
    CHECK(TextOf(Find(body, {"k8s-auth-config-name"})) == "cluster");
    CHECK(
        TextOf(Find(body, {"k8s-service-account-token"})) ==
        Base64Encode(as_pod ? "header.payload.signature-of-web-0" : "header.payload.of-the-agent"));
  }
}

TEST_CASE("akeyless login: a jwt is sent as it is") {
  LoginBench bench(AccessType::kJwt);
  bench.gateway.On("auth", 200, kToken);
  bench.options.as_pod = true;
  REQUIRE(bench.LogIn().ok());
  CHECK(TextOf(Find(bench.gateway.Body("auth"), {"jwt"})) == "header.payload.signature-of-web-0");
}

TEST_CASE("akeyless login: a login with a pod's token serves that pod only, unless configured") {
  for (bool share : {false, true}) {
    INFO(share);
    LoginBench bench(AccessType::kK8s);
    bench.gateway.On("auth", 200, kToken);
    bench.options.k8s_auth_config = "cluster";
    bench.options.as_pod = true;
    bench.options.share_by_service_account = share;
    Result<Credential> credential = bench.LogIn();
    REQUIRE(credential.ok());
    CHECK((credential->sharing == Sharing::kServiceAccount) == share);
    CHECK(credential->service_account_uid == (share ? "uid-of-web" : ""));
    CHECK(bench.options.SendsPodToken());
  }
  CHECK_FALSE(TestOptions({AccessType::kAccessKey}).SendsPodToken());
}

TEST_CASE("akeyless login: a cloud identity of a pod is requested with the pod's token only") {
  struct Row {
    std::string name;
    AccessType type;
    std::function<void(Options&)> set;
    std::string url, answer, want_asked;
  };
  const Row rows[] = {
      {"AWS", AccessType::kAwsIam,
       [](Options& o) { o.cloud.aws_role_arn = "arn:aws:iam::1:role/app"; },
       "https://sts.amazonaws.com/",
       "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
       "<SessionToken>t</SessionToken>",
       "role%2Fapp"},
      {"Azure", AccessType::kAzureAd,
       [](Options& o) {
         o.cloud.azure_client_id = "app";
         o.cloud.azure_tenant_id = "tenant";
         o.azure_object_id = "of the node";
       },
       "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
       R"({"access_token":"entra","expires_in":3600})", "client_id=app"},
      {"Google", AccessType::kGcp,
       [](Options& o) {
         o.cloud.gcp_provider = "//iam.googleapis.com/x";
         o.cloud.gcp_service_account = "app@p.iam.gserviceaccount.com";
       },
       "https://sts.googleapis.com/v1/token", R"({"access_token":"fed","expires_in":3600})",
       "//iam.googleapis.com/x"},
      {"GKE", AccessType::kGcp,
       [](Options& o) {
         o.cloud.gcp_provider = "identitynamespace:p.svc.id.goog:https://c";
         o.cloud.gcp_service_account = "app@p.iam.gserviceaccount.com";
       },
       "https://securetoken.googleapis.com/v1/identitybindingtoken",
       R"({"access_token":"fed","expires_in":3600})", "identitynamespace:p.svc.id.goog"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(row.type);
    bench.options.as_pod = true;
    // Even where the node's own credentials are withheld.
    bench.options.gateways[0].node_identity_withheld = "it is not listed";
    row.set(bench.options);
    bench.gateway.http.On("POST", row.url, {FakeHttpClient::Respond(200, row.answer)});
    bench.gateway.http.On("POST",
                          "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
                          "app%40p.iam.gserviceaccount.com:generateIdToken",
                          {FakeHttpClient::Respond(200, R"({"token":"h.p.s"})")});
    bench.gateway.On("auth", 200, kToken);
    Result<Credential> credential = bench.LogIn();
    INFO(MessageOf(credential));
    REQUIRE(credential.ok());
    CHECK(credential->sharing == Sharing::kPod);
    bool asked = false;
    for (const FakeHttpClient::RecordedRequest& seen : bench.gateway.http.Requests()) {
      if (seen.url != row.url) continue;
      asked = Contains(seen.body, row.want_asked) &&
              Contains(seen.body, "header.payload.signature-of-web-0");
    }
    CHECK(asked);
    CHECK(TextOf(Find(bench.gateway.Body("auth"), {"access-type"})) == AccessTypeName(row.type));
    CHECK_FALSE(TextOf(Find(bench.gateway.Body("auth"), {"cloud-id"})).value_or("").empty());
    CHECK_FALSE(Contains(bench.gateway.BodyText("auth"), "signature-of-web-0"));
  }
}

TEST_CASE("akeyless login: a cloud's refusal of a pod does not count for the access id") {
  LoginBench bench(AccessType::kAwsIam);
  bench.options.as_pod = true;
  bench.options.cloud.aws_role_arn = "arn:aws:iam::1:role/app";
  bench.gateway.http.On("POST", "https://sts.amazonaws.com/", {FakeHttpClient::Respond(403, "")});
  bench.gateway.On("auth", 200, kToken);
  for (int i = 0; i < 10; ++i) CHECK(CodeOf(bench.LogIn()) == "denied");
  CHECK(bench.gateway.Count("auth") == 0);
}

TEST_CASE("akeyless login: gateway-url is sent when the gateway that reviews the token is known") {
  LoginBench bench(AccessType::kK8s);
  bench.gateway.On("auth", 200, kToken);
  bench.options.k8s_auth_config = "cluster";
  bench.options.as_pod = true;
  REQUIRE(bench.LogIn().ok());
  CHECK(Find(bench.gateway.Body("auth"), {"gateway-url"}) == nullptr);
  bench.options.k8s_gateway = "https://gw:8000";
  REQUIRE(bench.LogIn().ok());
  CHECK(TextOf(Find(bench.gateway.Body("auth", 1), {"gateway-url"})) == "https://gw:8000");
}

TEST_CASE("akeyless login: the error for a k8s token refused by the service asks for the gateway") {
  struct Row {
    std::string name, url, k8s_gateway;
    bool want;
  };
  const Row rows[] = {
      {"the service", "https://api.akeyless.io", "", true},
      {"of a region", "https://api.eu.akeyless.io", "", true},
      {"the service, with the gateway set", "https://api.akeyless.io", "https://gw:8000", false},
      {"a gateway", "https://gw.example/api/v2", "", false},
      {"another's host", "https://api.akeyless.io.evil.example", "", false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(AccessType::kK8s);
    bench.options.gateways = {{row.url, "", ""}};
    bench.options.k8s_auth_config = "cluster";
    bench.options.k8s_gateway = row.k8s_gateway;
    bench.options.as_pod = true;
    bench.gateway.http.On("POST", row.url + "/auth", {FakeHttpClient::Respond(401, kRefusal)});
    CHECK(Contains(MessageOf(bench.LogIn()), "nodekeep/k8sGatewayURL") == row.want);
  }
}

TEST_CASE("akeyless login: a missing input is named with what to set, and nothing is sent") {
  struct Row {
    std::string name;
    AccessType type;
    std::function<void(LoginBench&)> without;
    std::string named;
  };
  const Row rows[] = {
      {"access id", AccessType::kAccessKey, [](LoginBench& b) { b.options.access_id.clear(); },
       "akeylessAccessID"},
      {"access key", AccessType::kAccessKey, [](LoginBench& b) { b.pod.credentials.clear(); },
       "akeylessAccessKey"},
      {"k8s configuration", AccessType::kK8s, [](LoginBench&) {}, "akeylessK8sAuthConfigName"},
      {"token of the pod", AccessType::kK8s,
       [](LoginBench& b) {
         b.options.k8s_auth_config = "c";
         b.options.as_pod = true;
         b.options.audience = "akeyless";
       },
       "audience \"akeyless\""},
      {"token of the agent", AccessType::kK8s,
       [](LoginBench& b) {
         b.options.k8s_auth_config = "c";
         b.options.service_account_token_file = "/nonexistent/token";
       },
       "/nonexistent/token"},
      {"jwt", AccessType::kJwt, [](LoginBench&) {}, "jwtFile"},
      {"first token", AccessType::kUniversalIdentity, [](LoginBench&) {}, "akeylessUIDInitToken"},
      {"certificate", AccessType::kCert, [](LoginBench&) {}, "akeylessCert"},
      {"token of the pod for a cloud", AccessType::kGcp,
       [](LoginBench& b) {
         b.options.as_pod = true;
         b.options.audience = "//iam.googleapis.com/x";
       },
       "audience \"//iam.googleapis.com/x\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(row.type);
    row.without(bench);
    Result<Credential> credential = bench.LogIn();
    CHECK(CodeOf(credential) == "invalid");
    CHECK(MessageOf(credential)
              .starts_with("authentication failed https://gw:8000/api/v2: " +
                           std::string(AccessTypeName(row.type))));
    INFO(MessageOf(credential));
    CHECK(Contains(MessageOf(credential), row.named));
    CHECK(bench.gateway.http.Count() == 0);
  }
}

TEST_CASE("akeyless login: the node's credential is sent only to gateways that may receive it") {
  for (bool of_node : {true, false}) {
    INFO(of_node);
    LoginBench bench(AccessType::kAccessKey);
    bench.gateway.On("auth", 200, kToken);
    bench.options.gateways.push_back({"https://elsewhere", "", "it is not listed"});
    if (of_node) {
      bench.pod.credentials.clear();
      bench.options.node_access_key = std::make_shared<const SecretBytes>("the node's");
    }
    CHECK(bench.LogIn().ok() != of_node);
    CHECK(bench.gateway.Count("auth") == (of_node ? 0 : 1));
  }
}

TEST_CASE("akeyless login: a withheld identity of the node is not even read") {
  struct Row {
    std::string name;
    AccessType type;
    std::function<void(LoginBench&)> withhold;
    std::string want;
  };
  const auto by_gateway = [](LoginBench& b) {
    b.options.gateways[0].node_identity_withheld = "no";
  };
  const Row rows[] = {
      {"aws_iam", AccessType::kAwsIam, by_gateway, "withheld from \"https://gw:8000/api/v2\": no"},
      {"azure_ad", AccessType::kAzureAd, by_gateway,
       "withheld from \"https://gw:8000/api/v2\": no"},
      {"gcp", AccessType::kGcp, by_gateway, "withheld from \"https://gw:8000/api/v2\": no"},
      {"k8s", AccessType::kK8s, by_gateway, "withheld from \"https://gw:8000/api/v2\": no"},
      {"k8s reviewed elsewhere", AccessType::kK8s,
       [](LoginBench& b) { b.options.k8s_gateway_withheld = "not there"; }, "k8s: not there"},
      {"aws_iam proved elsewhere", AccessType::kAwsIam,
       [](LoginBench& b) { b.options.sts_withheld = "not there"; }, "aws_iam: not there"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(row.type);
    bench.options.k8s_auth_config = "cluster";
    bench.options.service_account_token_file = "/nonexistent";
    row.withhold(bench);
    const Result<Credential> credential = bench.LogIn();
    CHECK(CodeOf(credential) == "invalid");
    INFO(MessageOf(credential));
    CHECK(Contains(MessageOf(credential), row.want));
    CHECK(bench.gateway.http.Count() == 0);  // no metadata service, no token exchange, no gateway
  }
}

TEST_CASE("akeyless login: the error for a missing token of the agent says how to get one") {
  LoginBench bench(AccessType::kK8s);
  bench.options.k8s_auth_config = "cluster";
  const std::string message = MessageOf(bench.LogIn());
  INFO(message);
  CHECK(Contains(message, "set serviceAccountTokenFile of the agent, or akeylessAuthAs: pod"));
  CHECK(bench.gateway.http.Count() == 0);
}

TEST_CASE("akeyless login: the error for an undetected type mentions cloud identities") {
  LoginBench bench({AccessType::kAccessKey, AccessType::kK8s, AccessType::kUniversalIdentity});
  bench.pod.credentials.clear();
  const std::string message = MessageOf(bench.LogIn());
  INFO(message);
  CHECK(Contains(message, "a cloud identity of the node is used only where"));
  CHECK(bench.gateway.http.Count() == 0);
}

TEST_CASE("akeyless login: a refusal names the gateway and its message, never the key") {
  LoginBench bench(AccessType::kAccessKey);
  bench.gateway.On("auth", 401, R"({"error":"AuthenticationFailed for p-0123456789am"})");
  Result<Credential> credential = bench.LogIn();
  CHECK(CodeOf(credential) == "denied");
  CHECK(MessageOf(credential) ==
        "authentication failed https://gw:8000/api/v2: access_key: AuthenticationFailed for p-*** "
        "(status 401 of POST https://gw:8000/api/v2/auth); check the access id, its auth method's "
        "bounds and the credential");
}

TEST_CASE("akeyless login: five refusals in a row are never sent") {
  LoginBench bench(AccessType::kAccessKey);
  bench.gateway.On("auth", 401, kRefusal);
  for (int i = 0; i < 100; ++i) {
    (void)bench.LogIn();
    bench.gateway.clock.Advance(seconds(8));
  }
  CHECK(bench.gateway.Count("auth") == 4);
}

TEST_CASE("akeyless login: methods are tried in turn until one works") {
  LoginBench bench({AccessType::kAccessKey, AccessType::kK8s, AccessType::kJwt});
  bench.options.as_pod = true;
  bench.gateway.On("auth",
                   {FakeHttpClient::Respond(401, kRefusal), FakeHttpClient::Respond(200, kToken)});
  REQUIRE(bench.LogIn().ok());
  // k8s has no configuration, so nothing was sent for it.
  CHECK(bench.gateway.Count("auth") == 2);
  CHECK(TextOf(Find(bench.gateway.Body("auth", 1), {"access-type"})) == "jwt");
}

TEST_CASE("akeyless login: a refusal by the server is not hidden by a cloud that was probed") {
  struct Row {
    std::string name;
    std::vector<AccessType> order;
    std::string named;  // the type that the class names
    std::vector<FakeHttpClient::Reply> auth;
    std::string want, first;
  };
  using enum AccessType;
  const auto refuse = FakeHttpClient::Respond(401, kRefusal);
  const auto broken = FakeHttpClient::Respond(503, "");
  const Row rows[] = {
      {"a cloud without an answer",
       {kAccessKey, kGcp},
       "access_key",
       {refuse},
       "denied",
       "access_key: AuthenticationFailed"},
      {"the cloud before",
       {kGcp, kAccessKey},
       "access_key",
       {refuse},
       "denied",
       "access_key: AuthenticationFailed"},
      {"the cloud that the class names",
       {kAccessKey, kGcp},
       "gcp",
       {refuse},
       "transient",
       "gcp: cloud-id for gcp"},
      {"a cloud identity that the server could not judge",
       {kAccessKey, kAwsIam},
       "access_key",
       {refuse, broken},
       "transient",
       "aws_iam: "},
      {"no refusal", {kAccessKey, kGcp}, "access_key", {broken}, "transient", "access_key: "},
      {"a cloud alone", {kGcp}, "access_key", {refuse}, "transient", "gcp: cloud-id for gcp"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(row.order);
    bench.options.type_text = row.named;
    bench.gateway.On("auth", row.auth);
    bench.gateway.http.On("", "*", {FakeHttpClient::Fail(ErrorCode::kTransient, "timed out")});
    const Result<Credential> credential = bench.LogIn();
    INFO(MessageOf(credential));
    CHECK(CodeOf(credential) == row.want);
    CHECK(MessageOf(credential)
              .starts_with("authentication failed https://gw:8000/api/v2: " + row.first));
  }
}

TEST_CASE("akeyless login: the error without any input is upstream's") {
  LoginBench bench({AccessType::kAccessKey, AccessType::kK8s});
  bench.pod.credentials.clear();
  CHECK(MessageOf(bench.LogIn())
            .starts_with("failed to detect access type of p-0123456789am: access_key: there is no "
                         "access key"));
}

TEST_CASE("akeyless login: the lifetime of a token") {
  FakeClock clock;
  const WallTime now = clock.Wall();  // 2019-12-20 00:00:00 UTC, by FakeClock
  REQUIRE(FormatTime(now) == "2019-12-20T00:00:00.000Z");
  struct Row {
    std::string expiration;
    Duration want;
  };
  const Row rows[] = {
      {"2019-12-20 00:30:00 +0000 UTC", minutes(30)},
      {"2019-12-20 00:30:00 +0000", minutes(30)},
      {"2019-12-20 00:30:00", minutes(30)},
      {"2019-12-20T00:30:00Z", minutes(30)},
      {"2019-12-20T00:30:00.123456789Z", minutes(30)},
      {"2019-12-20T02:30:00+02:00", minutes(30)},
      {"2019-12-19 23:00:00 -0130 X", minutes(30)},
      {"2019-12-20 00:30:00 +1", minutes(30)},
      {"9999-12-31 23:59:59 +0000 UTC", std::chrono::hours(24 * 365)},
      {"", minutes(15)},
      {"garbage", minutes(15)},
      {"2019-13-40 00:30:00 +0000 UTC", minutes(15)},
      {"2019-12-19 00:00:00 +0000 UTC", minutes(15)},
  };
  for (const Row& row : rows) {
    INFO(row.expiration);
    CHECK(TokenLifetime(row.expiration, now) == row.want);
  }
}

TEST_CASE("akeyless login: a token is not used in its last minute, nor in its last tenth") {
  struct Row {
    std::string name, expiration;
    Duration replaced_after;  // by the core: a tenth of the lifetime before `expires`
  };
  const Row rows[] = {
      {"an hour: a tenth", "2019-12-20 01:00:00 +0000 UTC", minutes(54)},
      {"five minutes: a minute", "2019-12-20 00:05:00 +0000 UTC", minutes(4)},
      {"not said", "", seconds(810)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    LoginBench bench(AccessType::kAccessKey);
    bench.gateway.On("auth", 200, R"({"token":"t-1","expiration":")" + row.expiration + R"("})");
    Result<Credential> credential = bench.LogIn();
    REQUIRE(credential.ok());
    CHECK(credential->expires - credential->lifetime / 10 - bench.gateway.clock.Now() ==
          row.replaced_after);
  }
}

TEST_CASE("akeyless login: a reply without a token is neither a login nor a refusal") {
  for (const std::string body : {R"({})", R"({"token":""})", R"({"token":null})", R"([])"}) {
    INFO(body);
    LoginBench bench(AccessType::kAccessKey);
    bench.gateway.On("auth", 200, body);
    CHECK(CodeOf(bench.LogIn()) == "transient");
  }
}

TEST_CASE("akeyless login: a certificate's key signs a challenge and is not sent") {
  TempDir directory;
  const TestAuthority authority("clients");
  const CertificatePair pair = authority.Issue("node1", {"DNS:node1"});
  LoginBench bench(AccessType::kCert);
  bench.options.cert_file = directory.Write("cert.pem", pair.certificate_pem + "\n");
  bench.options.cert_key_file = directory.Write("key.pem", pair.key_pem);
  bench.gateway.On("get-cert-challenge", 200,
                   R"({"challenge":")" + Base64Encode("prove it") + R"("})");
  bench.gateway.On("auth", 200, kToken);
  REQUIRE(bench.LogIn().ok());
  const Json asked = bench.gateway.Body("get-cert-challenge");
  const Json sent = bench.gateway.Body("auth");
  CHECK(TextOf(Find(asked, {"access-id"})) == kTestAccessId);
  CHECK(TextOf(Find(sent, {"cert-data"})) == TextOf(Find(asked, {"cert-data"})));
  CHECK(TextOf(Find(sent, {"cert-challenge"})) == Base64Encode("prove it"));
  CHECK(Verifies(pair.certificate_pem, "prove it",
                 Base64Decode(*TextOf(Find(sent, {"signed-cert-challenge"})))->Reveal()));
  CHECK(Find(sent, {"key-data"}) == nullptr);
  CHECK_FALSE(Contains(bench.gateway.BodyText("auth"), "PRIVATE"));
}

TEST_CASE("akeyless login: one certificate with another key is another login") {
  const TestAuthority authority("clients");
  const CertificatePair pair = authority.Issue("app", {"DNS:app"});
  const std::string other_key = authority.Issue("app", {"DNS:app"}).key_pem;
  LoginBench bench(AccessType::kCert);
  bench.gateway.On("get-cert-challenge", 200,
                   R"({"challenge":")" + Base64Encode("prove it") + R"("})");
  bench.gateway.http.On(
      "POST", std::string(kGatewayUrl) + "/auth",
      {[&](const Context& context, const FakeHttpClient::RecordedRequest& seen) {
        const Json body = *ParseJson(seen.body);
        const std::string signature = *TextOf(Find(body, {"signed-cert-challenge"}));
        const bool fits =
            Verifies(pair.certificate_pem, "prove it", Base64Decode(signature)->Reveal());
        return FakeHttpClient::Respond(fits ? 200 : 401, fits ? kToken : kRefusal)(context, seen);
      }});
  const auto log_in = [&](const std::string& key, const std::string& tenant) {
    Identity pod = TestPod();
    pod.namespace_name = tenant;
    pod.credentials["akeylessCert"] = SecretBytes(pair.certificate_pem);
    pod.credentials["akeylessCertKey"] = SecretBytes(key);
    return CodeOf(bench.LogIn(pod));
  };
  REQUIRE(log_in(pair.key_pem, "shop") == "ok");
  // Anybody may present the certificate: wrong keys hold back their own namespaces only.
  for (const std::string tenant : {"one", "two"}) {
    CHECK(log_in(other_key, tenant) == "denied");
    CHECK(log_in(other_key, tenant) == "denied");
    CHECK(log_in(other_key, tenant) == "throttled");
  }
  CHECK(log_in(pair.key_pem, "shop") == "ok");
}

}  // namespace nodekeep::akeyless

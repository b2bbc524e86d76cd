#include "providers/akeyless/cloud_login.h"

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr char kRole[] = "arn:aws:iam::123456789012:role/shop/web";
constexpr char kPool[] =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster";
constexpr char kGke[] =
    "identitynamespace:shop.svc.id.goog:https://container.googleapis.com/v1/projects/shop/"
    "locations/europe-west1/clusters/one";
constexpr char kAccount[] = "web@shop.iam.gserviceaccount.com";

Attributes Pod(std::string type, Attributes more) {
  more["akeylessAccessType"] = std::move(type);
  more["akeylessAuthAs"] = "pod";
  return more;
}

Attributes Aws(Attributes more = {}) {
  more.try_emplace("nodekeep/awsRoleARN", kRole);
  return Pod("aws_iam", std::move(more));
}
Attributes Azure(Attributes more = {}) {
  more.try_emplace("nodekeep/azureClientID", "11111111-2222-3333-4444-555555555555");
  return Pod("azure_ad", std::move(more));
}
Attributes Gcp(Attributes more = {}) {
  more.try_emplace("nodekeep/gcpProvider", kPool);
  more.try_emplace("nodekeep/gcpServiceAccount", kAccount);
  return Pod("gcp", std::move(more));
}

Result<ParsedMount> Parse(Attributes attributes, const AkeylessSettings& settings = {}) {
  SpcInput input;
  attributes.try_emplace("objects", "- {fileName: a, secretPath: /a}");
  input.parameters = std::move(attributes);
  return ParseMount(input, settings);
}

// The message, or "accepted".
std::string Refusal(const Result<ParsedMount>& mount) {
  return mount.ok() ? "accepted" : mount.error().message();
}

const Options& OptionsOf(const Result<ParsedMount>& mount) {
  return static_cast<const Options&>(*mount->options);
}

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("cloud login: the pod's token is requested for the audience that its cloud expects") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::string want;
  };
  const Row rows[] = {
      {"AWS", Aws(), "sts.amazonaws.com"},
      {"Azure", Azure(), "api://AzureADTokenExchange"},
      {"a federation of Google: the provider's name", Gcp(), kPool},
      {"GKE: the pool", Gcp({{"nodekeep/gcpProvider", kGke}}), "shop.svc.id.goog"},
      {"AWS, another", Aws({{"nodekeep/audience", "x"}}), "x"},
      {"Azure, another", Azure({{"nodekeep/audience", "x"}}), "x"},
      {"Google, another", Gcp({{"nodekeep/audience", "x"}}), "x"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount = Parse(row.attributes);
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(mount->audiences == std::vector<std::string>{row.want});
    CHECK(OptionsOf(mount).audience == row.want);
    CHECK(OptionsOf(mount).login_order.size() == 1);
    CHECK(OptionsOf(mount).SendsPodToken());
    CHECK(OptionsOf(mount).CredentialDigest(Identity()).empty());
  }
}

TEST_CASE("cloud login: by default the identity is the node's, and no token of the pod is needed") {
  for (const char* type : {"aws_iam", "azure_ad", "gcp"}) {
    INFO(type);
    Result<ParsedMount> mount = Parse({{"akeylessAccessType", type}});
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(mount->audiences.empty());
    CHECK_FALSE(OptionsOf(mount).SendsPodToken());
    CHECK_FALSE(OptionsOf(mount).CredentialDigest(Identity()).empty());
  }
}

TEST_CASE("cloud login: an error names the missing or wrong parameter and the fix") {
  struct Row {
    std::string name;
    Attributes attributes;
    std::string want;
  };
  const Row rows[] = {
      {"no role", Pod("aws_iam", {}), "parameter nodekeep/awsRoleARN: missing"},
      {"no client", Pod("azure_ad", {}), "parameter nodekeep/azureClientID: missing"},
      {"no provider", Pod("gcp", {{"nodekeep/gcpServiceAccount", kAccount}}),
       "parameter nodekeep/gcpProvider: missing"},
      {"no service account", Pod("gcp", {{"nodekeep/gcpProvider", kPool}}),
       "parameter nodekeep/gcpServiceAccount: missing"},
      {"a role's name", Aws({{"nodekeep/awsRoleARN", "web"}}), "\"web\" is not the role to assume"},
      {"a user's ARN", Aws({{"nodekeep/awsRoleARN", "arn:aws:iam::123456789012:user/web"}}),
       "is not the role to assume"},
      {"a region that is a host", Aws({{"nodekeep/awsRegion", "evil.example/"}}),
       "parameter nodekeep/awsRegion: \"evil.example/\" is not a region"},
      {"a tenant above the tenants", Azure({{"nodekeep/azureTenantID", ".."}}),
       "parameter nodekeep/azureTenantID"},
      {"a tenant that is a path", Azure({{"nodekeep/azureTenantID", "../x"}}),
       "parameter nodekeep/azureTenantID"},
      {"a client that is not an id", Azure({{"nodekeep/azureClientID", "a b"}}),
       "parameter nodekeep/azureClientID"},
      {"a pool without a provider",
       Gcp({{"nodekeep/gcpProvider", "//iam.googleapis.com/projects/1/x"}}),
       "parameter nodekeep/gcpProvider"},
      {"a URL as provider", Gcp({{"nodekeep/gcpProvider", "https://evil.example/"}}),
       "parameter nodekeep/gcpProvider"},
      {"an account that is not an email", Gcp({{"nodekeep/gcpServiceAccount", "web"}}),
       "parameter nodekeep/gcpServiceAccount"},
      {"misspelt", Pod("aws_iam", {{"nodekeep/awsRoleArn", kRole}}),
       "did you mean nodekeep/awsRoleARN?"},
      {"for another cloud", Aws({{"nodekeep/azureClientID", "x"}}),
       "parameter nodekeep/azureClientID: goes with akeylessAccessType azure_ad"},
      {"for the node's identity",
       {{"akeylessAccessType", "aws_iam"}, {"nodekeep/awsRoleARN", kRole}},
       "parameter nodekeep/awsRoleARN: goes with akeylessAccessType aws_iam and akeylessAuthAs "
       "pod"},
      {"without a type",
       {{"nodekeep/gcpServiceAccount", kAccount}},
       "parameter nodekeep/gcpServiceAccount: goes with akeylessAccessType gcp"},
      {"as the pod with an access key", Pod("access_key", {}), "aws_iam, azure_ad or gcp, not"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    INFO(Refusal(Parse(row.attributes)));
    CHECK(Contains(Refusal(Parse(row.attributes)), row.want));
  }
}

TEST_CASE("cloud login: the STS is a region, a URL with its region, or the node's setting") {
  AkeylessSettings none, node;
  node.sts_region = "eu-central-1";
  node.sts_endpoint = "https://sts.internal.example/";
  struct Row {
    std::string name;
    Attributes attributes;
    bool of_node;
    std::string want_region, want_endpoint;
  };
  const Attributes aws = {{"akeylessAccessType", "aws_iam"}};
  const auto with = [&](Attributes more) {
    more.insert(aws.begin(), aws.end());
    return more;
  };
  const Row rows[] = {
      {"not set", aws, false, "", ""},
      {"region", with({{"nodekeep/stsRegion", "eu-west-1"}}), false, "eu-west-1", ""},
      {"endpoint",
       with(
           {{"nodekeep/stsRegion", "eu-west-1"}, {"nodekeep/stsEndpoint", "https://vpce.example"}}),
       false, "eu-west-1", "https://vpce.example"},
      {"the node's", aws, true, "eu-central-1", "https://sts.internal.example/"},
      {"the class's region is not signed for the node's host",
       with({{"nodekeep/stsRegion", "eu-west-1"}}), true, "eu-west-1", ""},
      {"of no concern to other types", {{"akeylessAccessType", "k8s"}}, true, "", ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<ParsedMount> mount = Parse(row.attributes, row.of_node ? node : none);
    REQUIRE(Refusal(mount) == "accepted");
    CHECK(OptionsOf(mount).cloud.sts_region == row.want_region);
    CHECK(OptionsOf(mount).cloud.sts_endpoint == row.want_endpoint);
  }
}

TEST_CASE("cloud login: an STS that cannot be signed for is refused") {
  struct Row {
    std::string name, region, endpoint, want;
  };
  const Row rows[] = {
      {"fine", "us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com/", ""},
      {"a port is fine", "eu-west-1", "https://sts.example:8443", ""},
      {"region in capitals", "EU-WEST-1", "", "not a region"},
      {"region with a dot", "eu.west", "", "not a region"},
      {"a URL alone", "", "https://sts.example/", "needs the region"},
      {"plain HTTP", "eu-west-1", "http://sts.example/", "https://<host>/"},
      {"a path", "eu-west-1", "https://sts.example/x", "https://<host>/"},
      {"a query", "eu-west-1", "https://sts.example?x", "https://<host>/"},
      {"a password", "eu-west-1", "https://u:s3cret@sts.example/", "user name or password"},
      {"no URL", "eu-west-1", "sts.example", "not valid"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const std::string problem = StsProblem(row.region, row.endpoint);
    INFO(problem);
    CHECK(problem.empty() == row.want.empty());
    CHECK(Contains(problem, row.want));
    CHECK_FALSE(Contains(problem, "s3cret"));
  }
  const Attributes aws = {{"akeylessAccessType", "aws_iam"}, {"nodekeep/stsEndpoint", "https://a"}};
  CHECK(Contains(Refusal(Parse(aws)), "parameter nodekeep/stsEndpoint: it needs the region"));
  const Attributes k8s = {{"akeylessAccessType", "k8s"}, {"nodekeep/stsRegion", "eu-west-1"}};
  CHECK(Contains(Refusal(Parse(k8s)),
                 "parameter nodekeep/stsRegion: goes with akeylessAccessType "
                 "aws_iam, not k8s"));
}

TEST_CASE("cloud login: every part distinguishes logins") {
  const Attributes rows[] = {
      Aws(),
      Aws({{"nodekeep/awsRoleARN", "arn:aws:iam::123456789012:role/other"}}),
      Aws({{"nodekeep/awsRegion", "eu-west-1"}}),
      Aws({{"nodekeep/stsRegion", "eu-west-1"}}),
      Aws({{"nodekeep/stsRegion", "eu-west-1"}, {"nodekeep/stsEndpoint", "https://a"}}),
      Azure(),
      Azure({{"nodekeep/azureClientID", "x"}}),
      Azure({{"nodekeep/azureTenantID", "x"}}),
      Gcp(),
      Gcp({{"nodekeep/gcpProvider", kGke}}),
      Gcp({{"nodekeep/gcpServiceAccount", "other@shop.iam.gserviceaccount.com"}}),
  };
  std::set<std::string> texts;
  for (const Attributes& row : rows) {
    Result<ParsedMount> mount = Parse(row);
    REQUIRE(Refusal(mount) == "accepted");
    texts.insert(mount->options->LoginText());
  }
  CHECK(texts.size() == std::size(rows));
}

TEST_CASE("cloud login: --explain shows the identity") {
  std::string text;
  for (const auto& [name, value] : Parse(Aws())->options->Explain()) {
    text += name + ": " + value + "\n";
  }
  CHECK(Contains(text, "logs in as: the pod\n"));
  CHECK(Contains(text, std::string("aws role: ") + kRole + "\n"));
}

}  // namespace nodekeep::akeyless

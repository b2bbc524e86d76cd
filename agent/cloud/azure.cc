#include "agent/cloud/azure.h"

#include <cctype>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "agent/base/read_file.h"
#include "agent/cloud/exchange.h"
#include "agent/cloud/signed_jwt.h"

namespace nodekeep {
namespace {

// Longer than the probe's, because the service may have to fetch the token first.
constexpr Duration kTokenTimeout = std::chrono::seconds(5);
constexpr Duration kProbeTimeout = std::chrono::seconds(1);
constexpr const char* kInstanceMetadata = "http://169.254.169.254";

const AzureCloud* Clouds() {
  static const AzureCloud clouds[] = {
      {"AzureCloud", "https://login.microsoftonline.com", "https://management.azure.com/"},
      {"AzureUSGovernment", "https://login.microsoftonline.us",
       "https://management.usgovcloudapi.net/"},
      {"AzureChinaCloud", "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn/"},
  };
  return clouds;
}

std::string LowerTrimmed(std::string_view text) {
  std::string lower;
  for (char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    lower += AsciiLower(c);
  }
  return lower;
}

// For resources with and without a trailing slash: "https://management.azure.com/",
// "https://vault.azure.net".
std::string ScopeOf(const std::string& resource) {
  return resource + (resource.ends_with('/') ? ".default" : "/.default");
}

std::string TokenUrl(const EntraApplication& application) {
  std::string authority = application.authority;
  while (authority.ends_with('/')) authority.pop_back();
  return authority + "/" + PercentEncode(application.tenant_id, /*keep_slash=*/false) +
         "/oauth2/v2.0/token";
}

Status Complete(const EntraApplication& application) {
  if (!application.tenant_id.empty() && !application.client_id.empty()) return {};
  return Error::Format(ErrorCode::kInvalid, "{} is not set (environment {})",
                       application.tenant_id.empty() ? "the tenant id" : "the client id",
                       application.tenant_id.empty() ? "AZURE_TENANT_ID" : "AZURE_CLIENT_ID");
}

Result<CloudToken> AskAuthority(const Context& context, HttpClient& http,
                                const EntraApplication& application, HttpRequest request) {
  constexpr std::string_view kWhat = "Entra token request";
  if (Status complete = Complete(application); !complete.ok()) return complete.error();
  return ExchangeForToken(context, http, std::move(request), kWhat);
}

Error WithSource(const Error& error, std::string_view source) {
  return error.Prepend("Azure token by {}", source);
}

}  // namespace

const AzureCloud* AzureCloud::Find(std::string_view name) {
  constexpr std::pair<std::string_view, int> kNames[] = {
      {"azurecloud", 0},        {"azurepubliccloud", 0},
      {"azureusgovernment", 1}, {"azureusgovernmentcloud", 1},
      {"azurechinacloud", 2},   {"azurechinacloud21vianet", 2},
  };
  for (const auto& [known, index] : kNames) {
    if (LowerTrimmed(name) == known) return &Clouds()[index];
  }
  return nullptr;
}

Result<CloudToken> EntraTokenByAssertion(const Context& context, HttpClient& http,
                                         const EntraApplication& application,
                                         const std::string& resource,
                                         const SecretBytes& assertion) {
  return AskAuthority(
      context, http, application,
      FormPost(TokenUrl(application),
               {{"grant_type", "client_credentials"},
                {"client_id", application.client_id},
                {"scope", ScopeOf(resource)},
                {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
                {"client_assertion", assertion.Reveal()}}));
}

Result<CloudToken> EntraTokenBySecret(const Context& context, HttpClient& http,
                                      const EntraApplication& application,
                                      const std::string& resource, const SecretBytes& secret) {
  return AskAuthority(context, http, application,
                      FormPost(TokenUrl(application), {{"grant_type", "client_credentials"},
                                                       {"client_id", application.client_id},
                                                       {"scope", ScopeOf(resource)},
                                                       {"client_secret", secret.Reveal()}}));
}

Result<SecretBytes> EntraCertificateAssertion(const EntraApplication& application,
                                              const SecretBytes& pem, WallTime now) {
  Result<std::string> thumbprint = CertificateThumbprint(pem);
  if (!thumbprint.ok()) return thumbprint.error();
  const std::int64_t seconds = std::chrono::system_clock::to_time_t(now);
  Json header(jsoncons::json_object_arg);
  header["x5t#S256"] = *thumbprint;
  Json claims(jsoncons::json_object_arg);
  claims["aud"] = TokenUrl(application);
  claims["iss"] = application.client_id;
  claims["sub"] = application.client_id;
  claims["jti"] = HexEncode(RandomBytes(16).Reveal());
  claims["nbf"] = seconds;
  claims["exp"] = seconds + 600;
  return SignJwtRs256(std::move(header), claims, pem);
}

AzureEnvironment AzureEnvironment::From(const Environment& environment) {
  AzureEnvironment azure;
  azure.tenant_id = environment("AZURE_TENANT_ID");
  azure.client_id = environment("AZURE_CLIENT_ID");
  azure.client_secret = SecretBytes::MoveFrom(environment("AZURE_CLIENT_SECRET"));
  azure.client_certificate_file = environment("AZURE_CLIENT_CERTIFICATE_PATH");
  azure.federated_token_file = environment("AZURE_FEDERATED_TOKEN_FILE");
  azure.authority = environment("AZURE_AUTHORITY_HOST");
  azure.cloud = environment("AZURE_ENVIRONMENT");
  if (azure.cloud.empty()) azure.cloud = environment("AZURE_CLOUD");
  azure.identity_endpoint = environment("IDENTITY_ENDPOINT");
  azure.identity_header = SecretBytes::MoveFrom(environment("IDENTITY_HEADER"));
  azure.metadata_endpoint = environment("AZURE_POD_IDENTITY_AUTHORITY_HOST");
  if (azure.metadata_endpoint.empty()) azure.metadata_endpoint = kInstanceMetadata;
  while (azure.metadata_endpoint.ends_with('/')) azure.metadata_endpoint.pop_back();
  return azure;
}

Result<CloudToken> ManagedIdentityToken(const Context& context, HttpClient& http,
                                        const AzureEnvironment& environment,
                                        const ManagedIdentity& identity,
                                        const std::string& resource) {
  const bool app_service =
      !environment.identity_endpoint.empty() && !environment.identity_header.empty();
  const std::string_view what = app_service ? "App Service identity endpoint" : "instance metadata";
  std::string url = app_service ? environment.identity_endpoint + "?api-version=2019-08-01"
                                : environment.metadata_endpoint +
                                      "/metadata/identity/oauth2/token?api-version=2018-02-01";
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) url += fmt::format("&{}={}", name, PercentEncode(value, false));
  };
  add("resource", resource);
  add("client_id", identity.client_id);
  add("object_id", identity.object_id);
  HttpRequest request = MetadataGet(std::move(url), kTokenTimeout);
  if (app_service) {
    request.headers.push_back({"X-IDENTITY-HEADER", environment.identity_header.Clone()});
  } else {
    request.headers.push_back({"Metadata", SecretBytes("true")});
  }
  Result<CloudToken> token = ExchangeForToken(context, http, std::move(request), what);
  if (token.ok()) return token;
  // 404 and 410 while the service is being updated, 400: the identity does not exist
  // (docs/protocol/cloud-tokens.md, "Microsoft Entra tokens").
  if (token.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kTransient, token.error().message());
  }
  return token.error().code() == ErrorCode::kInvalid
             ? token.error().Prepend("is the identity assigned to this machine?")
             : token.error();
}

Result<AzureCloud> OwnAzureCloud(const Context& context, HttpClient& http,
                                 const AzureEnvironment& environment) {
  if (!environment.cloud.empty()) {
    if (const AzureCloud* named = AzureCloud::Find(environment.cloud)) return *named;
    return Error::Format(ErrorCode::kInvalid,
                         "AZURE_ENVIRONMENT (or AZURE_CLOUD) \"{}\" is none of AzureCloud, "
                         "AzureUSGovernment, AzureChinaCloud",
                         environment.cloud);
  }
  HttpRequest request = MetadataGet(
      environment.metadata_endpoint + "/metadata/instance?api-version=2021-02-01&format=json",
      kProbeTimeout);
  request.headers.push_back({"Metadata", SecretBytes("true")});
  Result<Json> answer = ExchangeForJson(context, http, std::move(request), "instance metadata");
  const AzureCloud* found =
      answer.ok()
          ? AzureCloud::Find(TextOf(Find(*answer, {"compute", "azEnvironment"})).value_or(""))
          : nullptr;
  return found == nullptr ? Clouds()[0] : *found;
}

Result<CloudToken> OwnAzureToken(const Context& context, HttpClient& http,
                                 const AzureEnvironment& environment, const AzureCloud& cloud,
                                 const std::string& resource, WallTime now) {
  const EntraApplication application{
      environment.authority.empty() ? cloud.authority : environment.authority,
      environment.tenant_id, environment.client_id};
  if (!environment.client_secret.empty()) {
    Result<CloudToken> token =
        EntraTokenBySecret(context, http, application, resource, environment.client_secret);
    return token.ok() ? std::move(token) : WithSource(token.error(), "AZURE_CLIENT_SECRET");
  }
  if (!environment.client_certificate_file.empty()) {
    constexpr std::string_view kSource = "AZURE_CLIENT_CERTIFICATE_PATH";
    Result<SecretBytes> pem = ReadSmallFile(environment.client_certificate_file);
    if (!pem.ok()) return WithSource(pem.error(), kSource);
    Result<SecretBytes> assertion = EntraCertificateAssertion(application, *pem, now);
    if (!assertion.ok()) return WithSource(assertion.error(), kSource);
    Result<CloudToken> token =
        EntraTokenByAssertion(context, http, application, resource, *assertion);
    return token.ok() ? std::move(token) : WithSource(token.error(), kSource);
  }
  if (!environment.federated_token_file.empty()) {
    constexpr std::string_view kSource = "workload identity (AZURE_FEDERATED_TOKEN_FILE)";
    Result<SecretBytes> assertion = ReadTokenFile(environment.federated_token_file);
    if (!assertion.ok()) return WithSource(assertion.error(), kSource);
    Result<CloudToken> token =
        EntraTokenByAssertion(context, http, application, resource, *assertion);
    return token.ok() ? std::move(token) : WithSource(token.error(), kSource);
  }
  Result<CloudToken> token =
      ManagedIdentityToken(context, http, environment, {environment.client_id, ""}, resource);
  if (token.ok()) return token;
  return WithSource(
      token.error(),
      "managed identity, because AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and "
      "AZURE_FEDERATED_TOKEN_FILE are not set");
}

}  // namespace nodekeep

#include "agent/cloud/pod_login.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "agent/cloud/aws_sources.h"

namespace nodekeep {
namespace {

constexpr std::string_view kGkePool = "identitynamespace:";
constexpr std::string_view kFederation = "//iam.googleapis.com/";

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

bool IsGkeProvider(std::string_view provider) { return provider.starts_with(kGkePool); }

// Adds the identity, a `kind` and a name, and, unless the error is transient, `fix`.
Error ForPod(const Error& error, std::string_view kind, std::string_view name,
             std::string_view fix) {
  const Error with_fix = error.IsTransient()
                             ? error
                             : Error(error.code(), fmt::format("{}; {}", error.message(), fix));
  return with_fix.Prepend("{} \"{}\" on behalf of the pod", kind, name);
}

// The access token of the federated identity.
Result<CloudToken> Federate(const Context& context, HttpClient& http,
                            const GcpEnvironment& environment, const GcpPodLogin& login,
                            const SecretBytes& pod_token) {
  GcpFederation federation;
  federation.audience = login.provider;
  // GKE has a separate token exchange service.
  if (IsGkeProvider(login.provider)) federation.url = kGkeSts;
  const std::string& url = environment.endpoints.token_exchange;
  if (!url.empty()) federation.url = url;
  Result<CloudToken> token = ExchangeForGcpToken(context, http, federation, pod_token);
  if (token.ok()) return token;
  return ForPod(token.error(), "provider", federation.audience,
                "the provider must trust the cluster's issuer and this audience");
}

GcpServiceAccount AccountOf(const GcpPodLogin& login, const GcpEnvironment& environment) {
  GcpServiceAccount account;
  account.email = login.service_account;
  const std::string& endpoint = environment.endpoints.iam_credentials;
  if (!endpoint.empty()) account.endpoint = endpoint;
  return account;
}

Result<CloudToken> Impersonated(Result<CloudToken> token, const GcpServiceAccount& account) {
  if (token.ok()) return token;
  return token.error().Prepend("service account \"{}\" on behalf of the pod", account.email);
}

}  // namespace

std::string GcpPodAudience(std::string_view provider) {
  if (!IsGkeProvider(provider)) return std::string(provider);
  provider.remove_prefix(kGkePool.size());
  return std::string(provider.substr(0, provider.find(':')));
}

bool IsAwsRegion(std::string_view text) {
  constexpr std::size_t kLongest = 32;
  return !text.empty() && text.size() <= kLongest && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
         });
}

bool IsAwsRoleArn(std::string_view text) {
  const std::size_t iam = text.find(":iam::");
  const std::size_t role = text.find(":role/");
  return text.starts_with("arn:aws") && iam != std::string_view::npos &&
         role != std::string_view::npos && iam < role && !text.ends_with('/') && IsPrintable(text);
}

bool IsAzureId(std::string_view text) {
  // Not "..", which a client would resolve to the parent directory.
  return !text.empty() && std::isalnum(static_cast<unsigned char>(text.front())) != 0 &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; });
}

bool IsGcpProvider(std::string_view text) {
  if (!IsPrintable(text)) return false;
  if (text.starts_with(kFederation)) {
    return text.find("/workloadIdentityPools/") != std::string_view::npos &&
           text.find("/providers/") != std::string_view::npos;
  }
  return text.starts_with(kGkePool) && text.find(':', kGkePool.size()) != std::string_view::npos;
}

bool IsGcpServiceAccount(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && IsPrintable(text);
}

Result<AwsCredentials> AwsCredentialsForPod(const Context& context, HttpClient& http,
                                            const AwsEnvironment& environment,
                                            const AwsPodLogin& login,
                                            const SecretBytes& pod_token) {
  AwsRole role;
  role.arn = login.role_arn;
  role.session_name = environment.role_session_name;
  role.sts_url = environment.sts_url;
  if (role.sts_url.empty()) {
    role.sts_url = AwsServiceUrl("sts", login.region.empty() ? environment.region : login.region);
  }
  Result<AwsCredentials> credentials = AssumeRoleWithWebIdentity(context, http, role, pod_token);
  if (credentials.ok()) return credentials;
  return ForPod(credentials.error(), "role", role.arn,
                "its trust policy must allow sts:AssumeRoleWithWebIdentity to the cluster's OIDC "
                "provider for this service account and audience");
}

Result<CloudToken> AzureTokenForPod(const Context& context, HttpClient& http,
                                    const AzureEnvironment& environment, const AzurePodLogin& login,
                                    const SecretBytes& pod_token) {
  const EntraApplication application{
      environment.authority.empty() ? login.authority : environment.authority, login.tenant_id,
      login.client_id};
  Result<CloudToken> token =
      EntraTokenByAssertion(context, http, application, login.resource, pod_token);
  if (token.ok()) return token;
  return ForPod(token.error(), "application", application.client_id,
                "it needs a federated credential with the cluster's issuer, this service account "
                "as subject, and this audience");
}

Result<CloudToken> GcpAccessTokenForPod(const Context& context, HttpClient& http,
                                        const GcpEnvironment& environment, const GcpPodLogin& login,
                                        const SecretBytes& pod_token) {
  Result<CloudToken> federated = Federate(context, http, environment, login, pod_token);
  if (!federated.ok() || login.service_account.empty()) return federated;
  const GcpServiceAccount account = AccountOf(login, environment);
  return Impersonated(ImpersonateForAccessToken(context, http, account, federated->token), account);
}

Result<CloudToken> GcpIdentityTokenForPod(const Context& context, HttpClient& http,
                                          const GcpEnvironment& environment,
                                          const GcpPodLogin& login, const SecretBytes& pod_token,
                                          const std::string& audience) {
  Result<CloudToken> federated = Federate(context, http, environment, login, pod_token);
  if (!federated.ok()) return federated;
  const GcpServiceAccount account = AccountOf(login, environment);
  return Impersonated(
      ImpersonateForIdentityToken(context, http, account, federated->token, audience), account);
}

}  // namespace nodekeep

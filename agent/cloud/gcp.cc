#include "agent/cloud/gcp.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/base/read_file.h"
#include "agent/cloud/exchange.h"
#include "agent/cloud/signed_jwt.h"
#include "agent/http/origin.h"

namespace nodekeep {
namespace {

constexpr Duration kMetadataTimeout = std::chrono::seconds(5);
constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::int64_t kLifetimeSeconds = 3600;  // requested, and fixed for identity tokens
constexpr std::string_view kMetadata = "metadata server";
constexpr std::string_view kKey = "service account key";

std::string Member(const Json& json, std::initializer_list<std::string_view> path) {
  return TextOf(Find(json, path)).value_or("");
}

// A file may name any URL; tokens go to Google only (docs/protocol/cloud-tokens.md,
// "Google tokens"). Universe domains other than googleapis.com are not supported.
Status CheckGoogleUrl(const std::string& url) {
  HttpRequest request;
  request.url = url;
  Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return origin.error();
  if (origin->scheme == "https" && origin->host.ends_with(".googleapis.com")) return {};
  return Error::Format(ErrorCode::kInvalid, "{} is not an https host of googleapis.com",
                       origin->text);
}

HttpRequest MetadataRequest(const GcpEnvironment& environment, const std::string& path) {
  HttpRequest request =
      MetadataGet(fmt::format("http://{}/computeMetadata/v1/instance/service-accounts/default/{}",
                              environment.metadata_host, path),
                  kMetadataTimeout);
  request.headers.push_back({"Metadata-Flavor", SecretBytes("Google")});
  return request;
}

// The metadata server returns a bare JWT; the check detects another host with that name.
Result<CloudToken> JwtIn(const SecretBytes& body) {
  std::string_view text = body.Reveal();
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto is_jwt = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  if (std::count(text.begin(), text.end(), '.') != 2 ||
      !std::all_of(text.begin(), text.end(), is_jwt)) {
    return Error::Format(ErrorCode::kTransient, "{}: the answer is not a token", kMetadata);
  }
  return CloudToken{SecretBytes(text), std::chrono::seconds(kLifetimeSeconds)};
}

Result<Json> ReadCredentials(const std::string& path) {
  Result<SecretBytes> text = ReadSmallFile(path);
  if (!text.ok()) return text.error();
  Result<Json> json = ParseJson(text->Reveal());
  if (json.ok() && json->is_object()) return json;
  return Error::Format(ErrorCode::kInvalid, "\"{}\" is not a JSON object", path);
}

// A grant with an assertion signed by the service account's key. `claim`: a scope for an access
// token, a target audience for an identity token.
Result<HttpRequest> KeyGrant(const Json& key, std::string_view claim, const std::string& value,
                             WallTime now) {
  const std::string url = Member(key, {"token_uri"});
  if (Status google = CheckGoogleUrl(url); !google.ok()) return google.error().Prepend("token_uri");
  const std::int64_t seconds = std::chrono::system_clock::to_time_t(now);
  Json header(jsoncons::json_object_arg);
  header["kid"] = Member(key, {"private_key_id"});
  Json claims(jsoncons::json_object_arg);
  claims["iss"] = Member(key, {"client_email"});
  claims["sub"] = Member(key, {"client_email"});
  claims["aud"] = url;
  claims["iat"] = seconds;
  claims["exp"] = seconds + kLifetimeSeconds;
  claims[std::string(claim)] = value;
  const SecretBytes pem = SecretBytes::MoveFrom(Member(key, {"private_key"}));
  Result<SecretBytes> assertion = SignJwtRs256(std::move(header), claims, pem);
  if (!assertion.ok()) return assertion.error();
  return FormPost(url, {{"grant_type", kJwtBearer}, {"assertion", assertion->Reveal()}});
}

// The federation of an external_account file, with the token from a file. Other sources in such
// files (programs, URLs, AWS) are refused: a program would run with the permissions of the agent.
struct ExternalAccount {
  GcpFederation federation;
  std::optional<GcpServiceAccount> account;
  SecretBytes token;
};

// ".../serviceAccounts/<email>:generateAccessToken"
std::string EmailIn(std::string_view url) {
  constexpr std::string_view kBefore = "/serviceAccounts/";
  const std::size_t start = url.find(kBefore);
  if (start == std::string_view::npos) return "";
  const std::string_view rest = url.substr(start + kBefore.size());
  return std::string(rest.substr(0, rest.find(':')));
}

Result<ExternalAccount> ReadExternalAccount(const Json& file) {
  const std::string path = Member(file, {"credential_source", "file"});
  if (path.empty()) {
    return Error(ErrorCode::kInvalid,
                 "external_account: only a credential_source.file is supported by a node agent");
  }
  ExternalAccount external;
  if (std::string url = Member(file, {"token_url"}); !url.empty()) {
    external.federation.url = std::move(url);
  }
  external.federation.audience = Member(file, {"audience"});
  if (std::string type = Member(file, {"subject_token_type"}); !type.empty()) {
    external.federation.token_type = std::move(type);
  }
  const std::string impersonation = Member(file, {"service_account_impersonation_url"});
  for (const std::string& url : {external.federation.url, impersonation}) {
    if (url.empty()) continue;
    if (Status google = CheckGoogleUrl(url); !google.ok()) {
      return google.error().Prepend("external_account");
    }
  }
  if (!impersonation.empty()) {
    external.account.emplace();
    external.account->email = EmailIn(impersonation);
  }
  Result<SecretBytes> token = ReadTokenFile(path);
  if (!token.ok()) return token.error();
  external.token = *std::move(token);
  const std::string member =
      Member(file, {"credential_source", "format", "subject_token_field_name"});
  if (member.empty()) return external;
  Result<Json> json = ParseJson(external.token.Reveal());
  external.token = SecretBytes::MoveFrom(json.ok() ? Member(*json, {member}) : "");
  if (!external.token.empty()) return external;
  return Error::Format(ErrorCode::kInvalid, "external_account: \"{}\" has no \"{}\"", path, member);
}

Json ImpersonationBody(const GcpServiceAccount& account) {
  Json body(jsoncons::json_object_arg);
  if (account.delegates.empty()) return body;
  Json delegates(jsoncons::json_array_arg);
  for (const std::string& email : account.delegates) {
    delegates.push_back("projects/-/serviceAccounts/" + email);
  }
  body["delegates"] = std::move(delegates);
  return body;
}

Result<CloudToken> Impersonate(const Context& context, HttpClient& http,
                               const GcpServiceAccount& account, const SecretBytes& access_token,
                               std::string_view verb, const Json& body, std::string_view member) {
  const std::string what = fmt::format("{} for {}", verb, account.email);
  HttpRequest request =
      JsonPost(fmt::format("{}/v1/projects/-/serviceAccounts/{}:{}", account.endpoint,
                           PercentEncode(account.email, /*keep_slash=*/false), verb),
               body);
  SecretBytes bearer("Bearer ");
  bearer.Append(access_token.Reveal());
  request.headers.push_back({"Authorization", std::move(bearer)});
  Result<CloudToken> token = ExchangeForToken(context, http, std::move(request), what, member);
  if (!token.ok()) {
    return token.error().code() == ErrorCode::kDenied
               ? token.error().Prepend(
                     "grant roles/iam.serviceAccountTokenCreator or "
                     "roles/iam.workloadIdentityUser on the service account")
               : token.error();
  }
  token->lifetime = std::chrono::seconds(kLifetimeSeconds);
  return token;
}

Error UnknownType(const Json& file) {
  return Error::Format(ErrorCode::kInvalid,
                       "credentials of type \"{}\" are not supported: use service_account or "
                       "external_account",
                       Member(file, {"type"}));
}

Error WithSource(const Error& error, const GcpEnvironment& environment) {
  const Error why = environment.credentials_file.empty() && error.code() == ErrorCode::kNotFound
                        ? error.Prepend("this machine or pod has no service account")
                        : error;
  if (!environment.credentials_file.empty()) {
    return why.Prepend("Google token by GOOGLE_APPLICATION_CREDENTIALS");
  }
  return why.Prepend("Google token by metadata, because GOOGLE_APPLICATION_CREDENTIALS is not set");
}

Result<CloudToken> FederatedAccessToken(const Context& context, HttpClient& http,
                                        const ExternalAccount& external) {
  Result<CloudToken> token =
      ExchangeForGcpToken(context, http, external.federation, external.token);
  if (!token.ok() || !external.account) return token;
  return ImpersonateForAccessToken(context, http, *external.account, token->token);
}

Result<CloudToken> FederatedIdentityToken(const Context& context, HttpClient& http,
                                          const ExternalAccount& external,
                                          const std::string& audience) {
  if (!external.account) {
    return Error(ErrorCode::kInvalid,
                 "external_account: a federation has no identity token of its own: name a service "
                 "account in service_account_impersonation_url");
  }
  Result<CloudToken> token =
      ExchangeForGcpToken(context, http, external.federation, external.token);
  if (!token.ok()) return token;
  return ImpersonateForIdentityToken(context, http, *external.account, token->token, audience);
}

Result<CloudToken> AccessToken(const Context& context, HttpClient& http,
                               const GcpEnvironment& environment, WallTime now) {
  if (environment.credentials_file.empty()) {
    return ExchangeForToken(context, http, MetadataRequest(environment, "token"), kMetadata);
  }
  Result<Json> file = ReadCredentials(environment.credentials_file);
  if (!file.ok()) return file.error();
  const std::string type = Member(*file, {"type"});
  if (type == "service_account") {
    Result<HttpRequest> grant = KeyGrant(*file, "scope", kGcpScope, now);
    if (!grant.ok()) return grant.error();
    return ExchangeForToken(context, http, *std::move(grant), kKey);
  }
  if (type != "external_account") return UnknownType(*file);
  Result<ExternalAccount> external = ReadExternalAccount(*file);
  if (!external.ok()) return external.error();
  return FederatedAccessToken(context, http, *external);
}

Result<CloudToken> IdentityToken(const Context& context, HttpClient& http,
                                 const GcpEnvironment& environment, const std::string& audience,
                                 WallTime now) {
  if (environment.credentials_file.empty()) {
    // `full` adds the claims of the instance, which bindings of type GCE refer to.
    const std::string path =
        "identity?audience=" + PercentEncode(audience, /*keep_slash=*/false) + "&format=full";
    Result<SecretBytes> body =
        Exchange(context, http, MetadataRequest(environment, path), kMetadata);
    if (!body.ok()) return body.error();
    return JwtIn(*body);
  }
  Result<Json> file = ReadCredentials(environment.credentials_file);
  if (!file.ok()) return file.error();
  const std::string type = Member(*file, {"type"});
  if (type == "service_account") {
    Result<HttpRequest> grant = KeyGrant(*file, "target_audience", audience, now);
    if (!grant.ok()) return grant.error();
    return ExchangeForToken(context, http, *std::move(grant), kKey, "id_token");
  }
  if (type != "external_account") return UnknownType(*file);
  Result<ExternalAccount> external = ReadExternalAccount(*file);
  if (!external.ok()) return external.error();
  return FederatedIdentityToken(context, http, *external, audience);
}

}  // namespace

Result<CloudToken> ExchangeForGcpToken(const Context& context, HttpClient& http,
                                       const GcpFederation& federation, const SecretBytes& token) {
  Json body(jsoncons::json_object_arg);
  body["grant_type"] = "urn:ietf:params:oauth:grant-type:token-exchange";
  body["requested_token_type"] = "urn:ietf:params:oauth:token-type:access_token";
  body["audience"] = federation.audience;
  body["scope"] = kGcpScope;
  body["subject_token_type"] = federation.token_type;
  body["subject_token"] = std::string(token.Reveal());
  return ExchangeForToken(context, http, JsonPost(federation.url, body), "Google token exchange");
}

Result<CloudToken> ImpersonateForAccessToken(const Context& context, HttpClient& http,
                                             const GcpServiceAccount& account,
                                             const SecretBytes& access_token) {
  Json body = ImpersonationBody(account);
  body["scope"] = Json(jsoncons::json_array_arg);
  body["scope"].push_back(kGcpScope);
  body["lifetime"] = std::to_string(kLifetimeSeconds) + "s";
  return Impersonate(context, http, account, access_token, "generateAccessToken", body,
                     "accessToken");
}

Result<CloudToken> ImpersonateForIdentityToken(const Context& context, HttpClient& http,
                                               const GcpServiceAccount& account,
                                               const SecretBytes& access_token,
                                               const std::string& audience) {
  Json body = ImpersonationBody(account);
  body["audience"] = audience;
  body["includeEmail"] = true;
  return Impersonate(context, http, account, access_token, "generateIdToken", body, "token");
}

GcpEnvironment GcpEnvironment::From(const Environment& environment) {
  GcpEnvironment gcp;
  gcp.credentials_file = environment("GOOGLE_APPLICATION_CREDENTIALS");
  gcp.metadata_host = environment("GCE_METADATA_HOST");
  if (gcp.metadata_host.empty()) gcp.metadata_host = "metadata.google.internal";
  gcp.endpoints.token_exchange = environment("GAIA_TOKEN_EXCHANGE_ENDPOINT");
  gcp.endpoints.iam_credentials = environment("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS");
  while (gcp.endpoints.iam_credentials.ends_with('/')) gcp.endpoints.iam_credentials.pop_back();
  return gcp;
}

Result<CloudToken> OwnGcpAccessToken(const Context& context, HttpClient& http,
                                     const GcpEnvironment& environment, WallTime now) {
  Result<CloudToken> token = AccessToken(context, http, environment, now);
  return token.ok() ? std::move(token) : WithSource(token.error(), environment);
}

Result<CloudToken> OwnGcpIdentityToken(const Context& context, HttpClient& http,
                                       const GcpEnvironment& environment,
                                       const std::string& audience, WallTime now) {
  Result<CloudToken> token = IdentityToken(context, http, environment, audience, now);
  return token.ok() ? std::move(token) : WithSource(token.error(), environment);
}

}  // namespace nodekeep

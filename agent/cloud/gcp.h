#pragma once

// Google access tokens and identity tokens, one function a source (docs/protocol/cloud-tokens.md,
// "Google tokens").
//
// Stateless and thread-safe; nothing is cached: the caller that logs in keeps the token. Errors
// name the source and the fix; see Exchange for their codes.

#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/cloud_token.h"
#include "agent/http/http_client.h"

namespace nodekeep {

inline constexpr const char* kGcpScope = "https://www.googleapis.com/auth/cloud-platform";
inline constexpr const char* kGcpSts = "https://sts.googleapis.com/v1/token";
inline constexpr const char* kGkeSts = "https://securetoken.googleapis.com/v1/identitybindingtoken";

// Exchanges a token of another issuer, for example a pod's, for a federated access token.
struct GcpFederation {
  std::string url = kGcpSts;  // or kGkeSts
  // "//iam.googleapis.com/projects/..." or GKE's "identitynamespace:<pool>:<provider>"
  std::string audience;
  std::string token_type = "urn:ietf:params:oauth:token-type:jwt";
};
Result<CloudToken> ExchangeForGcpToken(const Context& context, HttpClient& http,
                                       const GcpFederation& federation, const SecretBytes& token);

// Impersonation of a service account; needs an access token with that permission.
struct GcpServiceAccount {
  std::string email;
  std::vector<std::string> delegates;  // emails, first to last
  std::string endpoint = "https://iamcredentials.googleapis.com";
};
Result<CloudToken> ImpersonateForAccessToken(const Context& context, HttpClient& http,
                                             const GcpServiceAccount& account,
                                             const SecretBytes& access_token);
Result<CloudToken> ImpersonateForIdentityToken(const Context& context, HttpClient& http,
                                               const GcpServiceAccount& account,
                                               const SecretBytes& access_token,
                                               const std::string& audience);

// Alternative endpoints for Google, for networks with private endpoints. Set only by the operator,
// because tokens are sent there. "" = Google's public ones.
struct GcpEndpoints {
  std::string token_exchange;   // whole URL: GAIA_TOKEN_EXCHANGE_ENDPOINT, as the GCP CSI provider
  std::string iam_credentials;  // CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS, as gcloud
};

struct GcpEnvironment {
  static GcpEnvironment From(const Environment& environment);

  // GOOGLE_APPLICATION_CREDENTIALS: a service account key, or a federation (external_account) with
  // its token in a file; read at each call. "" = the metadata server.
  std::string credentials_file;
  std::string metadata_host;  // GCE_METADATA_HOST; never empty
  GcpEndpoints endpoints;     // for a pod's token; a credentials file has its own
};

// The identity of this process: the credentials file if one is named, else the metadata server.
Result<CloudToken> OwnGcpAccessToken(const Context& context, HttpClient& http,
                                     const GcpEnvironment& environment, WallTime now);
// A token signed by Google that proves this identity to `audience`. A federation must impersonate a
// service account for it.
Result<CloudToken> OwnGcpIdentityToken(const Context& context, HttpClient& http,
                                       const GcpEnvironment& environment,
                                       const std::string& audience, WallTime now);

}  // namespace nodekeep

#pragma once

// The AWS identity of this process, as the SDKs find it: environment, web identity, shared files,
// container, instance.
//
// The first source that is configured decides. When it fails, the next one is not tried: a pod that
// was given a role must never end up with the rights of the node. A file that a variable names is
// configured; one at its default path is if it exists, readable or not.

#include <string>

#include "agent/base/context.h"
#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/aws_credentials.h"
#include "agent/http/http_client.h"

namespace nodekeep {

// AWS_* variables, by the names of the SDKs.
struct AwsEnvironment {
  struct SharedFile {
    std::string path;      // "" = none
    std::string variable;  // that names it; "" = the default path, where there need not be a file
  };

  static AwsEnvironment From(const Environment& environment);

  std::string access_key_id;
  SecretBytes secret_access_key;
  SecretBytes session_token;
  std::string role_arn;
  std::string web_identity_token_file;  // read at each call: kubelet replaces it
  std::string role_session_name = "nodekeep";
  std::string profile = "default";
  bool profile_named = false;  // by AWS_PROFILE
  SharedFile credentials_file;
  SharedFile config_file;
  std::string container_url;  // AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI
  SecretBytes container_token;
  std::string container_token_file;  // read at each call; wins over container_token
  bool metadata_disabled = false;
  std::string metadata_endpoint;  // never empty
  std::string region;             // AWS_REGION, AWS_DEFAULT_REGION; "" = not said
  std::string sts_url;            // AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL; "" = the region's
};

// Credentials of the first configured source. The error says of every source up to there why it
// gave none, and what to set.
Result<AwsCredentials> OwnAwsCredentials(const Context& context, HttpClient& http,
                                         const AwsEnvironment& environment);

}  // namespace nodekeep

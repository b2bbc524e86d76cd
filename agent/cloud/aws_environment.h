#pragma once

// The AWS identity of this process, in the order of the SDKs: environment, web identity, shared
// files, container, instance.
//
// Only the first configured source is used. When it fails, the next one is not tried: a pod with an
// assigned role must never get the permissions of the node. A file counts as configured if a
// variable names it, or if it exists at its default path, readable or not.

#include <string>

#include "agent/base/context.h"
#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/aws_credentials.h"
#include "agent/http/http_client.h"

namespace nodekeep {

// AWS_* variables, with the names that the SDKs use.
struct AwsEnvironment {
  struct SharedFile {
    std::string path;      // "" = none
    std::string variable;  // the variable that names it; "" = the default path, file is optional
  };

  static AwsEnvironment From(const Environment& environment);

  std::string access_key_id;
  SecretBytes secret_access_key;
  SecretBytes session_token;
  std::string role_arn;
  std::string web_identity_token_file;  // read at each call, because kubelet rotates it
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
  std::string region;             // AWS_REGION, AWS_DEFAULT_REGION; "" = not set
  std::string sts_url;            // AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL; "" = the region's
};

// Credentials of the first configured source. The error says for every source up to that one why
// it returned none, and what to set.
Result<AwsCredentials> OwnAwsCredentials(const Context& context, HttpClient& http,
                                         const AwsEnvironment& environment);

}  // namespace nodekeep

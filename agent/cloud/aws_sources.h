#pragma once

// Where AWS credentials come from, one function a source (docs/protocol/cloud-tokens.md,
// "AWS credential sources").
//
// Stateless and thread-safe; nothing is cached: the caller that logs in keeps the credentials,
// encrypted. All values are arguments, including a pod's token, so that the agent's own identity
// (AwsEnvironment) and a pod's use the same code. Errors name the source and the fix; see Exchange
// for their codes.

#include <string>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/aws_credentials.h"
#include "agent/http/http_client.h"

namespace nodekeep {

inline constexpr const char* kAwsInstanceMetadata = "http://169.254.169.254";
// The agent of EKS Pod Identity; on IPv6 http://[fd00:ec2::23]/v1/credentials.
inline constexpr const char* kEksPodIdentity = "http://169.254.170.23/v1/credentials";

// "https://sts.eu-west-1.amazonaws.com/", with the host suffix of the region's partition. Region ""
// gives the global host, which is in us-east-1.
std::string AwsServiceUrl(const std::string& service, const std::string& region);

struct AwsRole {
  std::string arn;
  std::string session_name;  // 2-64 of [\w+=,.@-]
  std::string external_id;   // "" = none; only with AssumeRole
  std::string sts_url;       // see AwsServiceUrl
  std::string region;        // signing region; only with AssumeRole
  Duration lifetime = std::chrono::hours(1);
};

// IRSA: exchanges a service account token of audience sts.amazonaws.com for the credentials of a
// role. kAuthExpired when STS reports the token as expired.
Result<AwsCredentials> AssumeRoleWithWebIdentity(const Context& context, HttpClient& http,
                                                 const AwsRole& role, const SecretBytes& token);
// Assumes another role with a request signed with `credentials`.
Result<AwsCredentials> AssumeRole(const Context& context, HttpClient& http, const AwsRole& role,
                                  const AwsCredentials& credentials, WallTime now);

// EKS Pod Identity (token of audience pods.eks.amazonaws.com) and ECS. kInvalid for a URL that is
// neither https nor one of the known link-local or loopback hosts: the token would leave the node.
Result<AwsCredentials> ContainerCredentials(const Context& context, HttpClient& http,
                                            const std::string& url, const SecretBytes& token);

// The instance's role, from IMDSv2 only. A pod needs a hop limit of 2.
Result<AwsCredentials> InstanceCredentials(const Context& context, HttpClient& http,
                                           const std::string& endpoint);

// Keys of `profile` in the text of a shared credentials or config file. kNotFound if the profile
// does not exist; kInvalid if it needs a feature that a node agent does not support (sso,
// credential_process, source_profile).
Result<AwsCredentials> ProfileCredentials(const SecretBytes& text, const std::string& profile);

}  // namespace nodekeep

#include "agent/cloud/aws_environment.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/base/read_file.h"
#include "agent/cloud/aws_sources.h"

namespace nodekeep {
namespace {

std::string FirstSet(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  return "";
}

AwsEnvironment::SharedFile SharedFileOf(const Environment& environment, const char* variable,
                                        std::string_view default_name) {
  if (std::string path = environment(variable); !path.empty()) return {std::move(path), variable};
  const std::string home = environment("HOME");
  if (home.empty()) return {};
  return {fmt::format("{}/.aws/{}", home, default_name), ""};
}

Error WithSource(const Error& error, std::string_view source) {
  return error.Prepend("AWS credentials from {}", source);
}

Result<AwsCredentials> FromWebIdentity(const Context& context, HttpClient& http,
                                       const AwsEnvironment& environment) {
  if (environment.role_arn.empty() || environment.web_identity_token_file.empty()) {
    return Error::Format(
        ErrorCode::kInvalid, "{} is set, but {} is not",
        environment.role_arn.empty() ? "AWS_WEB_IDENTITY_TOKEN_FILE" : "AWS_ROLE_ARN",
        environment.role_arn.empty() ? "AWS_ROLE_ARN" : "AWS_WEB_IDENTITY_TOKEN_FILE");
  }
  Result<SecretBytes> token = ReadTokenFile(environment.web_identity_token_file);
  if (!token.ok()) return token.error();
  AwsRole role;
  role.arn = environment.role_arn;
  role.session_name = environment.role_session_name;
  role.sts_url =
      environment.sts_url.empty() ? AwsServiceUrl("sts", environment.region) : environment.sts_url;
  return AssumeRoleWithWebIdentity(context, http, role, *token);
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::status(path, ignored).type() != std::filesystem::file_type::not_found;
}

// Keys of the profile; the credentials file is tried first. kNotFound when no file has the profile.
Result<AwsCredentials> FromFiles(const AwsEnvironment& environment) {
  std::string why;
  for (const AwsEnvironment::SharedFile* file :
       {&environment.credentials_file, &environment.config_file}) {
    const std::string& path = file->path;
    if (path.empty()) continue;
    Result<SecretBytes> text = ReadSmallFile(path);
    if (!text.ok()) {
      if (!file->variable.empty()) return text.error().Prepend("{}", file->variable);
      if (Exists(path)) return text.error();
      why += (why.empty() ? "" : ", ") + text.error().message();
      continue;
    }
    Result<AwsCredentials> keys = ProfileCredentials(*text, environment.profile);
    if (keys.ok()) return keys;
    if (keys.error().code() != ErrorCode::kNotFound) return keys.error().Prepend("{}", path);
    why += (why.empty() ? "" : ", ") + path + ": " + keys.error().message();
  }
  return Error(ErrorCode::kNotFound, why.empty() ? "no home directory" : why);
}

Result<AwsCredentials> FromContainer(const Context& context, HttpClient& http,
                                     const AwsEnvironment& environment) {
  if (environment.container_token_file.empty()) {
    return ContainerCredentials(context, http, environment.container_url,
                                environment.container_token);
  }
  Result<SecretBytes> token = ReadTokenFile(environment.container_token_file);
  if (!token.ok()) return token.error();
  return ContainerCredentials(context, http, environment.container_url, *token);
}

}  // namespace

AwsEnvironment AwsEnvironment::From(const Environment& environment) {
  AwsEnvironment aws;
  aws.access_key_id = FirstSet(environment, {"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"});
  aws.secret_access_key =
      SecretBytes::MoveFrom(FirstSet(environment, {"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"}));
  aws.session_token = SecretBytes::MoveFrom(environment("AWS_SESSION_TOKEN"));
  aws.role_arn = environment("AWS_ROLE_ARN");
  aws.web_identity_token_file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (std::string name = environment("AWS_ROLE_SESSION_NAME"); !name.empty()) {
    aws.role_session_name = std::move(name);
  }
  if (std::string name = environment("AWS_PROFILE"); !name.empty()) {
    aws.profile = std::move(name);
    aws.profile_named = true;
  }
  aws.credentials_file = SharedFileOf(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  aws.config_file = SharedFileOf(environment, "AWS_CONFIG_FILE", "config");
  // The relative URI takes precedence, as in the SDKs.
  aws.container_url = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (const std::string path = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
      !path.empty()) {
    aws.container_url = "http://169.254.170.2" + path;
  }
  aws.container_token = SecretBytes::MoveFrom(environment("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
  aws.container_token_file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  aws.metadata_disabled = environment("AWS_EC2_METADATA_DISABLED") == "true";
  aws.metadata_endpoint = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (aws.metadata_endpoint.empty()) {
    aws.metadata_endpoint = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") == "IPv6"
                                ? "http://[fd00:ec2::254]"
                                : kAwsInstanceMetadata;
  }
  while (aws.metadata_endpoint.ends_with('/')) aws.metadata_endpoint.pop_back();
  aws.region = FirstSet(environment, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  aws.sts_url = FirstSet(environment, {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"});
  return aws;
}

Result<AwsCredentials> OwnAwsCredentials(const Context& context, HttpClient& http,
                                         const AwsEnvironment& environment) {
  if (environment.access_key_id.empty() != environment.secret_access_key.empty()) {
    return Error(ErrorCode::kInvalid,
                 "AWS credentials from the environment: only one of AWS_ACCESS_KEY_ID and "
                 "AWS_SECRET_ACCESS_KEY is set");
  }
  if (!environment.access_key_id.empty()) {
    return AwsCredentials{environment.access_key_id, environment.secret_access_key.Clone(),
                          environment.session_token.Clone()};
  }
  if (!environment.role_arn.empty() || !environment.web_identity_token_file.empty()) {
    Result<AwsCredentials> found = FromWebIdentity(context, http, environment);
    return found.ok() ? std::move(found) : WithSource(found.error(), "web identity");
  }
  Result<AwsCredentials> found = FromFiles(environment);
  const bool absent = !found.ok() && found.error().code() == ErrorCode::kNotFound;
  if (!absent || environment.profile_named) {
    return found.ok() ? std::move(found) : WithSource(found.error(), "shared files");
  }
  if (!environment.container_url.empty()) {
    found = FromContainer(context, http, environment);
    return found.ok() ? std::move(found) : WithSource(found.error(), "the container endpoint");
  }
  constexpr std::string_view kNothingSet =
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, "
      "AWS_PROFILE and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set";
  if (environment.metadata_disabled) {
    return Error::Format(ErrorCode::kPrecondition,
                         "AWS credentials: none: {}, and AWS_EC2_METADATA_DISABLED is true",
                         kNothingSet);
  }
  found = InstanceCredentials(context, http, environment.metadata_endpoint);
  if (found.ok()) return found;
  return WithSource(found.error(), fmt::format("the instance, because {}", kNothingSet));
}

}  // namespace nodekeep

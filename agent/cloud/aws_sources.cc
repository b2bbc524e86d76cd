#include "agent/cloud/aws_sources.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/json.h"
#include "agent/base/trimmed.h"
#include "agent/cloud/exchange.h"
#include "agent/cloud/sigv4.h"
#include "agent/http/origin.h"

namespace nodekeep {
namespace {

// With a hop limit of 1 the response never reaches a pod: only this timeout ends the wait.
constexpr Duration kInstanceTokenTimeout = std::chrono::seconds(1);
constexpr Duration kMetadataTimeout = std::chrono::seconds(5);

struct Partition {
  std::string_view region_prefix;
  std::string_view suffix;
};
constexpr Partition kPartitions[] = {
    {"cn-", "amazonaws.com.cn"},    {"us-iso-", "c2s.ic.gov"},      {"us-isob-", "sc2s.sgov.gov"},
    {"eu-isoe-", "cloud.adc-e.uk"}, {"us-isof-", "csp.hci.ic.gov"},
};

// Not parsed here, because the names of the members differ between sources, above all the token's.
Result<AwsCredentials> Checked(AwsCredentials credentials, std::string_view end,
                               std::string_view what) {
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return Error::Format(ErrorCode::kTransient, "{}: the answer has no credentials", what);
  }
  credentials.expires = ParseTime(end).value_or(WallTime::max());
  return credentials;
}

Result<AwsCredentials> FromSts(const Result<SecretBytes>& answer, std::string_view what) {
  if (!answer.ok()) return answer.error();
  const std::string_view xml = answer->Reveal();
  AwsCredentials credentials;
  credentials.access_key_id = XmlText(xml, "AccessKeyId");
  credentials.secret_access_key = SecretBytes(XmlText(xml, "SecretAccessKey"));
  credentials.session_token = SecretBytes(XmlText(xml, "SessionToken"));
  return Checked(std::move(credentials), XmlText(xml, "Expiration"), what);
}

// The response of the container and instance endpoints.
Result<AwsCredentials> FromJson(const Json& json, std::string_view what) {
  const auto text = [&](std::string_view name) { return TextOf(Find(json, {name})).value_or(""); };
  AwsCredentials credentials;
  credentials.access_key_id = text("AccessKeyId");
  credentials.secret_access_key = SecretBytes::MoveFrom(text("SecretAccessKey"));
  credentials.session_token = SecretBytes::MoveFrom(text("Token"));
  return Checked(std::move(credentials), text("Expiration"), what);
}

std::string Seconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

// Hosts on this machine, to which a token may be sent without TLS.
bool IsOfThisMachine(const std::string& host) {
  constexpr std::array<std::string_view, 5> kHosts = {"localhost", "::1", "169.254.170.2",
                                                      "169.254.170.23", "fd00:ec2::23"};
  const bool loopback =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  return loopback || std::find(kHosts.begin(), kHosts.end(), host) != kHosts.end();
}

}  // namespace

std::string AwsServiceUrl(const std::string& service, const std::string& region) {
  if (region.empty()) return "https://" + service + ".amazonaws.com/";
  std::string_view suffix = "amazonaws.com";
  for (const Partition& partition : kPartitions) {
    if (region.starts_with(partition.region_prefix)) suffix = partition.suffix;
  }
  return fmt::format("https://{}.{}.{}/", service, region, suffix);
}

Result<AwsCredentials> AssumeRoleWithWebIdentity(const Context& context, HttpClient& http,
                                                 const AwsRole& role, const SecretBytes& token) {
  constexpr std::string_view kWhat = "AssumeRoleWithWebIdentity";
  HttpRequest request = FormPost(role.sts_url, {{"Action", kWhat},
                                                {"Version", "2011-06-15"},
                                                {"RoleArn", role.arn},
                                                {"RoleSessionName", role.session_name},
                                                {"WebIdentityToken", token.Reveal()},
                                                {"DurationSeconds", Seconds(role.lifetime)}});
  return FromSts(Exchange(context, http, std::move(request), kWhat), kWhat);
}

Result<AwsCredentials> AssumeRole(const Context& context, HttpClient& http, const AwsRole& role,
                                  const AwsCredentials& credentials, WallTime now) {
  constexpr std::string_view kWhat = "AssumeRole";
  HttpRequest request = FormPost(role.sts_url, {{"Action", kWhat},
                                                {"Version", "2011-06-15"},
                                                {"RoleArn", role.arn},
                                                {"RoleSessionName", role.session_name},
                                                {"ExternalId", role.external_id},
                                                {"DurationSeconds", Seconds(role.lifetime)}});
  if (Status done = SignV4(request, credentials, {role.region, "sts"}, now); !done.ok()) {
    return done.error().Prepend("{}", kWhat);
  }
  return FromSts(Exchange(context, http, std::move(request), kWhat), kWhat);
}

Result<AwsCredentials> ContainerCredentials(const Context& context, HttpClient& http,
                                            const std::string& url, const SecretBytes& token) {
  constexpr std::string_view kWhat = "container credentials";
  HttpRequest request = MetadataGet(url, kMetadataTimeout);
  Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return origin.error().Prepend("{}", kWhat);
  if (origin->scheme != "https" && !IsOfThisMachine(origin->host)) {
    return Error::Format(ErrorCode::kInvalid,
                         "{}: {} is neither https nor an address of this machine: the token must "
                         "not be sent there",
                         kWhat, origin->text);
  }
  request.bypass_proxy = origin->scheme == "http";
  if (!token.empty()) request.headers.push_back({"Authorization", token.Clone()});
  Result<Json> answer = ExchangeForJson(context, http, std::move(request), kWhat);
  if (!answer.ok()) {
    return answer.error().code() == ErrorCode::kNotFound
               ? answer.error().Prepend("no pod identity association for this service account")
               : answer.error();
  }
  return FromJson(*answer, kWhat);
}

Result<AwsCredentials> InstanceCredentials(const Context& context, HttpClient& http,
                                           const std::string& endpoint) {
  constexpr std::string_view kWhat = "instance metadata";
  HttpRequest start = MetadataGet(endpoint + "/latest/api/token", kInstanceTokenTimeout);
  start.method = "PUT";
  start.headers.push_back({"X-aws-ec2-metadata-token-ttl-seconds", SecretBytes("21600")});
  Result<SecretBytes> session = Exchange(context, http, std::move(start), kWhat);
  if (!session.ok()) {
    return session.error().Prepend(
        "no answer to a metadata token request (is this an EC2 instance, and its hop limit 2?)");
  }
  const auto get = [&](const std::string& path) {
    HttpRequest request = MetadataGet(
        endpoint + "/latest/meta-data/iam/security-credentials/" + path, kMetadataTimeout);
    request.headers.push_back({"X-aws-ec2-metadata-token", session->Clone()});
    return request;
  };
  Result<SecretBytes> roles = Exchange(context, http, get(""), kWhat);
  if (!roles.ok() && roles.error().code() == ErrorCode::kNotFound) {
    return roles.error().Prepend("the instance has no role");
  }
  if (!roles.ok()) return roles.error();
  // An instance profile has one role, so the list has one line.
  const std::string_view role = Trimmed(roles->Reveal().substr(0, roles->Reveal().find('\n')));
  if (role.empty()) {
    return Error::Format(ErrorCode::kNotFound, "{}: the instance has no role", kWhat);
  }
  Result<Json> answer = ExchangeForJson(context, http, get(std::string(role)), kWhat);
  if (!answer.ok()) return answer.error();
  if (const std::string code = TextOf(Find(*answer, {"Code"})).value_or("Success");
      code != "Success") {
    return Error::Format(ErrorCode::kTransient, "{}: the role's credentials: {}", kWhat, code);
  }
  return FromJson(*answer, kWhat);
}

Result<AwsCredentials> ProfileCredentials(const SecretBytes& text, const std::string& profile) {
  AwsCredentials credentials;
  bool inside = false;
  bool seen = false;
  std::string unserved;
  for (std::string_view rest = text.Reveal(); !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = Trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::string_view name = Trimmed(line.substr(1, line.find(']') - 1));
      inside = name == profile || name == "profile " + profile;
      seen = seen || inside;
      continue;
    }
    const std::size_t equal = line.find('=');
    if (!inside || equal == std::string_view::npos) continue;
    const std::string_view key = Trimmed(line.substr(0, equal));
    const std::string_view value = Trimmed(line.substr(equal + 1));
    if (key == "aws_access_key_id") credentials.access_key_id = value;
    if (key == "aws_secret_access_key") credentials.secret_access_key = SecretBytes(value);
    if (key == "aws_session_token") credentials.session_token = SecretBytes(value);
    if (key == "credential_process" || key == "source_profile" || key.starts_with("sso_") ||
        key == "credential_source" || key == "role_arn") {
      unserved = key;
    }
  }
  const bool complete =
      !credentials.access_key_id.empty() && !credentials.secret_access_key.empty();
  if (!unserved.empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "profile \"{}\": {} is not supported by a node agent: use web identity, "
                         "pod identity or keys",
                         profile, unserved);
  }
  if (!seen || !complete) {
    return Error::Format(ErrorCode::kNotFound, "profile \"{}\" {}", profile,
                         seen ? "has no keys" : "is not there");
  }
  return credentials;
}

}  // namespace nodekeep

#include "providers/akeyless/login.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "agent/base/on_exit.h"
#include "agent/base/read_file.h"
#include "agent/base/trimmed.h"
#include "agent/base/utf8.h"
#include "agent/http/origin.h"
#include "providers/akeyless/keys.h"

namespace nodekeep::akeyless {
namespace {

constexpr Duration kAssumedLifetime = std::chrono::minutes(15);
// A token is replaced this long before it expires. The core itself replaces a token a tenth of its
// lifetime before, which counts where it is longer.
constexpr Duration kMargin = std::chrono::seconds(60);

// A missing input: probing skips the method, as upstream does.
template <typename... Args>
Error Missing(fmt::format_string<Args...> format, Args&&... args) {
  return Error::Format(ErrorCode::kInvalid, format, std::forward<Args>(args)...);
}

// The node's credential is used only if all gateways of the class may receive it, because the
// resulting token is sent to any of them.
Status MayUseNodeIdentity(const Options& options) {
  for (const Gateway& gateway : options.gateways) {
    if (gateway.node_identity_withheld.empty()) continue;
    return Missing("the node's own credential is withheld from \"{}\": {}", Excerpt(gateway.base),
                   gateway.node_identity_withheld);
  }
  return {};
}

// Explains, for a login that tried several types but no cloud identity, how to enable those.
std::string_view CloudHint(const Options& options) {
  const bool tried = std::any_of(options.login_order.begin(), options.login_order.end(), IsCloud);
  if (tried || options.login_order.size() == 1) return "";
  return "; a cloud identity of the node is used only where the class's akeylessAccessType or "
         "accessType of the node's configuration names it";
}

Result<SecretBytes> PodToken(const Options& options, const Identity& identity) {
  const ServiceAccountToken* token = identity.Token(options.audience);
  if (token != nullptr && !token->token.empty()) {
    return SecretBytes(Trimmed(token->token.Reveal()));
  }
  return Missing(
      "no service account token of pod {} for audience \"{}\" came with the mount: add that "
      "audience to spec.tokenRequests of the CSIDriver object secrets-store.csi.k8s.io",
      identity.Text(), Excerpt(options.audience));
}

// The pod's token, or the one in a file of the node.
Result<SecretBytes> TokenOf(const Options& options, const Identity& identity,
                            const std::string& file, std::string_view setting) {
  if (options.as_pod) return PodToken(options, identity);
  if (Status may = MayUseNodeIdentity(options); !may.ok()) return may.error();
  if (file.empty()) {
    return Missing("no token: set {} of the agent, or akeylessAuthAs: pod in the class", setting);
  }
  return ReadTokenFile(file);
}

// Akeyless's service does not review Kubernetes tokens itself: it asks the gateway that has the
// configuration, if the request names it (docs/protocol/akeyless-api.md, "Kubernetes login").
constexpr char kNeedsGateway[] =
    "the auth configuration is on a gateway: name that one in nodekeep/k8sGatewayURL, or in "
    "akeylessGatewayURL";

bool IsService(const Options& options) {
  return std::any_of(options.gateways.begin(), options.gateways.end(), [](const Gateway& gateway) {
    HttpRequest request;
    request.url = gateway.base;
    Result<Origin> origin = ParseOrigin(request);
    return origin.ok() && origin->host.ends_with(".akeyless.io");
  });
}

// Digits of `text` at `at`, exactly `count` of them; nullopt otherwise.
std::optional<int> Digits(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return std::nullopt;
  int value = 0;
  for (char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// The offset of "+0130" or "+01:30"; zero for "Z", "" and anything else.
std::chrono::minutes ZoneOffset(std::string_view zone) {
  zone = Trimmed(zone);
  if (zone.size() < 5 || (zone.front() != '+' && zone.front() != '-')) return {};
  const std::size_t minutes_at = zone.substr(3).starts_with(':') ? 4 : 3;
  const std::optional<int> hours = Digits(zone, 1, 2);
  const std::optional<int> minutes = Digits(zone, minutes_at, 2);
  if (!hours || !minutes) return {};
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return zone.front() == '-' ? -offset : offset;
}

// Shapes that gateways have been seen to write besides RFC 3339 (docs/protocol/akeyless-api.md,
// "Tokens and their expiration"): YYYY-MM-DD?HH:MM:SS[.fraction][ zone]
std::optional<WallTime> ReadExpiration(std::string_view text) {
  text = Trimmed(text);
  const auto year = Digits(text, 0, 4), month = Digits(text, 5, 2), day = Digits(text, 8, 2);
  const auto hour = Digits(text, 11, 2), minute = Digits(text, 14, 2), second = Digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::string_view rest = text.substr(19);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') rest.remove_prefix(1);
  }
  const std::chrono::sys_seconds local = std::chrono::sys_days(date) + std::chrono::hours(*hour) +
                                         std::chrono::minutes(*minute) +
                                         std::chrono::seconds(*second) - ZoneOffset(rest);
  return WallTimeAt(local.time_since_epoch().count());
}

// A login method that failed.
struct Failure {
  AccessType type;
  bool sent;  // the /auth request
  Error error;
};

// See Logins::LogIn.
int Rank(const Failure& failure, const Options& options) {
  const bool of_cloud = IsCloud(failure.type) && !failure.sent;
  const bool named = KnownType(options.type_text) == failure.type;
  if (failure.error.IsTransient()) return of_cloud && !named ? 2 : 4;
  if (IsRefusal(failure.error)) return of_cloud ? 1 : 3;
  return 0;
}

// One error for all methods that failed: code and first message of the highest rank.
Error Combined(const std::vector<Failure>& failures, const Options& options) {
  const auto worst = std::max_element(
      failures.begin(), failures.end(),
      [&](const Failure& a, const Failure& b) { return Rank(a, options) < Rank(b, options); });
  std::string words = worst->error.message();
  for (auto failure = failures.begin(); failure != failures.end(); ++failure) {
    if (failure != worst) words += "; " + failure->error.message();
  }
  if (Rank(*worst, options) == 0 && failures.size() > 1) {
    return Error::Format(worst->error.code(), "failed to detect access type of {}: {}{}",
                         options.access_id.empty() ? "(no access id)" : Excerpt(options.access_id),
                         words, CloudHint(options));
  }
  Error error(worst->error.code(), words);
  if (worst->error.retry_after()) {
    error = std::move(error).WithRetryAfter(*worst->error.retry_after());
  }
  return error.Prepend("authentication failed {}", Excerpt(options.Endpoint()));
}

}  // namespace

Duration TokenLifetime(std::string_view expiration, WallTime now) {
  const std::optional<WallTime> end = ReadExpiration(expiration);
  // An expiry in the past means that the clocks differ: a new token is valid.
  if (!end || *end <= now) return kAssumedLifetime;
  return std::min(std::chrono::floor<Duration>(*end - now), Duration(std::chrono::hours(24 * 365)));
}

Result<Credential> Logins::LogIn(const Context& context, const Options& options,
                                 const Identity& identity) {
  std::vector<Failure> failures;
  for (AccessType type : options.login_order) {
    bool sent = false;
    Result<Credential> credential = LogInBy(type, context, options, identity, sent);
    if (credential.ok()) return credential;
    failures.push_back({type, sent, credential.error().Prepend("{}", AccessTypeName(type))});
    if (Status over = context.Check(clock_); !over.ok()) break;
  }
  return Combined(failures, options);
}

Result<Credential> Logins::LogInBy(AccessType type, const Context& context, const Options& options,
                                   const Identity& identity, bool& sent) {
  if (options.access_id.empty() && type != AccessType::kUniversalIdentity) {
    return Missing("akeylessAccessID is missing: set it in the class, or accessId of the agent");
  }
  Result<Proof> proof = ProofOf(type, context, options, identity);
  if (!proof.ok()) return proof.error();

  const std::string pod_account = options.as_pod && !identity.service_account.empty()
                                      ? identity.namespace_name + "/" + identity.service_account
                                      : "";
  LoginAttempt attempt =
      AttemptOf(type, options, proof->credential, identity.namespace_name, pod_account);
  if (Status admitted = guard_.Admit(context, attempt); !admitted.ok()) return admitted.error();
  sent = true;
  Result<Credential> credential = [&] {
    const OnThrow settle([&] { guard_.Settle(attempt, LoginGuard::Outcome::kUnknown); });
    return Send(context, type, options, identity, *proof);
  }();
  if (credential.ok()) {
    guard_.Settle(attempt, LoginGuard::Outcome::kAccepted);
    if (type == AccessType::kUniversalIdentity) uid_tokens_.Accepted(options, proof->credential);
    if (options.as_pod && options.share_by_service_account) {
      credential->sharing = Sharing::kServiceAccount;
      credential->service_account_uid = identity.service_account_uid;
    }
    return credential;
  }
  const bool refused = IsRefusal(credential.error());
  guard_.Settle(attempt, refused ? LoginGuard::Outcome::kRefused : LoginGuard::Outcome::kUnknown,
                credential.error().message());
  if (proof->remark.empty()) return credential;
  return Error(credential.error().code(),
               fmt::format("{}; {}", credential.error().message(), proof->remark));
}

Result<Credential> Logins::Send(const Context& context, AccessType type, const Options& options,
                                const Identity& identity, Proof& proof) {
  if (!proof.first_token.empty()) {
    Result<UidTokens::Newest> newest = uid_tokens_.Get(
        context, options, proof.first_token, proof.of_node ? "" : identity.namespace_name);
    if (!newest.ok()) return newest.error();
    proof.body.Text("uid-token", newest->token.Reveal());
    if (newest->not_rotated) {
      proof.remark = "the token could not be rotated before: " + newest->not_rotated->message();
    }
  }
  Result<Json> reply = api_.Send(context, options, Step::kLogin,
                                 {"auth", proof.body.Text("access-id", options.access_id)
                                              .Text("access-type", AccessTypeName(type))
                                              .Take()});
  return reply.ok() ? CredentialOf(*reply) : reply.error();
}

Result<Logins::Proof> Logins::ProofOf(AccessType type, const Context& context,
                                      const Options& options, const Identity& identity) {
  Proof proof;
  switch (type) {
    case AccessType::kAccessKey: {
      const Options::Key key = options.AccessKey(identity);
      if (key.text.empty()) {
        return Missing(
            "there is no access key: put akeylessAccessKey into the Secret of "
            "nodePublishSecretRef, or AKEYLESS_ACCESS_KEY into the agent's environment");
      }
      if (key.of_node) {
        if (Status may = MayUseNodeIdentity(options); !may.ok()) return may.error();
      }
      const std::string_view text = Trimmed(key.text);
      proof.body.Text("access-key", text);
      proof.credential = Sha256Hex(text);
      return proof;
    }
    case AccessType::kK8s: {
      if (options.k8s_auth_config.empty()) {
        return Missing(
            "akeylessK8sAuthConfigName is missing: the name of the gateway's auth configuration");
      }
      if (!options.as_pod && !options.k8s_gateway_withheld.empty()) {
        return Missing("{}", options.k8s_gateway_withheld);
      }
      Result<SecretBytes> token =
          TokenOf(options, identity, options.service_account_token_file, "serviceAccountTokenFile");
      if (!token.ok()) return token.error();
      const SecretBytes encoded = SecretBytes::MoveFrom(Base64Encode(token->Reveal()));
      proof.body.Text("k8s-auth-config-name", options.k8s_auth_config)
          .Text("k8s-service-account-token", encoded.Reveal())
          .Text("gateway-url", options.k8s_gateway);
      if (options.k8s_gateway.empty() && IsService(options)) proof.remark = kNeedsGateway;
      proof.credential = Sha256Hex(token->Reveal());
      return proof;
    }
    case AccessType::kJwt: {
      Result<SecretBytes> token = TokenOf(options, identity, options.jwt_file, "jwtFile");
      if (!token.ok()) return token.error();
      proof.body.Text("jwt", token->Reveal());
      proof.credential = Sha256Hex(token->Reveal());
      return proof;
    }
    case AccessType::kUniversalIdentity: return UniversalIdentityProof(options, identity);
    case AccessType::kCert: return CertificateProof(context, options, identity);
    case AccessType::kAwsIam:
    case AccessType::kAzureAd:
    case AccessType::kGcp: return CloudProof(type, context, options, identity);
  }
  return Error(ErrorCode::kInternal, "unknown access type");
}

Result<Logins::Proof> Logins::CloudProof(AccessType type, const Context& context,
                                         const Options& options, const Identity& identity) {
  SecretBytes pod_token;
  if (options.as_pod) {
    Result<SecretBytes> token = PodToken(options, identity);
    if (!token.ok()) return token.error();
    pod_token = *std::move(token);
  } else if (Status may = MayUseNodeIdentity(options); !may.ok()) {
    return may.error();
  }
  const SecretBytes* token = options.as_pod ? &pod_token : nullptr;
  const CloudLogin& cloud = options.cloud;
  Proof proof;
  Result<SecretBytes> cloud_id(SecretBytes{});
  // The digest is of the identity, because a cloud-id differs with every login.
  if (type == AccessType::kAwsIam) {
    if (!options.as_pod && !options.sts_withheld.empty())
      return Missing("{}", options.sts_withheld);
    cloud_id = cloud_ids_.Aws(context, {cloud.sts_region, cloud.sts_endpoint, cloud.aws_role_arn,
                                        cloud.aws_region, token});
    proof.credential = cloud.aws_role_arn;
  } else if (type == AccessType::kAzureAd) {
    cloud_id = cloud_ids_.Azure(context, {options.as_pod ? "" : options.azure_object_id,
                                          cloud.azure_tenant_id, cloud.azure_client_id, token});
    proof.credential = options.as_pod ? cloud.azure_client_id : options.azure_object_id;
  } else {
    GcpIdentity google;
    google.audience = options.gcp_audience;
    google.provider = cloud.gcp_provider;
    google.service_account = cloud.gcp_service_account;
    google.pod_token = token;
    cloud_id = cloud_ids_.Gcp(context, google);
    proof.body.Text("gcp-audience", options.gcp_audience);
    proof.credential = cloud.gcp_service_account;
  }
  if (!cloud_id.ok()) return cloud_id.error();
  proof.body.Text("cloud-id", cloud_id->Reveal());
  return proof;
}

Result<Logins::Proof> Logins::UniversalIdentityProof(const Options& options,
                                                     const Identity& identity) {
  const Options::Key first = options.UidInitToken(identity);
  const std::string_view text = Trimmed(first.text);
  if (text.empty()) {
    return Missing(
        "there is no first token: put akeylessUIDInitToken into the Secret of "
        "nodePublishSecretRef, or AKEYLESS_UID_INIT_TOKEN into the agent's environment");
  }
  if (first.of_node) {
    if (Status may = MayUseNodeIdentity(options); !may.ok()) return may.error();
  }
  // Exchanged for a token of the ordinary kind, as the vendor's documentation advises: rotations
  // then do not invalidate it while reads use it.
  Proof proof;
  proof.first_token = text;
  proof.of_node = first.of_node;
  proof.credential = Sha256Hex(text);  // of the identity, not of its current token
  return proof;
}

// The key signs a challenge and is not sent (docs/protocol/akeyless-api.md, "Certificate login").
Result<Logins::Proof> Logins::CertificateProof(const Context& context, const Options& options,
                                               const Identity& identity) {
  const Options::KeyPair pair = options.CertKeyPair(identity);
  SecretBytes certificate(pair.certificate), key(pair.key);
  if (pair.of_node) {
    if (options.cert_file.empty() || options.cert_key_file.empty()) {
      return Missing(
          "there is no certificate: put akeylessCert and akeylessCertKey into the Secret of "
          "nodePublishSecretRef, or set certFile and certKeyFile of the agent");
    }
    if (Status may = MayUseNodeIdentity(options); !may.ok()) return may.error();
    for (auto& [file, text] :
         {std::pair<const std::string&, SecretBytes&>(options.cert_file, certificate),
          {options.cert_key_file, key}}) {
      Result<SecretBytes> read = ReadTokenFile(file);
      if (!read.ok()) return read.error();
      text = *std::move(read);
    }
  }
  const std::string encoded = Base64Encode(certificate.Reveal());
  Result<Json> reply = api_.Send(
      context, options, Step::kLogin,
      {"get-cert-challenge",
       RequestBody().Text("access-id", options.access_id).Text("cert-data", encoded).Take()});
  if (!reply.ok()) return reply.error();
  const std::string challenge = TextOf(Find(*reply, {"challenge"})).value_or("");
  Result<SecretBytes> bytes = Base64Decode(challenge);
  if (!bytes.ok() || bytes->empty()) {
    return Error(ErrorCode::kTransient, "the reply to get-cert-challenge has no challenge");
  }
  Result<SecretBytes> signature = SignChallenge(key, bytes->Reveal());
  if (!signature.ok()) return signature.error();
  Proof proof;
  proof.body.Text("cert-data", encoded)
      .Text("cert-challenge", challenge)
      .Text("signed-cert-challenge", Base64Encode(signature->Reveal()));
  // With the key, because anybody may present the certificate.
  certificate.Append(key.Reveal());
  proof.credential = Sha256Hex(certificate.Reveal());
  return proof;
}

Result<Credential> Logins::CredentialOf(const Json& reply) const {
  std::optional<std::string> token = TextOf(Find(reply, {"token"}));
  if (!token || token->empty()) {
    return Error(ErrorCode::kTransient,
                 "the reply to auth has no token: this method may need a browser, or a proxy is in "
                 "between");
  }
  Credential credential;
  credential.token = SecretBytes::MoveFrom(*std::move(token));
  credential.lifetime =
      TokenLifetime(TextOf(Find(reply, {"expiration"})).value_or(""), clock_.Wall());
  const Duration margin =
      std::clamp(kMargin - credential.lifetime / 10, Duration::zero(), credential.lifetime / 2);
  credential.expires = clock_.Now() + credential.lifetime - margin;
  return credential;
}

}  // namespace nodekeep::akeyless

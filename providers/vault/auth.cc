#include "agent/base/utf8.h"
#include "providers/vault/login.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "agent/base/json.h"
#include "agent/base/read_file.h"
#include "providers/vault/answer.h"

namespace nodekeep::vault {
namespace {

constexpr std::size_t kMaxCredentialFile = 64u << 10;

// Removes surrounding white space, such as the newline that editors and `kubectl create secret
// --from-file` leave at the end.
SecretBytes Trimmed(const SecretBytes& bytes) {
  constexpr std::string_view kSpace = " \t\r\n";
  std::string_view text = bytes.Reveal();
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return SecretBytes();
  return SecretBytes(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

Result<SecretBytes> ReadCredentialFile(const std::string& path) {
  const Result<SecretBytes> content = ReadFile(path, kMaxCredentialFile);
  if (!content.ok() && content.error().code() == ErrorCode::kTooLarge) {
    return Error::Format(ErrorCode::kInvalid, "file \"{}\" is too large for a credential", path);
  }
  // Not kNotFound, which would mean that the backend does not have the secret.
  if (!content.ok()) return Error(ErrorCode::kInvalid, "cannot " + content.error().message());
  SecretBytes trimmed = Trimmed(*content);
  if (trimmed.empty()) return Error::Format(ErrorCode::kInvalid, "file \"{}\" is empty", path);
  return trimmed;
}

// A header value cannot contain other characters, and tokens never do.
bool FitsHeader(const SecretBytes& token) {
  const std::string_view text = token.Reveal();
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

SecretBytes FromPod(const Identity& identity, const std::string& key) {
  auto found = identity.credentials.find(key);
  return found == identity.credentials.end() ? SecretBytes() : Trimmed(found->second);
}

Error NoCredential(const Options& options, std::string_view keys, std::string_view setting) {
  if (!options.node_credentials_withheld.empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "failed to login: the Secret of nodePublishSecretRef has no {}, and the "
                         "node's own credential is withheld because {}",
                         keys, options.node_credentials_withheld);
  }
  return Error::Format(ErrorCode::kInvalid,
                       "failed to login: nodekeep/auth \"{}\" needs {} in the Secret of "
                       "nodePublishSecretRef, or {} in the agent's configuration",
                       AuthMethodName(options.method), keys, setting);
}

Error NoToken(const Options& options, const Identity& identity) {
  std::string present;
  for (const auto& [audience, token] : identity.tokens) {
    if (!present.empty()) present += ", ";
    present += '"' + Excerpt(audience) + '"';
  }
  return Error::Format(
      ErrorCode::kInvalid,
      "failed to create a service account token for requesting pod {{{} {} {} {} }}: no token for "
      "audience \"{}\" came with the mount ({}): add that audience to spec.tokenRequests of the "
      "CSIDriver object secrets-store.csi.k8s.io",
      identity.PodName(), identity.PodUid(), identity.namespace_name, identity.service_account,
      Excerpt(options.audience), present.empty() ? "there is none at all" : "present: " + present);
}

// Which pods may share the login.
//
//   kubernetes  the reply has metadata of the service account; the rules (bound names and
//               namespaces) do not depend on the pod
//   jwt         the rules may depend on any claim, and claim mappings can copy any claim into the
//               metadata
//
// The type of a mount is not known for certain. The metadata service_account_secret_name identifies
// the kubernetes method: it is an empty text for a pod's token, and no claim has that value for a
// claim mapping to copy.
Sharing SharingOf(const Options& options, const Identity& identity, const Json& auth,
                  std::string& uid) {
  uid = TextOf(Find(auth, {"metadata", "service_account_uid"})).value_or("");
  if (options.method != AuthMethod::kKubernetes || uid.empty()) return Sharing::kPod;
  const auto is = [&](std::string_view key, std::string_view want) {
    std::optional<std::string> text = TextOf(Find(auth, {"metadata", key}));
    return text && *text == want;
  };
  const bool same = !identity.service_account.empty() &&
                    is("service_account_name", identity.service_account) &&
                    is("service_account_namespace", identity.namespace_name) &&
                    is("service_account_secret_name", "");
  return same ? Sharing::kServiceAccount : Sharing::kPod;
}

// The `auth` object of a reply.
Result<Json> AuthOf(const HttpResponse& response) {
  Result<Json> reply = ParseJson(response.body.Reveal());
  if (!reply.ok()) {
    return Error::Format(ErrorCode::kTransient,
                         "failed to parse login response: {}: is vaultAddress right, or a proxy in "
                         "between?",
                         reply.error().message());
  }
  const Json* auth = Find(*reply, {"auth"});
  if (auth == nullptr || !auth->is_object()) {
    return Error(ErrorCode::kInvalid,
                 "failed to parse login response: it has no \"auth\": the path of the auth mount "
                 "does not lead to a login");
  }
  if (TextOf(Find(*auth, {"client_token"})).value_or("").empty()) {
    const Json* mfa = Find(*auth, {"mfa_requirement"});
    return Error(ErrorCode::kInvalid, mfa != nullptr && !mfa->is_null()
                                          ? "failed to login: the server asks for a second factor, "
                                            "which an agent cannot provide"
                                          : "failed to parse login response: it has no token");
  }
  return *auth;
}

// Whether the reply is from the method that the class names. On a mount of the cert method, the
// connection's client certificate, which is the node's, logs in regardless of the request. Each
// method's reply has its own metadata: kubernetes service_account_name and cert cert_name (both
// tested on OpenBao 2), jwt role and approle role_name (not tested with a client certificate).
bool IsOfNamedMethod(const Options& options, const Json& auth) {
  if (options.method == AuthMethod::kCert || options.tls->client_cert_file.empty()) return true;
  const auto has = [&](std::string_view key) { return Find(auth, {"metadata", key}) != nullptr; };
  return !has("cert_name") && (has("service_account_name") || has("role") || has("role_name"));
}

void SetLifetime(Credential& credential, Duration lifetime, const Clock& clock) {
  credential.lifetime = lifetime;
  if (lifetime > Duration::zero()) credential.expires = clock.Now() + lifetime;
}

Credential CredentialFrom(const Json& auth, const Clock& clock) {
  Credential credential;
  credential.token = SecretBytes::MoveFrom(*TextOf(Find(auth, {"client_token"})));
  SetLifetime(credential, SecondsOf(Find(auth, {"lease_duration"})), clock);
  credential.renewable = BoolOf(Find(auth, {"renewable"})).value_or(false);
  return credential;
}

// POST auth/<mount>/login.
Result<Credential> LogInWith(const Context& context, ApiClient& api, const Options& options,
                             const Identity& identity, const Clock& clock, SecretBytes body) {
  ApiCall call;
  call.method = "POST";
  call.path = "/v1/auth/" + options.mount + "/login";
  call.namespace_name = options.login_namespace;
  call.body = std::move(body);
  Result<HttpResponse> response = api.Send(context, options, Step::kLogin, call);
  if (!response.ok()) return response.error().Prepend("failed to login");
  Result<Json> auth = AuthOf(*response);
  if (!auth.ok()) return auth.error();
  Credential credential = CredentialFrom(*auth, clock);
  if (!FitsHeader(credential.token)) {
    return Error(ErrorCode::kInvalid, "failed to parse login response: its token is malformed");
  }
  if (!IsOfNamedMethod(options, *auth)) {
    ApiCall revocation;
    revocation.method = "POST";
    revocation.path = "/v1/auth/token/revoke-self";
    revocation.namespace_name = options.login_namespace;
    revocation.token = credential.token.Clone();
    revocation.body = SecretBytes("{}");
    (void)api.Send(context, options, Step::kLease, revocation);  // on failure it stays unused
    return Error::Format(
        ErrorCode::kInvalid,
        "failed to login: auth mount \"{}\" does not answer as method \"{}\" does; over a "
        "connection with a client certificate only nodekeep/auth: cert may log in "
        "by that certificate",
        options.mount, AuthMethodName(options.method));
  }
  credential.sharing = SharingOf(options, identity, *auth, credential.service_account_uid);
  return credential;
}

Result<Credential> LogInByPodToken(const Context& context, ApiClient& api, const Options& options,
                                   const Identity& identity, const Clock& clock) {
  const ServiceAccountToken* token = identity.Token(options.audience);
  if (token == nullptr && !options.audience_named) token = identity.Token("");
  if (token == nullptr || token->token.empty()) return NoToken(options, identity);
  return LogInWith(context, api, options, identity, clock,
                   JsonBody({{"jwt", token->token.Reveal()}, {"role", options.role}}));
}

Result<Credential> LogInByAppRole(const Context& context, ApiClient& api, const Options& options,
                                  const Identity& identity, const Clock& clock) {
  // Both from one source: a pod's role id must not be combined with the node's secret id.
  SecretBytes role_id = FromPod(identity, "role_id");
  SecretBytes secret_id = FromPod(identity, "secret_id");
  if (role_id.empty()) {
    if (options.approle_role_id.empty()) {
      return NoCredential(options, "keys \"role_id\" and \"secret_id\"", "an AppRole");
    }
    role_id = SecretBytes(options.approle_role_id);
    secret_id.Wipe();
    if (!options.approle_secret_id_file.empty()) {
      Result<SecretBytes> file = ReadCredentialFile(options.approle_secret_id_file);
      if (!file.ok()) return file.error().Prepend("failed to login: the AppRole's secret id");
      secret_id = *std::move(file);
    }
  }
  // A role with bind_secret_id off accepts no secret id.
  SecretBytes body =
      secret_id.empty()
          ? JsonBody({{"role_id", role_id.Reveal()}})
          : JsonBody({{"role_id", role_id.Reveal()}, {"secret_id", secret_id.Reveal()}});
  return LogInWith(context, api, options, identity, clock, std::move(body));
}

Result<Credential> LogInByCertificate(const Context& context, ApiClient& api,
                                      const Options& options, const Identity& identity,
                                      const Clock& clock) {
  if (!options.node_credentials_withheld.empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "failed to login: nodekeep/auth \"cert\" uses a certificate of the node, "
                         "which is withheld because {}",
                         options.node_credentials_withheld);
  }
  SecretBytes body = options.role.empty() ? SecretBytes("{}") : JsonBody({{"name", options.role}});
  return LogInWith(context, api, options, identity, clock, std::move(body));
}

// Uses an existing token; looks it up to learn its lifetime.
Result<Credential> UseToken(const Context& context, ApiClient& api, const Options& options,
                            const Identity& identity, const Clock& clock) {
  SecretBytes token = FromPod(identity, "token");
  if (token.empty()) {
    if (options.token_file.empty()) return NoCredential(options, "key \"token\"", "a token file");
    Result<SecretBytes> file = ReadCredentialFile(options.token_file);
    if (!file.ok()) return file.error().Prepend("failed to login: the node's token");
    token = *std::move(file);
  }
  if (!FitsHeader(token)) {
    return Error(ErrorCode::kInvalid,
                 "failed to login: the token has characters that are not allowed in a token");
  }
  ApiCall call;
  call.path = "/v1/auth/token/lookup-self";
  call.namespace_name = options.login_namespace;
  call.token = token.Clone();
  Result<HttpResponse> response = api.Send(context, options, Step::kLogin, call);
  if (!response.ok()) return response.error().Prepend("failed to login");
  Result<Json> reply = ParseJson(response->body.Reveal());
  const Json* data = reply.ok() ? Find(*reply, {"data"}) : nullptr;
  if (data == nullptr || !data->is_object()) {
    return Error(ErrorCode::kTransient,
                 "failed to parse login response: the token's lookup is not a Vault response");
  }
  Credential credential;
  credential.token = std::move(token);
  SetLifetime(credential, SecondsOf(Find(*data, {"ttl"})), clock);
  credential.renewable = BoolOf(Find(*data, {"renewable"})).value_or(false);
  return credential;
}

}  // namespace

Result<Credential> LogIn(const Context& context, ApiClient& api, const Options& options,
                         const Identity& identity, const Clock& clock) {
  switch (options.method) {
    case AuthMethod::kKubernetes:
    case AuthMethod::kJwt: return LogInByPodToken(context, api, options, identity, clock);
    case AuthMethod::kAppRole: return LogInByAppRole(context, api, options, identity, clock);
    case AuthMethod::kCert: return LogInByCertificate(context, api, options, identity, clock);
    case AuthMethod::kToken: return UseToken(context, api, options, identity, clock);
  }
  return Error(ErrorCode::kInternal, "failed to login: unknown method");
}

Result<Credential> CredentialOf(const HttpResponse& response, const Clock& clock) {
  Result<Json> auth = AuthOf(response);
  if (!auth.ok()) return auth.error();
  return CredentialFrom(*auth, clock);
}

}  // namespace nodekeep::vault

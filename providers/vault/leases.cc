#include "providers/vault/leases.h"

#include <fmt/format.h>

#include "agent/base/go_json.h"
#include "agent/base/json.h"
#include "providers/vault/answer.h"
#include "providers/vault/login.h"
#include "providers/vault/options.h"

namespace nodekeep::vault {
namespace {

ApiCall Post(std::string path, const std::string& namespace_name, const Credential& credential,
             SecretBytes body) {
  ApiCall call;
  call.method = "POST";
  call.path = std::move(path);
  call.namespace_name = namespace_name;
  call.token = credential.token.Clone();
  call.body = std::move(body);
  return call;
}

}  // namespace

Result<Credential> VaultLeases::RenewCredential(const Context& context,
                                                const ProviderOptions& options,
                                                const Credential& credential) {
  const Options& own = static_cast<const Options&>(options);
  Result<HttpResponse> response = api_.Send(
      context, own, Step::kLease,
      Post("/v1/auth/token/renew-self", own.login_namespace, credential, SecretBytes("{}")));
  if (!response.ok()) return response.error().Prepend("failed to renew the login");
  Result<Credential> renewed = CredentialOf(*response, clock_);
  if (!renewed.ok()) return renewed.error().Prepend("failed to renew the login");
  // The reply describes the token only; which pods may share it was determined at login.
  renewed->sharing = credential.sharing;
  renewed->service_account_uid = credential.service_account_uid;
  return renewed;
}

Status VaultLeases::RevokeCredential(const Context& context, const ProviderOptions& options,
                                     const Credential& credential) {
  const Options& own = static_cast<const Options&>(options);
  if (own.method == AuthMethod::kToken) return {};
  Result<HttpResponse> response = api_.Send(
      context, own, Step::kLease,
      Post("/v1/auth/token/revoke-self", own.login_namespace, credential, SecretBytes("{}")));
  if (!response.ok()) return response.error().Prepend("failed to revoke the login");
  return {};
}

Result<Lease> VaultLeases::RenewLease(const Context& context, const ProviderOptions& options,
                                      const Credential& credential, const Lease& lease) {
  const Options& own = static_cast<const Options&>(options);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lease.lifetime).count();
  // In the body, because a lease id contains slashes.
  SecretBytes body =
      GoJsonObject().Number("increment", seconds).String("lease_id", lease.id).Finish();
  Result<HttpResponse> response =
      api_.Send(context, own, Step::kLease,
                Post("/v1/sys/leases/renew", own.read_namespace, credential, std::move(body)));
  if (!response.ok()) return response.error().Prepend("failed to renew lease \"{}\"", lease.id);
  Result<Json> reply = ParseJson(response->body.Reveal());
  if (!reply.ok() || !reply->is_object()) {
    return Error::Format(ErrorCode::kTransient,
                         "failed to renew lease \"{}\": the reply is not a Vault response",
                         lease.id);
  }
  return Lease{TextOf(Find(*reply, {"lease_id"})).value_or(lease.id),
               SecondsOf(Find(*reply, {"lease_duration"})),
               BoolOf(Find(*reply, {"renewable"})).value_or(false)};
}

Status VaultLeases::RevokeLease(const Context& context, const ProviderOptions& options,
                                const Credential& credential, const Lease& lease) {
  const Options& own = static_cast<const Options&>(options);
  Result<HttpResponse> response = api_.Send(context, own, Step::kLease,
                                            Post("/v1/sys/leases/revoke", own.read_namespace,
                                                 credential, JsonBody({{"lease_id", lease.id}})));
  if (!response.ok()) return response.error().Prepend("failed to revoke lease \"{}\"", lease.id);
  return {};
}

}  // namespace nodekeep::vault

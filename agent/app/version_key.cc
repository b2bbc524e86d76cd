#include "agent/app/version_key.h"

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "agent/kube/resource.h"

namespace nodekeep {
namespace {

constexpr std::size_t kKeyBytes = 32;

Result<SecretBytes> KeyOf(const Json& secret, const std::string& where) {
  const std::optional<std::string> text = TextOf(Find(secret, {"data", "key"}));
  Result<SecretBytes> key = Base64Decode(text.value_or(""));
  if (key.ok() && key->size() >= kKeyBytes) return key;
  return Error::Format(
      ErrorCode::kInvalid,
      "Secret {}: data.key must hold at least {} bytes: delete the Secret, and the "
      "next start creates a new one",
      where, kKeyBytes);
}

}  // namespace

Result<SecretBytes> SharedVersionKey(const Context& context, KubeClient& kube,
                                     const std::string& where) {
  const std::size_t slash = where.find('/');
  const std::string space = where.substr(0, slash);
  const std::string name = where.substr(slash + 1);
  const std::string path = kSecretResource.ObjectPath(space, name);

  Result<Json> found = kube.Get(context, path);
  if (found.ok()) return KeyOf(*found, where);
  if (found.error().code() != ErrorCode::kNotFound) return found.error();

  SecretBytes key = RandomBytes(kKeyBytes);
  Json secret;
  secret["apiVersion"] = "v1";
  secret["kind"] = "Secret";
  secret["metadata"]["name"] = name;
  secret["type"] = "Opaque";
  secret["immutable"] = true;
  secret["data"]["key"] = Base64Encode(key.Reveal());
  Result<Json> created = kube.Create(context, kSecretResource.CollectionPath(space), secret);
  if (created.ok()) return key;
  if (created.error().code() != ErrorCode::kConflict) return created.error();
  // Another node has created it first.
  found = kube.Get(context, path);
  if (!found.ok()) return found.error();
  return KeyOf(*found, where);
}

}  // namespace nodekeep

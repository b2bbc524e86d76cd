#pragma once

// Akeyless items: how to read one (ItemRequest, the `request` of a SecretRef), what is cached of
// its reply (PackItem), and the files rendered from that (RenderItem). Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/secrets/provider.h"

namespace nodekeep::akeyless {

enum class ItemKind {
  kDetected,  // by the type in describe-item: static, certificate or rotated; else unsupported
  kStatic,
  kCertificate,
  kRotated,
  kDynamic,  // mints credentials on each call
  kPki,      // path = certificate issuer
  kSsh,      // path = SSH certificate issuer
  kClassicKey,
  kFolder,  // path = folder; its static, certificate and rotated items
};

// "static", ...: used in packed answers and, for kinds that a class may request, `nodekeep/type`.
std::string_view ItemKindName(ItemKind kind);

// How to read an item, besides its path (SecretRef::path, as the class spells it) and its pinned
// version (SecretRef::version, decimal; only of kDetected and kClassicKey).
struct ItemRequest {
  ItemKind kind = ItemKind::kDetected;  // kDetected, kDynamic, kPki, kSsh, kClassicKey, kFolder
  bool ignore_cache = false;            // not of kDynamic, kPki, kSsh: they are never cached
  // kFolder: items that cannot be read are left out of the answer.
  bool leave_out = false;

  // kDynamic; `host` also of a rotated secret with linked targets.
  std::vector<std::string> args;  // "key=value"
  std::string host;
  std::string target;
  std::string db_name;
  int timeout_seconds = 0;  // of the gateway's call to the target; 0 = its default

  // kPki, kSsh.
  std::int64_t ttl_seconds = 0;  // 0 = the issuer's default
  std::string key_type;     // of the key made on the node: rsa2048, rsa4096, ec256, ec384, ed25519
  std::string common_name;  // kPki
  std::string alt_names;    // kPki, comma list
  std::string uri_sans;     // kPki, comma list
  std::string extended_key_usage;  // kPki, comma list
  std::string username;            // kSsh: the principals

  bool operator==(const ItemRequest&) const = default;

  // Canonical JSON for SecretRef::request; "" for a plain read.
  std::string Text() const;
  // The inverse, for any text. Errors: kInternal.
  static Result<ItemRequest> Parse(std::string_view text);
};

// An item as read.
struct Item {
  ItemKind kind = ItemKind::kStatic;  // never kDetected
  std::string name;                   // the server's: "/app/db"
  std::int64_t version = 0;           // last_version or the pinned one; 0 = the item has none
  // kStatic: the value as the reply has it, a string or other JSON.
  // kRotated: `value` of the reply (the whole reply where there is no `value`).
  // kCertificate: certificate_pem, private_key_pem: those that were present.
  // kDynamic, kClassicKey: the whole reply.
  // kPki: certificate_pem, private_key_pem, ca_pem (parent_cert, when not empty).
  // kSsh: certificate, private_key, public_key: OpenSSH texts.
  Json value;
};

// The Answer::value of one item: {"kind":"static","name":"/a","value":...,"version":3}.
SecretBytes PackItem(const Item& item);
// The Answer::value of a kFolder request: any number of items.
SecretBytes PackFolder(const std::vector<Item>& items);

// Renders the files of a projection from a packed answer.
Result<std::vector<RenderedFile>> RenderItem(const Projection& projection,
                                             const SecretBytes& answer);

}  // namespace nodekeep::akeyless

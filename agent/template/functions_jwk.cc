#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/template/function.h"
#include "agent/template/pem_text.h"
#include "agent/template/private_key.h"

namespace nodekeep::go {
namespace {

using NumberPtr = OpenSslPtr<BIGNUM, &BN_clear_free>;
using BuilderPtr = OpenSslPtr<OSSL_PARAM_BLD, &OSSL_PARAM_BLD_free>;
using ParametersPtr = OpenSslPtr<OSSL_PARAM, &OSSL_PARAM_free>;
using ContextPtr = OpenSslPtr<EVP_PKEY_CTX, &EVP_PKEY_CTX_free>;
using WorkPtr = OpenSslPtr<BN_CTX, &BN_CTX_free>;

struct ParsedKey {
  KeyPtr key;
  bool is_private = false;
  std::string_view go_type;  // as %T prints it
};

Error Failure(std::string_view text) {
  return Error::Format(ErrorCode::kInvalid, "failed to unmarshal JWK: {}", text);
}

// The bytes of a member in base64url; nullopt if absent or malformed.
std::optional<SecretBytes> BytesOf(const Json& jwk, std::string_view name) {
  const std::optional<std::string> text = TextOf(Find(jwk, {name}));
  if (!text) return std::nullopt;
  Result<SecretBytes> bytes = Base64UrlDecode(*text);
  if (!bytes.ok() || bytes->empty()) return std::nullopt;
  return *std::move(bytes);
}

NumberPtr NumberOf(const SecretBytes& bytes) {
  return NumberPtr(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.Reveal().data()),
                             static_cast<int>(bytes.size()), nullptr));
}

NumberPtr NumberOf(const Json& jwk, std::string_view name) {
  const std::optional<SecretBytes> bytes = BytesOf(jwk, name);
  return bytes ? NumberOf(*bytes) : nullptr;
}

KeyPtr Build(const char* type, OSSL_PARAM_BLD* builder, bool is_private) {
  const ParametersPtr parameters(OSSL_PARAM_BLD_to_param(builder));
  const ContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  const int selection = is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
  const bool built = parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                     EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) == 1;
  ERR_clear_error();
  return KeyPtr(built ? key : nullptr);
}

// The numbers that a private key needs besides those that its owner has to state.
struct Shortcuts {
  NumberPtr dp;
  NumberPtr dq;
  NumberPtr qi;
};

bool Compute(const BIGNUM* d, const BIGNUM* p, const BIGNUM* q, Shortcuts& out) {
  const WorkPtr work(BN_CTX_secure_new());
  const NumberPtr p1(BN_dup(p));
  const NumberPtr q1(BN_dup(q));
  out.dp.reset(BN_new());
  out.dq.reset(BN_new());
  out.qi.reset(BN_new());
  const bool done = BN_sub_word(p1.get(), 1) == 1 && BN_sub_word(q1.get(), 1) == 1 &&
                    BN_mod(out.dp.get(), d, p1.get(), work.get()) == 1 &&
                    BN_mod(out.dq.get(), d, q1.get(), work.get()) == 1 &&
                    BN_mod_inverse(out.qi.get(), q, p, work.get()) != nullptr;
  ERR_clear_error();
  return done;
}

constexpr int kMaxRsaBits = 16384;

Result<ParsedKey> RsaKey(const Json& jwk) {
  const NumberPtr n = NumberOf(jwk, "n");
  const NumberPtr e = NumberOf(jwk, "e");
  if (!n || !e) return Failure("required field n or e is missing");
  if (BN_num_bits(n.get()) > kMaxRsaBits) return Failure("the RSA modulus is too large");
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  const bool is_private = Find(jwk, {"d"}) != nullptr;
  const NumberPtr d = NumberOf(jwk, "d");
  const NumberPtr p = NumberOf(jwk, "p");
  const NumberPtr q = NumberOf(jwk, "q");
  Shortcuts shortcuts;
  if (is_private) {
    if (!d || !p || !q) return Failure("required field d, p or q is missing");
    const int bits = std::max({BN_num_bits(d.get()), BN_num_bits(p.get()), BN_num_bits(q.get())});
    if (bits > kMaxRsaBits || !Compute(d.get(), p.get(), q.get(), shortcuts)) {
      return Failure("the RSA key is malformed");
    }
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, d.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_FACTOR1, p.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_FACTOR2, q.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_EXPONENT1, shortcuts.dp.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_EXPONENT2, shortcuts.dq.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_COEFFICIENT1, shortcuts.qi.get());
  }
  KeyPtr key = Build("RSA", builder.get(), is_private);
  if (!key) return Failure("the RSA key is malformed");
  return ParsedKey{std::move(key), is_private, is_private ? "*rsa.PrivateKey" : "*rsa.PublicKey"};
}

struct Curve {
  std::string_view name;
  const char* group;
  std::size_t size;  // of a coordinate, in bytes
};
constexpr std::array<Curve, 3> kCurves = {
    {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}}};

// `bytes` with zeros before it up to `size`; nothing if it is longer.
bool AppendPadded(const SecretBytes& bytes, std::size_t size, SecretBytes& out) {
  if (bytes.size() > size) return false;
  out.Append(SecretBytes::OfSize(size - bytes.size()).Reveal());
  out.Append(bytes.Reveal());
  return true;
}

Result<ParsedKey> EcKey(const Json& jwk) {
  const std::string name = TextOf(Find(jwk, {"crv"})).value_or("");
  const auto* const curve = std::find_if(kCurves.begin(), kCurves.end(),
                                         [&](const Curve& known) { return known.name == name; });
  if (curve == kCurves.end()) return Failure("invalid elliptic curve");
  const std::optional<SecretBytes> x = BytesOf(jwk, "x");
  const std::optional<SecretBytes> y = BytesOf(jwk, "y");
  if (!x || !y) return Failure("required field x or y is missing");
  SecretBytes point("\x04");
  if (!AppendPadded(*x, curve->size, point) || !AppendPadded(*y, curve->size, point)) {
    return Failure("invalid EC point");
  }
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.Reveal().data(),
                                   point.size());
  const bool is_private = Find(jwk, {"d"}) != nullptr;
  const NumberPtr d = NumberOf(jwk, "d");
  if (is_private) {
    if (!d) return Failure("required field d is missing");
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, d.get());
  }
  KeyPtr key = Build("EC", builder.get(), is_private);
  if (!key) return Error(ErrorCode::kInvalid, "x509: invalid elliptic curve public key");
  return ParsedKey{std::move(key), is_private,
                   is_private ? "*ecdsa.PrivateKey" : "*ecdsa.PublicKey"};
}

Result<ParsedKey> EdwardsKey(const Json& jwk) {
  constexpr std::size_t kSize = 32;
  if (TextOf(Find(jwk, {"crv"})) != "Ed25519") return Failure("invalid curve algorithm");
  const std::optional<SecretBytes> x = BytesOf(jwk, "x");
  if (!x) return Failure("required field x is missing");
  const bool is_private = Find(jwk, {"d"}) != nullptr;
  const std::optional<SecretBytes> d = BytesOf(jwk, "d");
  if (is_private && !d) return Failure("required field d is missing");
  const SecretBytes& used = is_private ? *d : *x;
  if (used.size() != kSize || x->size() != kSize) return Failure("wrong private key size");
  const auto* const bytes = reinterpret_cast<const unsigned char*>(used.Reveal().data());
  KeyPtr key(is_private ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes, kSize)
                        : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes, kSize));
  ERR_clear_error();
  if (!key) return Failure("the Ed25519 key is malformed");
  if (is_private) {
    SecretBytes derived = SecretBytes::OfSize(kSize);
    std::size_t size = kSize;
    EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(derived.MutableData()),
                                &size);
    if (derived.Reveal() != x->Reveal()) return Failure("invalid x value given d value");
  }
  return ParsedKey{std::move(key), is_private,
                   is_private ? "ed25519.PrivateKey" : "ed25519.PublicKey"};
}

Result<ParsedKey> ParseJwk(Call& call, std::string_view text) {
  if (Status step = call.SlowStep(); !step.ok()) return step.error();
  const Result<Json> jwk = ParseJson(text);
  if (!jwk.ok() || !jwk->is_object()) return Failure("the text is not a JSON object");
  const std::string type = TextOf(Find(*jwk, {"kty"})).value_or("");
  if (type == "RSA") return RsaKey(*jwk);
  if (type == "EC") return EcKey(*jwk);
  if (type == "OKP") return EdwardsKey(*jwk);
  if (type == "oct") return ParsedKey{nullptr, true, "[]uint8"};
  return Error::Format(ErrorCode::kInvalid, "invalid key type from JSON ({})", type);
}

Result<Value> PublicKeyPem(Call& call, std::span<const Value> arguments) {
  const Result<ParsedKey> parsed = ParseJwk(call, arguments[0].text());
  if (!parsed.ok()) return parsed.error();
  if (parsed->is_private) {
    return Error::Format(ErrorCode::kInvalid, "x509: unsupported public key type: {}",
                         parsed->go_type);
  }
  return Value::Text(PemOf("PUBLIC KEY", PublicKeyInfoOf(parsed->key.get()).Reveal()));
}

Result<Value> PrivateKeyPem(Call& call, std::span<const Value> arguments) {
  const Result<ParsedKey> parsed = ParseJwk(call, arguments[0].text());
  if (!parsed.ok()) return parsed.error();
  if (!parsed->is_private || !parsed->key) {
    return Error::Format(ErrorCode::kInvalid, "x509: unknown key type while marshaling PKCS#8: {}",
                         parsed->go_type);
  }
  return Value::Text(PemOf("PRIVATE KEY", Pkcs8Of(parsed->key.get()).Reveal()));
}

}  // namespace

std::span<const Function> JwkFunctions() {
  static const Function functions[] = {
      {"jwkPublicKeyPem", "jwk string", &PublicKeyPem,
       "A public JSON Web Key (RSA, EC or Ed25519) as PEM.",
       R"({{ jwkPublicKeyPem `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}` }})"},
      {"jwkPrivateKeyPem", "jwk string", &PrivateKeyPem,
       "A private JSON Web Key (RSA, EC or Ed25519) as PEM (PKCS#8)."},
  };
  return functions;
}

}  // namespace nodekeep::go

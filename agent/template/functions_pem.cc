#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <utf8proc.h>

#include <algorithm>

#include "agent/base/utf8.h"
#include "agent/template/certificate_chain.h"
#include "agent/template/function.h"
#include "agent/template/pem_text.h"
#include "agent/template/private_key.h"

namespace nodekeep::go {
namespace {

std::uint32_t FoldedRune(std::uint32_t rune) {
  const utf8proc_int32_t upper = utf8proc_toupper(static_cast<utf8proc_int32_t>(rune));
  return static_cast<std::uint32_t>(utf8proc_tolower(upper));
}

bool EqualFold(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const Rune x = FirstRune(a);
    const Rune y = FirstRune(b);
    if (x.code != y.code && FoldedRune(x.code) != FoldedRune(y.code)) return false;
    a.remove_prefix(x.length);
    b.remove_prefix(y.length);
  }
  return a.empty() && b.empty();
}

Result<Value> FilterPem(Call& call, std::span<const Value> arguments) {
  const std::string_view type = arguments[0].text();
  std::string_view rest = arguments[1].text();
  SecretBytes out;
  while (const std::optional<GoPemBlock> block = NextPemBlock(rest)) {
    if (Status step = call.Step(); !step.ok()) return step.error();
    if (EqualFold(block->type, type)) AppendPem(*block, out);
  }
  if (out.empty() && !rest.empty()) {
    return Error(ErrorCode::kInvalid, "error filtering pem: found junk");
  }
  return Value::Text(std::move(out));
}

Result<Value> FilterCertificateChain(Call& call, std::span<const Value> arguments) {
  const std::string_view which = arguments[0].text();
  const Result<std::vector<ChainCertificate>> certificates =
      ReadCertificates(call, arguments[1].text());
  if (!certificates.ok()) return certificates.error();
  const Result<std::vector<std::size_t>> order = OrderChain(call, *certificates);
  if (!order.ok()) return order.error();
  const auto at = [&](std::size_t place) -> const ChainCertificate& {
    return (*certificates)[(*order)[place]];
  };
  SecretBytes out;
  const auto append = [&out](const ChainCertificate& certificate) {
    out.Append(PemOf("CERTIFICATE", certificate.der.Reveal()).Reveal());
  };
  if (which == "leaf" && !at(0).IsRoot()) append(at(0));
  if (which == "root" && at(order->size() - 1).IsRoot()) append(at(order->size() - 1));
  if (which == "intermediate") {
    for (std::size_t i = 1; i < order->size() && !at(i).IsRoot(); ++i) append(at(i));
  }
  return Value::Text(std::move(out));
}

Result<Value> CertificateSans(Call&, std::span<const Value> arguments) {
  std::string_view rest = arguments[0].text();
  const std::optional<GoPemBlock> block = NextPemBlock(rest);
  if (!block) return Error(ErrorCode::kInvalid, "failed to decode PEM block");
  const Result<CertificatePtr> certificate = ParseCertificate(block->bytes.Reveal());
  if (!certificate.ok()) return certificate.error().Prepend("failed to parse certificate");
  return Value::Strings(AlternativeNames(certificate->get()));
}

constexpr int kMinRsaBits = 1024;

Result<SecretBytes> DecryptOaep(EVP_PKEY* key, const EVP_MD* hash, std::string_view cipher) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kMinRsaBits) {
    return Error::Format(ErrorCode::kInvalid,
                         "crypto/rsa: {}-bit keys are insecure (see "
                         "https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)",
                         bits);
  }
  const OpenSslPtr<EVP_PKEY_CTX, &EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(key, nullptr));
  const auto* const bytes = reinterpret_cast<const unsigned char*>(cipher.data());
  std::size_t size = 0;
  SecretBytes plain;
  bool done = context && EVP_PKEY_decrypt_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), hash) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), hash) == 1 &&
              EVP_PKEY_decrypt(context.get(), nullptr, &size, bytes, cipher.size()) == 1;
  if (done) {
    plain = SecretBytes::OfSize(size);
    done = EVP_PKEY_decrypt(context.get(), reinterpret_cast<unsigned char*>(plain.MutableData()),
                            &size, bytes, cipher.size()) == 1;
  }
  ERR_clear_error();
  if (!done) return Error(ErrorCode::kInvalid, "crypto/rsa: decryption error");
  plain.Truncate(size);
  return plain;
}

Result<Value> RsaDecrypt(Call& call, std::span<const Value> arguments) {
  const std::string_view scheme = arguments[0].text();
  const std::string_view hash = arguments[1].text();
  if (scheme == "None") return arguments[2];
  if (scheme != "RSA-OAEP") {
    return Error::Format(ErrorCode::kInvalid, "decryption scheme {} is not supported", scheme);
  }
  if (Status step = call.SlowStep(); !step.ok()) return step.error();
  std::string_view rest = arguments[3].text();
  const std::optional<GoPemBlock> block = NextPemBlock(rest);
  if (!block) return Error(ErrorCode::kInvalid, "failed to decode PEM block");
  const KeyPtr key = ParsePrivateKey(block->bytes.Reveal());
  if (!key) {
    return Error(ErrorCode::kInvalid,
                 "could not parse private key: unable to parse private key type");
  }
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Error(ErrorCode::kInvalid, "could not parse RSA private key");
  }
  const EVP_MD* const digest = hash == "SHA1"     ? EVP_sha1()
                               : hash == "SHA512" ? EVP_sha512()
                                                  : EVP_sha256();
  Result<SecretBytes> plain = DecryptOaep(key.get(), digest, arguments[2].text());
  if (!plain.ok()) return plain.error().Prepend("error decrypting data with RSA");
  return Value::Text(*std::move(plain));
}

}  // namespace

std::span<const Function> PemFunctions() {
  static const Function functions[] = {
      {"filterPEM", "type string, input string", &FilterPem,
       "The PEM blocks of one type, such as CERTIFICATE or PRIVATE KEY.",
       R"({{ filterPEM "CERTIFICATE" (printf "%s\nMTIz\n%s\n" "-----BEGIN CERTIFICATE-----" "-----END CERTIFICATE-----") }})"},
      {"filterCertChain", "which string, input string", &FilterCertificateChain,
       "The leaf, intermediate or root certificates of a chain, as PEM."},
      {"certSANs", "input string", &CertificateSans,
       "The DNS names, IP addresses, e-mail addresses and URIs of the first certificate of a PEM "
       "text."},
      {"rsaDecrypt", "scheme string, hash string, ciphertext string, key string", &RsaDecrypt,
       "The plaintext of an RSA-OAEP ciphertext (scheme RSA-OAEP; hash SHA1, SHA256 or SHA512); "
       "scheme None returns the ciphertext.",
       R"({{ rsaDecrypt "None" "SHA256" "as it is" "" }})"},
  };
  return functions;
}

}  // namespace nodekeep::go

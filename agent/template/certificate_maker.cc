#include "agent/template/certificate_maker.h"

#include <arpa/inet.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "agent/base/digest.h"
#include "agent/template/pem_text.h"
#include "agent/template/private_key.h"

namespace nodekeep::go {
namespace {

using ContextPtr = OpenSslPtr<EVP_PKEY_CTX, &EVP_PKEY_CTX_free>;
using NamesPtr = OpenSslPtr<GENERAL_NAMES, &GENERAL_NAMES_free>;
using NumberPtr = OpenSslPtr<BIGNUM, &BN_free>;
using IntegerPtr = OpenSslPtr<ASN1_INTEGER, &ASN1_INTEGER_free>;
using ExtensionPtr = OpenSslPtr<X509_EXTENSION, &X509_EXTENSION_free>;
using OctetsPtr = OpenSslPtr<ASN1_OCTET_STRING, &ASN1_OCTET_STRING_free>;
using KeyIdPtr = OpenSslPtr<AUTHORITY_KEYID, &AUTHORITY_KEYID_free>;

constexpr std::size_t kKeyIdSize = 20;

const unsigned char* BytesOf(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Error Failure() { return {ErrorCode::kInvalid, "x509: the library cannot make it"}; }

Result<KeyPtr> MakeDsaKey() {
  constexpr int kBits = 2048;
  constexpr int kSubgroupBits = 256;
  const ContextPtr context(EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, nullptr));
  EVP_PKEY* parameters = nullptr;
  const bool has_parameters =
      EVP_PKEY_paramgen_init(context.get()) == 1 &&
      EVP_PKEY_CTX_set_dsa_paramgen_bits(context.get(), kBits) == 1 &&
      EVP_PKEY_CTX_set_dsa_paramgen_q_bits(context.get(), kSubgroupBits) == 1 &&
      EVP_PKEY_paramgen(context.get(), &parameters) == 1;
  const KeyPtr holder(parameters);
  EVP_PKEY* key = nullptr;
  if (has_parameters) {
    const ContextPtr generator(EVP_PKEY_CTX_new(parameters, nullptr));
    if (EVP_PKEY_keygen_init(generator.get()) == 1) EVP_PKEY_keygen(generator.get(), &key);
  }
  ERR_clear_error();
  if (key == nullptr) return Failure();
  return KeyPtr(key);
}

bool SetNumber(X509* certificate, const SecretBytes& serial) {
  const NumberPtr number(
      BN_bin2bn(BytesOf(serial.Reveal()), static_cast<int>(serial.size()), nullptr));
  const IntegerPtr integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  return integer && X509_set_serialNumber(certificate, integer.get()) == 1;
}

bool SetTimes(X509* certificate, const CertificateRequest& request) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), request.not_before) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), request.not_after) != nullptr;
}

bool SetNames(X509* certificate, const CertificateRequest& request, const Issuer& issuer) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const bool is_ascii_print = std::all_of(request.name.begin(), request.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(" '()+,-./:=?*&").find(c) != std::string_view::npos;
  });
  const int type = is_ascii_print ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
  const bool named =
      request.name.empty() ||
      X509_NAME_add_entry_by_NID(subject, NID_commonName, type, BytesOf(request.name),
                                 static_cast<int>(request.name.size()), -1, 0) == 1;
  const X509_NAME* const issuer_name =
      issuer.certificate == nullptr ? subject : X509_get_subject_name(issuer.certificate);
  return named && X509_set_issuer_name(certificate, issuer_name) == 1;
}

bool AddText(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// The first bytes of the SHA-256 of the public key, as RFC 7093 has it.
bool AddSubjectKey(X509* certificate) {
  const ASN1_BIT_STRING* const key = X509_get0_pubkey_bitstr(certificate);
  const std::array<std::uint8_t, 32> digest =
      Sha256({reinterpret_cast<const char*>(ASN1_STRING_get0_data(key)),
              static_cast<std::size_t>(ASN1_STRING_length(key))});
  const OctetsPtr octets(ASN1_OCTET_STRING_new());
  return ASN1_OCTET_STRING_set(octets.get(), digest.data(), kKeyIdSize) == 1 &&
         X509_add1_ext_i2d(certificate, NID_subject_key_identifier, octets.get(), 0, 0) == 1;
}

bool AddAuthorityKey(X509* certificate, const X509* issuer) {
  const ASN1_OCTET_STRING* const key = X509_get0_subject_key_id(const_cast<X509*>(issuer));
  const bool is_other =
      X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) != 0;
  if (key == nullptr || !is_other) return true;
  const KeyIdPtr identifier(AUTHORITY_KEYID_new());
  identifier->keyid = ASN1_OCTET_STRING_dup(key);
  return X509_add1_ext_i2d(certificate, NID_authority_key_identifier, identifier.get(), 0, 0) == 1;
}

bool AppendName(GENERAL_NAMES* names, int type, const std::string& bytes) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_STRING* const text =
      ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size()));
  GENERAL_NAME_set0_value(name, type, text);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

bool AddAlternativeNames(X509* certificate, const CertificateRequest& request) {
  if (request.addresses.empty() && request.dns_names.empty()) return true;
  const NamesPtr names(sk_GENERAL_NAME_new_null());
  for (const std::string& name : request.dns_names) {
    if (!AppendName(names.get(), GEN_DNS, name)) return false;
  }
  for (const std::string& address : request.addresses) {
    if (!AppendName(names.get(), GEN_IPADD, address)) return false;
  }
  // Without a subject the names are what identifies the holder.
  const int critical = request.name.empty() ? 1 : 0;
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), critical, 0) == 1;
}

bool AddExtensions(X509* certificate, const CertificateRequest& request, const Issuer& issuer) {
  const char* const usage = request.is_ca ? "critical,digitalSignature,keyEncipherment,keyCertSign"
                                          : "critical,digitalSignature,keyEncipherment";
  return AddText(certificate, NID_key_usage, usage) &&
         AddText(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
         AddText(certificate, NID_basic_constraints,
                 request.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
         (!request.is_ca || AddSubjectKey(certificate)) &&
         (issuer.certificate == nullptr || AddAuthorityKey(certificate, issuer.certificate)) &&
         AddAlternativeNames(certificate, request);
}

// Null for algorithms that hash by themselves.
const EVP_MD* HashFor(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519: return nullptr;
    case EVP_PKEY_EC:
      return EVP_PKEY_get_bits(key) > 384   ? EVP_sha512()
             : EVP_PKEY_get_bits(key) > 256 ? EVP_sha384()
                                            : EVP_sha256();
    default: return EVP_sha256();
  }
}

}  // namespace

Result<KeyPtr> MakeRsaKey(int bits) {
  KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
  ERR_clear_error();
  if (!key) return Failure();
  return key;
}

Result<SecretBytes> MakeKeyPem(std::string_view type) {
  if (type.empty() || type == "rsa") {
    const Result<KeyPtr> key = MakeRsaKey(4096);
    if (!key.ok()) return key.error();
    return KeyPemOf(key->get());
  }
  if (type == "dsa") {
    const Result<KeyPtr> key = MakeDsaKey();
    if (!key.ok()) return key.error();
    const SecretBytes der = DerOf<const EVP_PKEY>(key->get(), &i2d_PrivateKey);
    return PemOf("DSA PRIVATE KEY", der.Reveal());
  }
  const KeyPtr key(type == "ecdsa" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                   : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  ERR_clear_error();
  if (!key) return Failure();
  return KeyPemOf(key.get());
}

SecretBytes KeyPemOf(const EVP_PKEY* key) {
  const int type = EVP_PKEY_get_base_id(key);
  if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC) {
    return PemOf("PRIVATE KEY", Pkcs8Of(key).Reveal());
  }
  const SecretBytes der = DerOf<const EVP_PKEY>(key, &i2d_PrivateKey);
  ERR_clear_error();
  return PemOf(type == EVP_PKEY_RSA ? "RSA PRIVATE KEY" : "EC PRIVATE KEY", der.Reveal());
}

Result<KeyPtr> ParseKeyPem(std::string_view pem) {
  constexpr std::string_view kSuffix = " PRIVATE KEY";
  std::string_view rest = pem;
  const std::optional<GoPemBlock> block = NextPemBlock(rest);
  if (!block) return Error(ErrorCode::kInvalid, "no PEM data in input");
  const std::string_view type = block->type;
  const bool is_pkcs8 = type == "PRIVATE KEY";
  if (!is_pkcs8 && !type.ends_with(kSuffix)) {
    return Error::Format(ErrorCode::kInvalid, "no private key data in PEM block of type {}", type);
  }
  const std::string_view kind = is_pkcs8 ? "" : type.substr(0, type.size() - kSuffix.size());
  if (!is_pkcs8 && kind != "EC" && kind != "RSA") {
    return Error::Format(ErrorCode::kInvalid, "invalid private key type {}", kind);
  }
  KeyPtr key = ParsePrivateKey(block->bytes.Reveal());
  if (!key) {
    return Error::Format(ErrorCode::kInvalid, "decoding {}: x509: failed to parse private key",
                         is_pkcs8 ? "PEM as PKCS#8" : fmt::format("{} private key", kind));
  }
  return key;
}

std::optional<std::string> ParseIp(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;
  std::array<char, 16> bytes;
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 4);
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return std::nullopt;
  const std::string address(bytes.data(), bytes.size());
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  return address.starts_with(kMapped) ? address.substr(kMapped.size()) : address;
}

CertificateRequest RequestFor(const Call& call, std::string_view name, std::int64_t days) {
  // Beyond the year 9999 a certificate cannot be written; the library refuses it then.
  constexpr std::int64_t kMaxDays = 10'000'000;
  constexpr std::size_t kSerialSize = 16;
  CertificateRequest request;
  request.name = name;
  request.not_before =
      std::chrono::duration_cast<std::chrono::seconds>(call.now().time_since_epoch()).count();
  request.not_after = request.not_before + 86400 * std::clamp(days, -kMaxDays, kMaxDays);
  request.serial = call.Random(kSerialSize);
  return request;
}

Result<SecretBytes> IssueCertificate(const CertificateRequest& request, EVP_PKEY* key,
                                     const Issuer& issuer) {
  constexpr long kVersion3 = 2;
  const CertificatePtr certificate(X509_new());
  const bool made = certificate && X509_set_version(certificate.get(), kVersion3) == 1 &&
                    SetNumber(certificate.get(), request.serial) &&
                    SetTimes(certificate.get(), request) &&
                    SetNames(certificate.get(), request, issuer) &&
                    X509_set_pubkey(certificate.get(), key) == 1 &&
                    AddExtensions(certificate.get(), request, issuer) &&
                    X509_sign(certificate.get(), issuer.key, HashFor(issuer.key)) > 0;
  ERR_clear_error();
  if (!made) return Failure();
  return DerOf<const X509>(certificate.get(), &i2d_X509);
}

}  // namespace nodekeep::go

#include "providers/akeyless/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <memory>
#include <optional>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/pem.h"
#include "agent/base/utf8.h"

namespace nodekeep::akeyless {
namespace {

using Number = OpenSslPtr<BIGNUM, &BN_clear_free>;
using Request = OpenSslPtr<X509_REQ, &X509_REQ_free>;
using Names = OpenSslPtr<GENERAL_NAMES, &GENERAL_NAMES_free>;

// Names only the step that failed: OpenSSL's own error text could contain parts of a key.
Error Failed(const char* step) {
  return Error::Format(ErrorCode::kInternal, "openssl cannot {}", step);
}

Result<KeyPtr> MakeKey(const std::string& type) {
  KeyPtr key;
  if (type == "rsa2048") {
    key.reset(EVP_RSA_gen(2048));
  } else if (type == "rsa4096") {
    key.reset(EVP_RSA_gen(4096));
  } else if (type == "ec256") {
    key.reset(EVP_EC_gen("P-256"));
  } else if (type == "ec384") {
    key.reset(EVP_EC_gen("P-384"));
  } else if (type == "ed25519") {
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  } else {
    return Error::Format(ErrorCode::kInvalid,
                         "key type \"{}\": it is rsa2048, rsa4096, ec256, ec384 or ed25519",
                         Excerpt(type));
  }
  if (!key) return Failed("make a key");
  return key;
}

// The GeneralName for a user's alternative name: an IP address, an email address or a DNS name.
GENERAL_NAME* AlternativeName(const std::string& text) {
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(text.c_str())) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    return name;
  }
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
  GENERAL_NAME* name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, text.find('@') != std::string::npos ? GEN_EMAIL : GEN_DNS, value);
  return name;
}

bool AddAlternativeNames(X509_REQ* request, const std::vector<std::string>& dns_names,
                         const std::vector<std::string>& uris) {
  if (dns_names.empty() && uris.empty()) return true;
  Names names(GENERAL_NAMES_new());
  for (const std::string& text : dns_names) {
    sk_GENERAL_NAME_push(names.get(), AlternativeName(text));
  }
  for (const std::string& text : uris) {
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_URI, value);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  STACK_OF(X509_EXTENSION)* extensions = nullptr;
  const bool added =
      X509V3_add1_i2d(&extensions, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1 &&
      X509_REQ_add_extensions(request, extensions) == 1;
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return added;
}

// Writes the SSH wire format (RFC 4251, section 5).
class SshWriter {
 public:
  SshWriter& Uint32(std::uint32_t value) {
    const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                          static_cast<char>(value >> 8), static_cast<char>(value)};
    return Raw(std::string_view(bytes, sizeof bytes));
  }
  SshWriter& Text(std::string_view text) {
    return Uint32(static_cast<std::uint32_t>(text.size())).Raw(text);
  }
  SshWriter& Raw(std::string_view bytes) {
    out_.Append(bytes);
    return *this;
  }
  // Big-endian, with a zero byte in front of a set sign bit.
  SshWriter& Mpint(const BIGNUM* number) {
    const auto size = static_cast<std::size_t>(BN_num_bytes(number));
    SecretBytes bytes = SecretBytes::OfSize(size + 1);
    BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.MutableData() + 1));
    const std::string_view text = bytes.Reveal();
    const bool sign = size > 0 && (static_cast<unsigned char>(text[1]) & 0x80) != 0;
    return Text(sign ? text : text.substr(1));
  }
  SecretBytes& bytes() { return out_; }

 private:
  SecretBytes out_;
};

Number NumberOf(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  return Number(number);
}

// A key in the SSH wire format: the name of its type, and the fields that follow the name.
struct SshParts {
  std::string name;
  SshWriter public_part;
  SshWriter private_part;
};

bool RsaParts(const EVP_PKEY* key, SshParts& parts) {
  const Number n = NumberOf(key, OSSL_PKEY_PARAM_RSA_N), e = NumberOf(key, OSSL_PKEY_PARAM_RSA_E),
               d = NumberOf(key, OSSL_PKEY_PARAM_RSA_D),
               p = NumberOf(key, OSSL_PKEY_PARAM_RSA_FACTOR1),
               q = NumberOf(key, OSSL_PKEY_PARAM_RSA_FACTOR2),
               qinv = NumberOf(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  if (!n || !e || !d || !p || !q || !qinv) return false;
  parts.name = "ssh-rsa";
  parts.public_part.Mpint(e.get()).Mpint(n.get());
  parts.private_part.Mpint(n.get())
      .Mpint(e.get())
      .Mpint(d.get())
      .Mpint(qinv.get())
      .Mpint(p.get())
      .Mpint(q.get());
  return true;
}

bool EcParts(const EVP_PKEY* key, std::string_view curve, SshParts& parts) {
  unsigned char point[256];
  std::size_t size = 0;
  const Number d = NumberOf(key, OSSL_PKEY_PARAM_PRIV_KEY);
  if (!d || EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                            &size) != 1) {
    return false;
  }
  const std::string_view q(reinterpret_cast<const char*>(point), size);
  parts.name = "ecdsa-sha2-" + std::string(curve);
  parts.public_part.Text(curve).Text(q);
  parts.private_part.Text(curve).Text(q).Mpint(d.get());
  return true;
}

bool Ed25519Parts(const EVP_PKEY* key, SshParts& parts) {
  constexpr std::size_t kSize = 32;
  SecretBytes secret = SecretBytes::OfSize(kSize), open = SecretBytes::OfSize(kSize);
  std::size_t secret_size = kSize, open_size = kSize;
  if (EVP_PKEY_get_raw_private_key(key, reinterpret_cast<unsigned char*>(secret.MutableData()),
                                   &secret_size) != 1 ||
      EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(open.MutableData()),
                                  &open_size) != 1) {
    return false;
  }
  parts.name = "ssh-ed25519";
  parts.public_part.Text(open.Reveal());
  parts.private_part.Text(open.Reveal()).Uint32(2 * kSize).Raw(secret.Reveal()).Raw(open.Reveal());
  return true;
}

// openssh-key-v1, without a pass phrase.
SecretBytes OpenSshPrivateKey(SshParts& parts, std::string_view public_blob) {
  SecretBytes check = RandomBytes(4);
  SshWriter secret;
  secret.Raw(check.Reveal())
      .Raw(check.Reveal())
      .Text(parts.name)
      .Raw(parts.private_part.bytes().Reveal())
      .Text("");
  for (char pad = 1; secret.bytes().size() % 8 != 0; ++pad) secret.Raw({&pad, 1});
  SshWriter file;
  file.Raw(std::string_view("openssh-key-v1\0", 15))
      .Text("none")
      .Text("none")
      .Text("")
      .Uint32(1)
      .Text(public_blob)
      .Text(secret.bytes().Reveal());

  const SecretBytes encoded = SecretBytes::MoveFrom(Base64Encode(file.bytes().Reveal()));
  constexpr std::size_t kLine = 70;
  SecretBytes text("-----BEGIN OPENSSH PRIVATE KEY-----\n");
  for (std::size_t at = 0; at < encoded.size(); at += kLine) {
    text.Append(encoded.Reveal().substr(at, kLine));
    text.Append("\n");
  }
  text.Append("-----END OPENSSH PRIVATE KEY-----\n");
  return text;
}

// Reads what SshWriter writes; after a read past the end all results are empty.
class SshReader {
 public:
  explicit SshReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t Number(std::size_t size) {
    const std::string_view bytes = Take(size);
    std::uint64_t value = 0;
    for (unsigned char c : bytes) value = value << 8 | c;
    return value;
  }
  std::string_view Text() { return Take(static_cast<std::size_t>(Number(4))); }
  bool ok() const { return ok_; }

 private:
  std::string_view Take(std::size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return "";
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

Result<SecretBytes> SignChallenge(const SecretBytes& key_pem, std::string_view bytes) {
  const KeyPtr key = ReadPemKey(key_pem.Reveal());
  if (!key) {
    return Error(ErrorCode::kInvalid,
                 "the certificate's key is not a PEM key without a pass phrase");
  }
  Result<SecretBytes> signature = SignSha256(key.get(), bytes);
  if (!signature.ok()) return signature.error().Prepend("the certificate's key");
  return signature;
}

Result<CertificateKey> MakeCertificateKey(const std::string& type, const std::string& common_name,
                                          const std::vector<std::string>& dns_names,
                                          const std::vector<std::string>& uris) {
  Result<KeyPtr> key = MakeKey(type.empty() ? "rsa2048" : type);
  if (!key.ok()) return key.error();
  const Request request(X509_REQ_new());
  X509_NAME* subject = X509_REQ_get_subject_name(request.get());
  const EVP_MD* digest =
      EVP_PKEY_get_base_id(key->get()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  const bool named =
      common_name.empty() ||
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1;
  if (!named) {
    return Error::Format(ErrorCode::kInvalid, "common name \"{}\": a certificate cannot hold it",
                         Excerpt(common_name));
  }
  if (X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key->get()) != 1 ||
      !AddAlternativeNames(request.get(), dns_names, uris) ||
      X509_REQ_sign(request.get(), key->get(), digest) <= 0) {
    return Failed("make a certificate request");
  }
  const BioPtr request_bio(BIO_new(BIO_s_mem())), key_bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509_REQ(request_bio.get(), request.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key->get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return Failed("write a key");
  }
  return CertificateKey{WrittenTo(key_bio.get()),
                        std::string(WrittenTo(request_bio.get()).Reveal())};
}

Result<SshKey> MakeSshKey(const std::string& type) {
  Result<KeyPtr> key = MakeKey(type.empty() ? "ed25519" : type);
  if (!key.ok()) return key.error();
  SshParts parts;
  bool written = false;
  if (type.starts_with("rsa")) {
    written = RsaParts(key->get(), parts);
  } else if (type.starts_with("ec")) {
    written = EcParts(key->get(), type == "ec256" ? "nistp256" : "nistp384", parts);
  } else {
    written = Ed25519Parts(key->get(), parts);
  }
  if (!written) return Failed("read a key it has made");
  SshWriter blob;
  blob.Text(parts.name).Raw(parts.public_part.bytes().Reveal());
  return SshKey{OpenSshPrivateKey(parts, blob.bytes().Reveal()),
                parts.name + " " + Base64Encode(blob.bytes().Reveal())};
}

Result<WallTime> PemCertificateEnd(std::string_view pem) {
  const CertificatePtr certificate = ReadPemCertificate(pem);
  std::tm end{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return Error(ErrorCode::kInvalid, "the issuer's reply holds no PEM certificate");
  }
  return WallTimeAt(::timegm(&end));
}

Result<WallTime> SshCertificateEnd(std::string_view text) {
  const Error none(ErrorCode::kInvalid, "the issuer's reply holds no SSH certificate");
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return none;
  std::string_view encoded = text.substr(space + 1);
  encoded = encoded.substr(0, encoded.find_first_of(" \r\n"));
  Result<SecretBytes> blob = Base64Decode(encoded);
  if (!blob.ok()) return none;
  SshReader reader(blob->Reveal());
  const std::string_view type = reader.Text();
  if (type.find("-cert-v01@openssh.com") == std::string_view::npos) return none;
  reader.Text();                                        // nonce
  reader.Text();                                        // the public key: one field
  if (!type.starts_with("ssh-ed25519")) reader.Text();  // or two
  reader.Number(8);                                     // serial
  reader.Number(4);                                     // user or host
  reader.Text();                                        // key id
  reader.Text();                                        // principals
  reader.Number(8);                                     // valid after
  const std::uint64_t end = reader.Number(8);
  if (!reader.ok()) return none;
  // All ones means that it does not expire.
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return WallTimeAt(static_cast<std::int64_t>(std::min(end, kMost)));
}

}  // namespace nodekeep::akeyless

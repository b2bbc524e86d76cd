#include "agent/template/pkcs12_file.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/pem.h"
#include "agent/base/utf8.h"
#include "agent/template/certificate_chain.h"
#include "agent/template/private_key.h"

namespace nodekeep::go {
namespace {

using BagStack =
    std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), decltype([](STACK_OF(PKCS12_SAFEBAG) * stack) {
                      sk_PKCS12_SAFEBAG_pop_free(stack, &PKCS12_SAFEBAG_free);
                    })>;
using SafeStack = std::unique_ptr<STACK_OF(PKCS7), decltype([](STACK_OF(PKCS7) * stack) {
                                    sk_PKCS7_pop_free(stack, &PKCS7_free);
                                  })>;
using FilePtr = OpenSslPtr<PKCS12, &PKCS12_free>;
using BagPtr = OpenSslPtr<PKCS12_SAFEBAG, &PKCS12_SAFEBAG_free>;
using SafePtr = OpenSslPtr<PKCS7, &PKCS7_free>;
using Pkcs8Ptr = OpenSslPtr<PKCS8_PRIV_KEY_INFO, &PKCS8_PRIV_KEY_INFO_free>;
using LibraryPtr = OpenSslPtr<OSSL_LIB_CTX, &OSSL_LIB_CTX_free>;
using ProviderPtr = OpenSslPtr<OSSL_PROVIDER, &OSSL_PROVIDER_unload>;

constexpr int kIterations = 2048;
constexpr std::size_t kSaltSize = 16;
// One step of the limit stands for that many iterations of a key derivation.
constexpr std::uint64_t kIterationsPerStep = 4;

Error Failure(std::string_view text) {
  return Error::Format(ErrorCode::kInvalid, "pkcs12: {}", text);
}

// What Go's encoding/asn1 says of a text that is no PKCS#12 file: usually PEM, or base64 that was
// not decoded.
std::string Asn1Problem(std::string_view content) {
  constexpr unsigned kSequence = 16;
  constexpr unsigned kLongForm = 0x1F;
  if (content.empty()) return "asn1: syntax error: sequence truncated";
  const unsigned first = static_cast<unsigned char>(content[0]);
  const unsigned length = content.size() < 2 ? 0x80 : static_cast<unsigned char>(content[1]);
  const unsigned tag = first & kLongForm;
  if (tag == kLongForm || length >= 0x80) return "asn1: structure error";
  const bool is_compound = (first & 0x20) != 0;
  if (first >> 6 == 0 && tag == kSequence && is_compound) {
    return length > content.size() - 2 ? "asn1: syntax error: data truncated"
                                       : "asn1: structure error";
  }
  return fmt::format(
      "asn1: structure error: tags don't match (16 vs {{class:{} tag:{} length:{} isCompound:{}}}) "
      "{{optional:false explicit:false application:false private:false defaultValue:<nil> "
      "tag:<nil> "
      "stringType:0 timeType:0 set:false omitEmpty:false}} pfxPdu @2",
      first >> 6, tag, length, is_compound);
}

// A password that OpenSSL takes by pointer and length; absent is not the same as empty.
struct Password {
  SecretBytes terminated;  // with a NUL at the end
  bool is_absent = false;

  std::string_view text() const { return terminated.Reveal().substr(0, terminated.size() - 1); }
  const char* data() const { return is_absent ? nullptr : terminated.Reveal().data(); }
  int size() const { return is_absent ? 0 : static_cast<int>(text().size()); }
};

Result<Password> PasswordOf(std::string_view text) {
  Password password{SecretBytes::MoveFrom(ReplaceInvalidUtf8(text))};
  password.terminated.Append(std::string_view("\0", 1));
  for (std::string_view rest = password.text(); !rest.empty();) {
    const Rune rune = FirstRune(rest);
    if (rune.code > 0xFFFF) {
      return Failure("string contains characters that cannot be encoded in UCS-2");
    }
    rest.remove_prefix(rune.length);
  }
  return password;
}

Status ChargeIterations(Call& call, const ASN1_INTEGER* count) {
  const std::int64_t iterations = count == nullptr ? 1 : ASN1_INTEGER_get(count);
  if (iterations < 0 || iterations > std::numeric_limits<std::int32_t>::max()) {
    return Failure("the number of iterations is out of range");
  }
  return call.Step(static_cast<std::uint64_t>(iterations) / kIterationsPerStep + 1);
}

template <auto kFree, typename T>
OpenSslPtr<T, kFree> Unpack(const X509_ALGOR* algorithm, const ASN1_ITEM* item) {
  const void* parameter = nullptr;
  int type = 0;
  X509_ALGOR_get0(nullptr, &type, &parameter, algorithm);
  if (type != V_ASN1_SEQUENCE) return nullptr;
  return OpenSslPtr<T, kFree>(
      static_cast<T*>(ASN1_item_unpack(static_cast<const ASN1_STRING*>(parameter), item)));
}

int NidOf(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* identifier = nullptr;
  X509_ALGOR_get0(&identifier, nullptr, nullptr, algorithm);
  return OBJ_obj2nid(identifier);
}

// Takes steps for the key derivation of `algorithm` before it is done.
Status ChargeAlgorithm(Call& call, const X509_ALGOR* algorithm) {
  if (NidOf(algorithm) != NID_pbes2) {
    const auto parameters = Unpack<&PBEPARAM_free, PBEPARAM>(algorithm, ASN1_ITEM_rptr(PBEPARAM));
    if (!parameters) return Failure("algorithm is not supported");
    return ChargeIterations(call, parameters->iter);
  }
  const auto scheme = Unpack<&PBE2PARAM_free, PBE2PARAM>(algorithm, ASN1_ITEM_rptr(PBE2PARAM));
  if (!scheme || NidOf(scheme->keyfunc) != NID_id_pbkdf2) {
    return Failure("kdf algorithm is not supported");
  }
  const auto derivation =
      Unpack<&PBKDF2PARAM_free, PBKDF2PARAM>(scheme->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM));
  if (!derivation) return Failure("kdf algorithm is not supported");
  return ChargeIterations(call, derivation->iter);
}

// Reads one file, in a library context of its own, so that legacy algorithms are not enabled for
// the whole process.
class Reader {
 public:
  Reader(Call& call, Password password)
      : call_(call),
        password_(std::move(password)),
        library_(OSSL_LIB_CTX_new()),
        current_(OSSL_PROVIDER_load(library_.get(), "default")),
        legacy_(OSSL_PROVIDER_load(library_.get(), "legacy")) {}

  Result<Pkcs12File> Read(std::string_view content) {
    PKCS12* read = PKCS12_init_ex(NID_pkcs7_data, library_.get(), nullptr);
    const auto* const start = reinterpret_cast<const unsigned char*>(content.data());
    const auto* at = start;
    d2i_PKCS12(&read, &at, static_cast<long>(content.size()));
    const FilePtr file(read);
    if (!file) return Failure(fmt::format("error reading P12 data: {}", Asn1Problem(content)));
    if (at != start + content.size()) {
      return Failure("error reading P12 data: pkcs12: trailing data found");
    }
    if (Status checked = CheckMac(file.get()); !checked.ok()) return checked.error();
    const SafeStack safes(PKCS12_unpack_authsafes(file.get()));
    if (!safes) return Failure("only password-protected PFX is implemented");
    for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
      if (Status s = ReadSafe(sk_PKCS7_value(safes.get(), i)); !s.ok()) return s.error();
    }
    if (found_.certificates.empty()) return Failure("certificate missing");
    if (found_.key.empty()) return Failure("private key missing");
    return std::move(found_);
  }

 private:
  Status CheckMac(PKCS12* file) {
    if (PKCS12_mac_present(file) != 1) {
      if (password_.text().empty()) return {};
      return Failure("no MAC in data");
    }
    const ASN1_INTEGER* iterations = nullptr;
    PKCS12_get0_mac(nullptr, nullptr, nullptr, &iterations, file);
    if (Status charged = ChargeIterations(call_, iterations); !charged.ok()) return charged;
    if (PKCS12_verify_mac(file, password_.data(), password_.size()) == 1) return {};
    // Some tools write an empty password as none.
    password_.is_absent = password_.text().empty();
    if (password_.is_absent && PKCS12_verify_mac(file, nullptr, 0) == 1) return {};
    return Failure("decryption password incorrect");
  }

  Status ReadSafe(PKCS7* safe) {
    BagStack bags;
    if (PKCS7_type_is_data(safe)) {
      bags.reset(PKCS12_unpack_p7data(safe));
      if (!bags) return Failure("error reading P12 data: asn1: structure error");
    } else if (PKCS7_type_is_encrypted(safe)) {
      Status charged = ChargeAlgorithm(call_, safe->d.encrypted->enc_data->algorithm);
      if (!charged.ok()) return charged;
      bags.reset(PKCS12_unpack_p7encdata(safe, password_.data(), password_.size()));
      if (!bags) return Failure("decryption error, incorrect padding");
    } else {
      return Failure(
          "only data and encryptedData content types are supported in authenticated safe");
    }
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags.get()); ++i) {
      if (Status s = ReadBag(sk_PKCS12_SAFEBAG_value(bags.get(), i)); !s.ok()) return s;
    }
    return {};
  }

  Status ReadBag(const PKCS12_SAFEBAG* bag) {
    if (Status step = call_.Step(); !step.ok()) return step;
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
      case NID_certBag: return ReadCertificate(bag);
      case NID_keyBag:
      case NID_pkcs8ShroudedKeyBag: return ReadKey(bag);
      default: return {};
    }
  }

  Status ReadCertificate(const PKCS12_SAFEBAG* bag) {
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) {
      return Failure("only X509 certificates are supported in cert bags");
    }
    const CertificatePtr certificate(PKCS12_SAFEBAG_get1_cert(bag));
    if (!certificate) return Error(ErrorCode::kInvalid, "x509: malformed certificate");
    SecretBytes der = DerOf<const X509>(certificate.get(), &i2d_X509);
    const Result<CertificatePtr> checked = ParseCertificate(der.Reveal());
    if (!checked.ok()) return checked.error();
    found_.certificates.push_back(std::move(der));
    return {};
  }

  Status ReadKey(const PKCS12_SAFEBAG* bag) {
    if (!found_.key.empty()) return Failure("expected exactly one key bag");
    Pkcs8Ptr decrypted;
    const PKCS8_PRIV_KEY_INFO* info = nullptr;
    if (PKCS12_SAFEBAG_get_nid(bag) == NID_keyBag) {
      info = PKCS12_SAFEBAG_get0_p8inf(bag);
    } else {
      const X509_ALGOR* algorithm = nullptr;
      X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, nullptr);
      if (Status charged = ChargeAlgorithm(call_, algorithm); !charged.ok()) return charged;
      decrypted.reset(
          PKCS12_decrypt_skey_ex(bag, password_.data(), password_.size(), library_.get(), nullptr));
      if (!decrypted) {
        return Failure(
            "error decrypting PKCS#8 shrouded key bag: pkcs12: decryption error, incorrect "
            "padding");
      }
      info = decrypted.get();
    }
    const KeyPtr key(EVP_PKCS82PKEY_ex(info, library_.get(), nullptr));
    if (key && IsKnownToGo(key.get())) found_.key = Pkcs8Of(key.get());
    if (!found_.key.empty()) return {};
    return Failure("error parsing PKCS#8 private key: x509: failed to parse private key");
  }

  Call& call_;
  Password password_;
  const LibraryPtr library_;
  const ProviderPtr current_;
  const ProviderPtr legacy_;  // null if not installed
  Pkcs12File found_;
};

class Writer {
 public:
  Writer(Call& call, Password password) : call_(call), password_(std::move(password)) {}

  // False: OpenSSL failed.
  bool AddCertificates(BagStack bags) {
    SecretBytes salt = Salt();
    const EVP_CIPHER* const cipher = EVP_aes_256_cbc();
    return AddSafe(PKCS12_pack_p7encdata(EVP_CIPHER_get_nid(cipher), password_.data(),
                                         password_.size(), Bytes(salt), kSaltSize, kIterations,
                                         bags.get()));
  }

  bool AddKey(std::string_view der, const SecretBytes& key_id) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const Pkcs8Ptr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
    if (!info) return false;
    SecretBytes salt = Salt();
    BagPtr bag(PKCS12_SAFEBAG_create_pkcs8_encrypt(EVP_CIPHER_get_nid(EVP_aes_256_cbc()),
                                                   password_.data(), password_.size(), Bytes(salt),
                                                   kSaltSize, kIterations, info.get()));
    SecretBytes id = key_id.Clone();
    if (!bag || PKCS12_add_localkeyid(bag.get(), Bytes(id), static_cast<int>(id.size())) != 1) {
      return false;
    }
    const BagStack bags(sk_PKCS12_SAFEBAG_new_null());
    if (sk_PKCS12_SAFEBAG_push(bags.get(), bag.get()) <= 0) return false;
    (void)bag.release();
    return AddSafe(PKCS12_pack_p7data(bags.get()));
  }

  Result<SecretBytes> Finish() {
    const FilePtr file(PKCS12_init(NID_pkcs7_data));
    SecretBytes salt = Salt();
    SecretBytes der;
    if (file && PKCS12_pack_authsafes(file.get(), safes_.get()) == 1 &&
        PKCS12_set_mac(file.get(), password_.data(), password_.size(), Bytes(salt), kSaltSize,
                       kIterations, EVP_sha256()) == 1) {
      der = DerOf<const PKCS12>(file.get(), &i2d_PKCS12);
    }
    ERR_clear_error();
    if (der.empty()) return Failure("OpenSSL cannot encode this file");
    return der;
  }

 private:
  SecretBytes Salt() { return call_.Random(kSaltSize); }

  static unsigned char* Bytes(SecretBytes& bytes) {
    return reinterpret_cast<unsigned char*>(bytes.MutableData());
  }

  bool AddSafe(PKCS7* packed) {
    SafePtr safe(packed);
    if (!safe || sk_PKCS7_push(safes_.get(), safe.get()) <= 0) return false;
    (void)safe.release();
    return true;
  }

  Call& call_;
  Password password_;
  SafeStack safes_{sk_PKCS7_new_null()};
};

SecretBytes KeyIdOf(std::string_view certificate) {
  SecretBytes id = SecretBytes::OfSize(EVP_MD_get_size(EVP_sha1()));
  EVP_Digest(certificate.data(), certificate.size(),
             reinterpret_cast<unsigned char*>(id.MutableData()), nullptr, EVP_sha1(), nullptr);
  return id;
}

// What marks a certificate as trusted in a key store of Java.
bool AddTrust(PKCS12_SAFEBAG* bag, const std::string& name) {
  constexpr const char* kJavaTrust = "2.16.840.1.113894.746875.1.1";
  const auto* const text = name.empty() ? "" : name.c_str();
  if (PKCS12_add_friendlyname_utf8(bag, text, static_cast<int>(name.size())) != 1) return false;
  const ASN1_OBJECT* const any_use = OBJ_nid2obj(NID_anyExtendedKeyUsage);
  return PKCS12_add1_attr_by_txt(bag, kJavaTrust, V_ASN1_OBJECT,
                                 reinterpret_cast<const unsigned char*>(any_use), -1) == 1;
}

// `is_trusted`: for a trust store; otherwise the first certificate is marked as the key's.
Result<BagStack> BagsOf(std::span<const SecretBytes> certificates, bool is_trusted) {
  BagStack bags(sk_PKCS12_SAFEBAG_new_null());
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const std::string_view der = certificates[i].Reveal();
    const Result<CertificatePtr> certificate = ParseCertificate(der);
    if (!certificate.ok()) return certificate.error();
    BagPtr bag(PKCS12_SAFEBAG_create_cert(certificate->get()));
    bool made = bag != nullptr;
    if (made && is_trusted) made = AddTrust(bag.get(), SubjectText(certificate->get()));
    if (made && !is_trusted && i == 0) {
      SecretBytes id = KeyIdOf(der);
      made = PKCS12_add_localkeyid(bag.get(), reinterpret_cast<unsigned char*>(id.MutableData()),
                                   static_cast<int>(id.size())) == 1;
    }
    if (!made || sk_PKCS12_SAFEBAG_push(bags.get(), bag.get()) <= 0) {
      ERR_clear_error();
      return Failure("OpenSSL cannot encode this certificate");
    }
    (void)bag.release();
  }
  return bags;
}

Status ChargeWriting(Call& call, std::span<const SecretBytes> certificates) {
  std::size_t size = 0;
  for (const SecretBytes& certificate : certificates) size += certificate.size();
  if (Status charged = call.Charge(4 * size); !charged.ok()) return charged;
  return call.Step(3 * kIterations / kIterationsPerStep);
}

}  // namespace

Result<Pkcs12File> DecodePkcs12(Call& call, std::string_view content, std::string_view password) {
  Result<Password> usable = PasswordOf(password);
  if (!usable.ok()) return usable.error();
  Result<Pkcs12File> file = Reader(call, *std::move(usable)).Read(content);
  ERR_clear_error();
  return file;
}

Result<SecretBytes> EncodePkcs12(Call& call, std::span<const SecretBytes> certificates,
                                 std::string_view key, std::string_view password) {
  Result<Password> usable = PasswordOf(password);
  if (!usable.ok()) return usable.error();
  if (Status charged = ChargeWriting(call, certificates); !charged.ok()) return charged.error();
  Result<BagStack> bags = BagsOf(certificates, false);
  if (!bags.ok()) return bags.error();
  Writer writer(call, *std::move(usable));
  const bool added = writer.AddCertificates(*std::move(bags)) &&
                     writer.AddKey(key, KeyIdOf(certificates[0].Reveal()));
  ERR_clear_error();
  if (!added) return Failure("OpenSSL cannot encode this key");
  return writer.Finish();
}

Result<SecretBytes> EncodeTrustStore(Call& call, std::span<const SecretBytes> certificates,
                                     std::string_view password) {
  Result<Password> usable = PasswordOf(password);
  if (!usable.ok()) return usable.error();
  if (Status charged = ChargeWriting(call, certificates); !charged.ok()) return charged.error();
  Result<BagStack> bags = BagsOf(certificates, true);
  if (!bags.ok()) return bags.error();
  Writer writer(call, *std::move(usable));
  const bool added = writer.AddCertificates(*std::move(bags));
  ERR_clear_error();
  if (!added) return Failure("OpenSSL cannot encode these certificates");
  return writer.Finish();
}

}  // namespace nodekeep::go

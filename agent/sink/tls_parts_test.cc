#include "agent/sink/tls_parts.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/certificates.h"
#include "tests/fakes/pkcs12_file.h"

namespace nodekeep {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::string Text(const std::function<void(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::unique_ptr<BIO, decltype(&BIO_free)> Reader(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

Key KeyOf(const std::string& pem) {
  return Key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
}

Key MakeKey(const std::string& kind) {
  if (kind == "rsa") return Key(EVP_RSA_gen(2048), &EVP_PKEY_free);
  if (kind == "ec") return Key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
}

std::string Pkcs8(const Key& key) {
  return Text([&key](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string Traditional(const Key& key) {
  return Text([&key](BIO* bio) {
    PEM_write_bio_PrivateKey_traditional(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string EncryptedPkcs8(const Key& key) {
  return Text([&key](BIO* bio) {
    PEM_write_bio_PKCS8PrivateKey(bio, key.get(), EVP_aes_128_cbc(), "word", 4, nullptr, nullptr);
  });
}

std::string EncryptedTraditional(const Key& key) {
  unsigned char word[] = "word";
  return Text([&key, &word](BIO* bio) {
    PEM_write_bio_PrivateKey_traditional(bio, key.get(), EVP_aes_128_cbc(), word, 4, nullptr,
                                         nullptr);
  });
}

std::string Pkcs12(const CertificatePair& pair, const std::string& chain, const char* password,
                   bool legacy) {
  std::string file = MakePkcs12File(pair, chain, password, legacy);
  INFO("OpenSSL's legacy provider is missing: install openssl-provider-legacy");
  REQUIRE(!file.empty());
  return file;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string Value(const Result<SecretBytes>& result) {
  return result.ok() ? std::string(result->Reveal()) : "error: " + result.error().message();
}

std::string Fault(const Result<SecretBytes>& result) {
  return result.ok() ? "no error" : result.error().message();
}

TEST_CASE("tls: a private key is written in the usual format of its type") {
  struct Row {
    std::string name, kind;
    std::function<std::string(const Key&)> spelling;
    std::string want;
  };
  const Row rows[] = {
      {"RSA in PKCS#1", "rsa", &Traditional, "-----BEGIN RSA PRIVATE KEY-----"},
      {"RSA in PKCS#8", "rsa", &Pkcs8, "-----BEGIN RSA PRIVATE KEY-----"},
      {"EC in SEC1", "ec", &Traditional, "-----BEGIN EC PRIVATE KEY-----"},
      {"EC in PKCS#8", "ec", &Pkcs8, "-----BEGIN EC PRIVATE KEY-----"},
      {"Ed25519", "ed25519", &Pkcs8, "-----BEGIN PRIVATE KEY-----"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Key key = MakeKey(row.kind);
    const std::string written = Value(TlsPrivateKey(row.spelling(key)));
    CHECK(FirstLine(written) == row.want);
    CHECK(written.back() == '\n');
    CHECK(written.find_first_of("\r\n") <= 64);
    const Key read = KeyOf(written);
    REQUIRE(read != nullptr);
    CHECK(EVP_PKEY_eq(read.get(), key.get()) == 1);
  }
}

TEST_CASE("tls: the last of several keys is used, whatever is around it") {
  const TestAuthority authority("root");
  const CertificatePair pair = authority.Issue("web", {"DNS:web.test"});
  const Key first = MakeKey("rsa");
  const Key last = MakeKey("ec");
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
      "-----END EC PARAMETERS-----\n";
  struct Row {
    std::string name, content;
  };
  const Row rows[] = {
      {"key before certificate", Pkcs8(last) + pair.certificate_pem},
      {"key after certificate", pair.certificate_pem + Pkcs8(last)},
      {"two keys", Pkcs8(first) + pair.certificate_pem + Pkcs8(last)},
      {"curve parameters before", parameters + Traditional(last)},
      {"curve parameters after", Traditional(last) + parameters},
      {"prose between", "Bag Attributes\n  friendlyName: web\n" + Pkcs8(last) + "\n\nthe end\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Key read = KeyOf(Value(TlsPrivateKey(row.content)));
    REQUIRE(read != nullptr);
    CHECK(EVP_PKEY_eq(read.get(), last.get()) == 1);
  }
}

TEST_CASE("tls: certificates keep their order, other text is dropped") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const std::string leaf = web.certificate_pem;
  const std::string root = authority.certificate_pem();
  struct Row {
    std::string name, content, want;
  };
  const Row rows[] = {
      {"one", leaf, leaf},
      {"chain", leaf + root, leaf + root},
      {"chain the other way round", root + leaf, root + leaf},
      {"key between", leaf + web.key_pem + root, leaf + root},
      {"prose between", "subject=web\n" + leaf + "\n\nissuer=root\n" + root, leaf + root},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Value(TlsCertificates(row.content, "")) == row.want);
    if (row.content.ends_with(leaf + root)) {
      CHECK(Value(TlsCertificates(row.content, web.key_pem)) == row.want);
    }
  }
}

namespace {

// A certificate for `subject` with the public key of `key`, issued by `issuer`.
std::string Certificate(const char* subject, const Key& key, const char* issuer,
                        const Key& issuer_key) {
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  const auto name = [](X509_NAME* of, const char* text) {
    X509_NAME_add_entry_by_txt(of, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text),
                               -1, -1, 0);
  };
  name(X509_get_subject_name(made.get()), subject);
  name(X509_get_issuer_name(made.get()), issuer);
  REQUIRE(X509_set_pubkey(made.get(), key.get()) == 1);
  REQUIRE(X509_sign(made.get(), issuer_key.get(), EVP_sha256()) > 0);
  return Text([&made](BIO* bio) { PEM_write_bio_X509(bio, made.get()); });
}

}  // namespace

TEST_CASE("tls: the certificate of the key comes first, then its issuers, then the rest") {
  const Key root_key = MakeKey("ec");
  const Key middle_key = MakeKey("ec");
  const Key web_key = MakeKey("ec");
  const std::string root = Certificate("root", root_key, "root", root_key);
  const std::string middle = Certificate("middle", middle_key, "root", root_key);
  const std::string leaf = Certificate("web", web_key, "middle", middle_key);
  const std::string renewed = Certificate("web", web_key, "middle", middle_key);
  const Key other_key = MakeKey("rsa");
  const std::string other = Certificate("other", other_key, "middle", middle_key);
  const std::string key = Pkcs8(web_key);
  struct Row {
    std::string name, content, want;
  };
  const Row rows[] = {
      {"leaf alone", leaf, leaf},
      {"in order", leaf + middle + root, leaf + middle + root},
      {"root first", root + middle + leaf, leaf + middle + root},
      {"mixed", middle + leaf + root, leaf + middle + root},
      {"another leaf first", other + root + leaf + middle, leaf + middle + root + other},
      {"without the middle", root + leaf, leaf + root},
      {"two leaves of the key", middle + renewed + leaf, renewed + middle + leaf},
      {"the same one twice", root + leaf + leaf, leaf + root + leaf},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Value(TlsCertificates(row.content, key)) == row.want);
  }
  CHECK(
      Fault(TlsCertificates(middle + root + other, key))
          .starts_with("the private key in tls.key does not fit the certificate: none of the 3 "));
  CHECK(Fault(TlsCertificates(leaf, "not a key")).starts_with("the private key in tls.key"));
}

TEST_CASE("tls: ca.crt contains CA certificates and self-signed ones") {
  const TestAuthority root("root");
  const TestAuthority other("other root");
  const CertificatePair web = root.Issue("web", {"DNS:web.test"});
  CHECK(Value(TlsAuthorities(web.certificate_pem + web.key_pem + root.certificate_pem())) ==
        root.certificate_pem());
  CHECK(Value(TlsAuthorities(root.certificate_pem() + other.certificate_pem())) ==
        root.certificate_pem() + other.certificate_pem());
  CHECK(Fault(TlsAuthorities(web.certificate_pem))
            .starts_with("no CA certificate found among 1 certificates"));
}

TEST_CASE("tls: PKCS#12 with an empty password is accepted") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const std::string root = authority.certificate_pem();
  for (const bool legacy : {false, true}) {
    for (const char* password : {"", static_cast<const char*>(nullptr)}) {
      INFO((legacy ? "legacy algorithms" : "current algorithms"));
      INFO((password == nullptr ? "no password" : "empty password"));
      const std::string file = Pkcs12(web, root, password, legacy);
      CHECK(Value(TlsCertificates(file, Value(TlsPrivateKey(file)))) == web.certificate_pem + root);
      CHECK(Value(TlsAuthorities(file)) == root);
      const std::string key = Value(TlsPrivateKey(file));
      CHECK(FirstLine(key) == "-----BEGIN EC PRIVATE KEY-----");
      const Key read = KeyOf(key);
      REQUIRE(read != nullptr);
      CHECK(EVP_PKEY_eq(read.get(), KeyOf(web.key_pem).get()) == 1);
    }
  }
}

// Upstream wrote an empty PRIVATE KEY block for bytes it could not parse.
TEST_CASE("tls: unreadable content is an error, never an empty PEM") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const Key ec = MakeKey("ec");
  const std::string locked = Pkcs12(web, authority.certificate_pem(), "word", false);
  struct Row {
    std::string name, content, key_fault, certificate_fault;
  };
  const Row rows[] = {
      {"empty", "", "no private key found", "no certificate found"},
      {"prose", "not a key", "no private key found", "no certificate found"},
      {"bytes", std::string("\x30\x82\x01\x00\xff", 5), "no private key found",
       "no certificate found"},
      {"no key", web.certificate_pem, "no private key found", ""},
      {"no certificate", web.key_pem, "", "no certificate found"},
      {"an empty key", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
       "a PEM block is damaged", "a PEM block is damaged"},
      {"a key of noise", "-----BEGIN PRIVATE KEY-----\nAAAAAAAA\n-----END PRIVATE KEY-----\n",
       "the private key cannot be read", "no certificate found"},
      {"cut off", web.key_pem.substr(0, web.key_pem.size() / 2), "a PEM block is damaged",
       "a PEM block is damaged"},
      {"encrypted PKCS#8", EncryptedPkcs8(ec), "the private key is encrypted",
       "no certificate found"},
      {"encrypted SEC1", EncryptedTraditional(ec), "the private key is encrypted",
       "no certificate found"},
      {"PKCS#12 with a password", locked, "no private key found", "no certificate found"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    if (!row.key_fault.empty()) {
      CHECK(Fault(TlsPrivateKey(row.content)).find(row.key_fault) != std::string::npos);
    }
    if (!row.certificate_fault.empty()) {
      CHECK(Fault(TlsCertificates(row.content, "")).find(row.certificate_fault) !=
            std::string::npos);
    }
  }
}

}  // namespace
}  // namespace nodekeep

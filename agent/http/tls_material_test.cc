#include "agent/http/tls_material.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>

#include "tests/fakes/certificates.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {

TEST_CASE("TLS: a client pair given as texts is the same as one given as files") {
  const TestAuthority authority("authority");
  const CertificatePair pair = authority.Issue("me", {"DNS:me.test"});
  TempDir files;
  TlsSettings by_file;
  by_file.client_cert_file = files.Write("me.crt", pair.certificate_pem);
  by_file.client_key_file = files.Write("me.key", pair.key_pem);
  TlsSettings by_text;
  by_text.client_cert_pem = pair.certificate_pem;
  by_text.client_key_pem = std::make_shared<const SecretBytes>(pair.key_pem);

  Result<TlsMaterial> from_file = ReadTlsMaterial(by_file);
  Result<TlsMaterial> from_text = ReadTlsMaterial(by_text);
  REQUIRE(from_file.ok());
  REQUIRE(from_text.ok());
  CHECK(from_text->client_key_pem.Reveal() == pair.key_pem);
  CHECK(from_text->client_cert_pem == from_file->client_cert_pem);
  CHECK(from_text->client_cert_pem.starts_with(pair.certificate_pem));
}

TEST_CASE("TLS: a client pair of texts that cannot be used is refused") {
  const TestAuthority authority("authority");
  const CertificatePair pair = authority.Issue("me", {"DNS:me.test"});
  struct Row {
    std::string name, certificate, key, want;
  };
  const Row rows[] = {
      {"no key", pair.certificate_pem, "", "both client cert and client key must be provided"},
      {"no certificate", "", pair.key_pem, "both client cert and client key must be provided"},
      {"a key for a certificate", pair.key_pem, pair.key_pem,
       "the client cert text holds no PEM certificate"},
      {"a certificate for a key", pair.certificate_pem, pair.certificate_pem,
       "the client key text holds no PEM private key"},
      {"an encrypted key", pair.certificate_pem,
       "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
       "the client key text is encrypted: give the key without a pass phrase"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TlsSettings settings;
    settings.client_cert_pem = row.certificate;
    if (!row.key.empty()) settings.client_key_pem = std::make_shared<const SecretBytes>(row.key);
    Result<TlsMaterial> material = ReadTlsMaterial(settings);
    REQUIRE_FALSE(material.ok());
    CHECK(material.error().code() == ErrorCode::kInvalid);
    CHECK(material.error().message() == row.want);
  }
}

}  // namespace nodekeep

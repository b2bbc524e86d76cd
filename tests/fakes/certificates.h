#pragma once

// Certificates for tests, created at run time so that nothing in the repository expires.

#include <memory>
#include <string>
#include <vector>

namespace nodekeep {

struct CertificatePair {
  std::string certificate_pem;
  std::string key_pem;
};

// A certificate authority that lives as long as the test.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();

  const std::string& certificate_pem() const { return certificate_pem_; }
  // `names`: OpenSSL's spelling, "DNS:vault.test" or "IP:127.0.0.1".
  CertificatePair Issue(const std::string& common_name,
                        const std::vector<std::string>& names) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string certificate_pem_;
};

// A self-signed certificate and its RSA key, as used by Entra applications and Google service
// accounts.
CertificatePair MakeRsaPair(const std::string& common_name);

// A key without a certificate.
std::string MakePrivateKeyPem();

}  // namespace nodekeep

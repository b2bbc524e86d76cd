#pragma once

// X.509 certificates: parsed as by Go's crypto/x509, ordered as upstream orders chains.
//
// Thread-safe. Clears this thread's OpenSSL error queue.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/pem.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/call.h"

namespace nodekeep::go {

// Errors: kInvalid.
Result<CertificatePtr> ParseCertificate(std::string_view der);

struct ChainCertificate {
  SecretBytes der;
  std::string authority_key;  // empty if absent
  std::string subject_key;

  bool IsRoot() const { return authority_key.empty() || authority_key == subject_key; }
};

Result<ChainCertificate> ChainCertificateOf(SecretBytes der);

// All certificates of `pem`, in its order. Errors: kInvalid, a block is not a certificate;
// kTooLarge.
Result<std::vector<ChainCertificate>> ReadCertificates(Call& call, std::string_view pem);

// Indexes of `certificates`: leaf, intermediates, root, by their key identifiers. Errors: kInvalid,
// they do not form a chain; kTooLarge.
Result<std::vector<std::size_t>> OrderChain(Call& call,
                                            std::span<const ChainCertificate> certificates);

// Subject alternative names: DNS names, IP addresses, e-mail addresses, URIs.
std::vector<std::string> AlternativeNames(const X509* certificate);

// net.IP.String for 4 or 16 bytes.
std::string IpText(std::string_view address);

// The subject as pkix.Name.String prints it: "CN=a,O=b".
std::string SubjectText(const X509* certificate);

}  // namespace nodekeep::go

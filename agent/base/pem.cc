#include "agent/base/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace nodekeep {
namespace {

int NoPassPhrase(char*, int, int, void*) { return -1; }

}  // namespace

BioPtr BioOver(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.empty() ? "" : text.data(), static_cast<int>(text.size())));
}

SecretBytes WrittenTo(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return SecretBytes(std::string_view(data, static_cast<std::size_t>(size)));
}

Result<std::vector<PemBlock>> ReadPemBlocks(std::string_view text) {
  std::vector<PemBlock> blocks;
  const BioPtr source = BioOver(text);
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(source.get(), &label, &header, &data, &size) == 1) {
    const std::string_view der(reinterpret_cast<char*>(data), static_cast<std::size_t>(size));
    blocks.push_back({label, header, SecretBytes(der)});
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  }
  const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_at_end) {
    return Error(ErrorCode::kInvalid, "a PEM block is damaged (its base64 or its END line)");
  }
  return blocks;
}

KeyPtr ReadPemKey(std::string_view pem) {
  const BioPtr bio = BioOver(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassPhrase, nullptr));
  ERR_clear_error();
  return key;
}

CertificatePtr ReadPemCertificate(std::string_view pem) {
  const BioPtr bio = BioOver(pem);
  CertificatePtr certificate(PEM_read_bio_X509_AUX(bio.get(), nullptr, &NoPassPhrase, nullptr));
  ERR_clear_error();
  return certificate;
}

Result<SecretBytes> SignSha256(EVP_PKEY* key, std::string_view bytes) {
  const OpenSslPtr<EVP_MD_CTX, &EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  SecretBytes signature;
  std::size_t size = 0;
  bool made = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, data, bytes.size()) == 1;
  if (made) {
    signature = SecretBytes::OfSize(size);
    made = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.MutableData()),
                          &size, data, bytes.size()) == 1;
  }
  ERR_clear_error();
  if (!made) return Error(ErrorCode::kInvalid, "the key cannot sign: use an RSA or EC key");
  signature.Truncate(size);
  return signature;
}

}  // namespace nodekeep

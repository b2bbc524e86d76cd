#include "agent/template/certificate_chain.h"
#include "agent/template/conversions.h"
#include "agent/template/function.h"
#include "agent/template/pem_text.h"
#include "agent/template/pkcs12_file.h"
#include "agent/template/private_key.h"

namespace nodekeep::go {
namespace {

Result<Value> KeyOf(Call& call, std::string_view password, std::string_view content) {
  const Result<Pkcs12File> file = DecodePkcs12(call, content, password);
  if (!file.ok()) return file.error().Prepend("unable to decode pkcs12 with password");
  return Value::Text(PemOf("PRIVATE KEY", file->key.Reveal()));
}

Result<std::vector<ChainCertificate>> ChainOf(std::vector<SecretBytes> certificates) {
  std::vector<ChainCertificate> chain;
  for (SecretBytes& der : certificates) {
    Result<ChainCertificate> certificate = ChainCertificateOf(std::move(der));
    if (!certificate.ok()) return certificate.error();
    chain.push_back(*std::move(certificate));
  }
  return chain;
}

Result<Value> CertificatesOf(Call& call, std::string_view password, std::string_view content) {
  Result<Pkcs12File> file = DecodePkcs12(call, content, password);
  if (!file.ok()) {
    return file.error().Prepend("unable to decode pkcs12 certificate with password");
  }
  const Result<std::vector<ChainCertificate>> chain = ChainOf(std::move(file->certificates));
  if (!chain.ok()) {
    return chain.error().Prepend("unable to decode pkcs12 certificate with password");
  }
  const Result<std::vector<std::size_t>> order = OrderChain(call, *chain);
  if (!order.ok() && order.error().code() == ErrorCode::kTooLarge) return order.error();
  SecretBytes out;
  for (std::size_t i = 0; i < (order.ok() ? order->size() : chain->size()); ++i) {
    const ChainCertificate& certificate = (*chain)[order.ok() ? (*order)[i] : i];
    out.Append(PemOf("CERTIFICATE", certificate.der.Reveal()).Reveal());
  }
  return Value::Text(std::move(out));
}

// The first block of `pem`, or the error of upstream's use of a missing one.
Result<SecretBytes> TakeBlock(std::string_view& pem) {
  std::optional<GoPemBlock> block = NextPemBlock(pem);
  if (!block) return NilPointerPanic();
  return std::move(block->bytes);
}

// All blocks of `pem`. Text behind the last one is an error.
Result<std::vector<SecretBytes>> TakeBlocks(Call& call, std::string_view pem) {
  std::vector<SecretBytes> blocks;
  while (!pem.empty()) {
    if (Status step = call.Step(); !step.ok()) return step.error();
    Result<SecretBytes> block = TakeBlock(pem);
    if (!block.ok()) return block.error();
    if (Status charged = call.Charge(block->size()); !charged.ok()) return charged.error();
    const Result<CertificatePtr> certificate = ParseCertificate(block->Reveal());
    if (!certificate.ok()) return certificate.error();
    blocks.push_back(*std::move(block));
  }
  return blocks;
}

Result<Value> Encode(Call& call, std::span<const SecretBytes> certificates, std::string_view key,
                     std::string_view password) {
  const Result<SecretBytes> block = TakeBlock(key);
  if (!block.ok()) return block.error();
  const KeyPtr parsed = ParsePrivateKey(block->Reveal());
  if (!parsed) return Error(ErrorCode::kInvalid, "unable to parse private key type");
  const Result<SecretBytes> file =
      EncodePkcs12(call, certificates, Pkcs8Of(parsed.get()).Reveal(), password);
  if (!file.ok()) return file.error();
  return Base64Text(*file);
}

Result<Value> EncodeFirst(Call& call, std::string_view pem, std::string_view key,
                          std::string_view password) {
  Result<SecretBytes> block = TakeBlock(pem);
  if (!block.ok()) return block.error();
  const Result<CertificatePtr> certificate = ParseCertificate(block->Reveal());
  if (!certificate.ok()) return certificate.error();
  const SecretBytes first = *std::move(block);
  return Encode(call, {&first, 1}, key, password);
}

Result<Value> EncodeAll(Call& call, std::string_view pem, std::string_view key,
                        std::string_view password) {
  const Result<std::vector<SecretBytes>> certificates = TakeBlocks(call, pem);
  if (!certificates.ok()) return certificates.error();
  if (certificates->empty()) return NilPointerPanic();
  return Encode(call, *certificates, key, password);
}

Result<Value> EncodeStore(Call& call, std::string_view pem, std::string_view password) {
  const Result<std::vector<SecretBytes>> certificates = TakeBlocks(call, pem);
  if (!certificates.ok()) return certificates.error();
  const Result<SecretBytes> file = EncodeTrustStore(call, *certificates, password);
  if (!file.ok()) return file.error();
  return Base64Text(*file);
}

using Arguments = std::span<const Value>;

Result<Value> Pkcs12Key(Call& call, Arguments in) { return KeyOf(call, "", in[0].text()); }
Result<Value> Pkcs12KeyPass(Call& call, Arguments in) {
  return KeyOf(call, in[0].text(), in[1].text());
}
Result<Value> Pkcs12Cert(Call& call, Arguments in) {
  return CertificatesOf(call, "", in[0].text());
}
Result<Value> Pkcs12CertPass(Call& call, Arguments in) {
  return CertificatesOf(call, in[0].text(), in[1].text());
}
Result<Value> PemToPkcs12(Call& call, Arguments in) {
  return EncodeFirst(call, in[0].text(), in[1].text(), "");
}
Result<Value> PemToPkcs12Pass(Call& call, Arguments in) {
  return EncodeFirst(call, in[0].text(), in[1].text(), in[2].text());
}
Result<Value> FullPemToPkcs12(Call& call, Arguments in) {
  return EncodeAll(call, in[0].text(), in[1].text(), "");
}
Result<Value> FullPemToPkcs12Pass(Call& call, Arguments in) {
  return EncodeAll(call, in[0].text(), in[1].text(), in[2].text());
}
Result<Value> PemTruststore(Call& call, Arguments in) {
  return EncodeStore(call, in[0].text(), "");
}
Result<Value> PemTruststorePass(Call& call, Arguments in) {
  return EncodeStore(call, in[0].text(), in[1].text());
}

}  // namespace

std::span<const Function> Pkcs12Functions() {
  static const Function functions[] = {
      {"pkcs12key", "input string", &Pkcs12Key,
       "The private key of a PKCS#12 file without password, as PEM (PKCS#8)."},
      {"pkcs12keyPass", "password string, input string", &Pkcs12KeyPass,
       "The private key of a PKCS#12 file, as PEM (PKCS#8)."},
      {"pkcs12cert", "input string", &Pkcs12Cert,
       "The certificates of a PKCS#12 file without password, as PEM: leaf, intermediates, root."},
      {"pkcs12certPass", "password string, input string", &Pkcs12CertPass,
       "The certificates of a PKCS#12 file, as PEM: leaf, intermediates, root."},
      {"pemToPkcs12", "cert string, key string", &PemToPkcs12,
       "A PKCS#12 file without password of the first certificate and the key, in base64. Differs "
       "with each call."},
      {"pemToPkcs12Pass", "cert string, key string, password string", &PemToPkcs12Pass,
       "A PKCS#12 file of the first certificate and the key, in base64. Differs with each call."},
      {"fullPemToPkcs12", "cert string, key string", &FullPemToPkcs12,
       "A PKCS#12 file without password of all certificates and the key, in base64. Differs with "
       "each call."},
      {"fullPemToPkcs12Pass", "cert string, key string, password string", &FullPemToPkcs12Pass,
       "A PKCS#12 file of all certificates and the key, in base64. Differs with each call."},
      {"pemTruststoreToPKCS12", "cert string", &PemTruststore,
       "A trust store for Java without password, in base64. Differs with each call."},
      {"pemTruststoreToPKCS12Pass", "cert string, password string", &PemTruststorePass,
       "A trust store for Java, in base64. Differs with each call."},
  };
  return functions;
}

}  // namespace nodekeep::go

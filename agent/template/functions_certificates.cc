#include <algorithm>
#include <iterator>

#include "agent/base/codecs.h"
#include "agent/template/certificate_chain.h"
#include "agent/template/certificate_maker.h"
#include "agent/template/format.h"
#include "agent/template/function.h"
#include "agent/template/pem_text.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

// sprig.certificate. Immutable.
struct Certificate final : public Object {
  Certificate(SecretBytes cert_pem, SecretBytes key_pem)
      : cert(std::move(cert_pem)), key(std::move(key_pem)) {}

  SecretBytes cert;
  SecretBytes key;
};

const Certificate& CertificateIn(const Value& value) {
  return static_cast<const Certificate&>(*value.object());
}

Value ValueOf(SecretBytes cert, SecretBytes key) {
  return Value::Of(Type::kCertificate,
                   std::make_shared<const Certificate>(std::move(cert), std::move(key)));
}

Error Failure(std::string_view text) { return {ErrorCode::kInvalid, std::string(text)}; }

Result<Value> GenPrivateKey(Call& call, Arguments in) {
  const std::string_view type = in[0].text();
  constexpr std::string_view kTypes[] = {"", "rsa", "dsa", "ecdsa", "ed25519"};
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) {
    return Value::Text(fmt::format("Unknown type {}", type));
  }
  // An RSA key of 4096 bits takes seconds.
  const int weight = type.empty() || type == "rsa" ? 5 : 1;
  for (int i = 0; i < weight; ++i) {
    if (Status step = call.SlowStep(); !step.ok()) return step.error();
  }
  Result<SecretBytes> pem = MakeKeyPem(type);
  if (!pem.ok()) return pem.error();
  return Value::Text(*std::move(pem));
}

Result<Value> BuildCustomCert(Call&, Arguments in) {
  Result<SecretBytes> cert = Base64Decode(in[0].text());
  if (!cert.ok()) return Failure("unable to decode base64 certificate");
  Result<SecretBytes> key = Base64Decode(in[1].text());
  if (!key.ok()) return Failure("unable to decode base64 private key");
  std::string_view rest = cert->Reveal();
  const std::optional<GoPemBlock> block = NextPemBlock(rest);
  if (!block) return Failure("unable to decode certificate");
  const Result<CertificatePtr> parsed = ParseCertificate(block->bytes.Reveal());
  if (!parsed.ok()) {
    return parsed.error().Prepend("error parsing certificate: decodedCert.Bytes");
  }
  const Result<KeyPtr> parsed_key = ParseKeyPem(key->Reveal());
  if (!parsed_key.ok()) return parsed_key.error().Prepend("error parsing private key");
  return ValueOf(*std::move(cert), *std::move(key));
}

Error NotText(Call& call, std::string_view what, const Value& item) {
  const Result<SecretBytes> text = Sprint(call, {&item, 1});
  if (!text.ok()) return text.error();
  return Error::Format(ErrorCode::kInvalid, "{}: {} is not a string", what, text->Reveal());
}

Result<std::vector<std::string>> Addresses(Call& call, const Value& list) {
  std::vector<std::string> addresses;
  for (const Value& item : list.items()) {
    if (item.kind() != Kind::kString) {
      return NotText(call, "error parsing ip", item);
    }
    const std::optional<std::string> address = ParseIp(std::string(item.text()));
    if (!address) {
      return Error::Format(ErrorCode::kInvalid, "error parsing ip: {}", item.text());
    }
    addresses.push_back(*address);
  }
  return addresses;
}

Result<std::vector<std::string>> DnsNames(Call& call, const Value& list) {
  std::vector<std::string> names;
  for (const Value& item : list.items()) {
    if (item.kind() != Kind::kString) {
      return NotText(call, "error processing alternate dns name", item);
    }
    names.emplace_back(item.text());
  }
  return names;
}

// The key to certify: that of `pem`, or a new one.
Result<KeyPtr> KeyFor(Call& call, const Value* pem) {
  if (pem == nullptr) {
    if (Status step = call.SlowStep(); !step.ok()) return step.error();
    return MakeRsaKey(2048);
  }
  Result<KeyPtr> key = ParseKeyPem(pem->text());
  if (!key.ok()) return key.error().Prepend("parsing private key");
  return key;
}

Result<Value> Issue(Call& call, const CertificateRequest& request, const KeyPtr& key,
                    const Issuer& issuer) {
  if (Status step = call.SlowStep(); !step.ok()) return step.error();
  Result<SecretBytes> der = IssueCertificate(request, key.get(), issuer);
  if (!der.ok()) return der.error().Prepend("error creating certificate");
  return ValueOf(PemOf("CERTIFICATE", der->Reveal()), KeyPemOf(key.get()));
}

Result<Value> GenCaWith(Call& call, Arguments in, const Value* pem) {
  const Result<KeyPtr> key = KeyFor(call, pem);
  if (!key.ok()) return key.error();
  CertificateRequest request = RequestFor(call, in[0].text(), in[1].integer());
  request.is_ca = true;
  return Issue(call, request, *key, {nullptr, key->get()});
}

// `in`: name, addresses, DNS names, days.
Result<CertificateRequest> ServerRequest(Call& call, Arguments in) {
  CertificateRequest request = RequestFor(call, in[0].text(), in[3].integer());
  Result<std::vector<std::string>> addresses = Addresses(call, in[1]);
  if (!addresses.ok()) return addresses.error();
  Result<std::vector<std::string>> names = DnsNames(call, in[2]);
  if (!names.ok()) return names.error();
  request.addresses = *std::move(addresses);
  request.dns_names = *std::move(names);
  return request;
}

Result<Value> GenSelfSignedWith(Call& call, Arguments in, const Value* pem) {
  const Result<KeyPtr> key = KeyFor(call, pem);
  if (!key.ok()) return key.error();
  const Result<CertificateRequest> request = ServerRequest(call, in);
  if (!request.ok()) return request.error();
  return Issue(call, *request, *key, {nullptr, key->get()});
}

Result<Value> GenSignedWith(Call& call, Arguments in, const Value* pem) {
  const Result<KeyPtr> key = KeyFor(call, pem);
  if (!key.ok()) return key.error();
  const Certificate& ca = CertificateIn(in[4]);
  std::string_view rest = ca.cert.Reveal();
  const std::optional<GoPemBlock> block = NextPemBlock(rest);
  if (!block) return Failure("unable to decode certificate");
  const Result<CertificatePtr> signer = ParseCertificate(block->bytes.Reveal());
  if (!signer.ok()) {
    return signer.error().Prepend("error parsing certificate: decodedSignerCert.Bytes");
  }
  const Result<KeyPtr> signer_key = ParseKeyPem(ca.key.Reveal());
  if (!signer_key.ok()) return signer_key.error().Prepend("error parsing private key");
  const Result<CertificateRequest> request = ServerRequest(call, in);
  if (!request.ok()) return request.error();
  return Issue(call, *request, *key, {signer->get(), signer_key->get()});
}

Result<Value> GenCa(Call& call, Arguments in) { return GenCaWith(call, in, nullptr); }
Result<Value> GenCaWithKey(Call& call, Arguments in) { return GenCaWith(call, in, &in[2]); }
Result<Value> GenSelfSigned(Call& call, Arguments in) {
  return GenSelfSignedWith(call, in, nullptr);
}
Result<Value> GenSelfSignedWithKey(Call& call, Arguments in) {
  return GenSelfSignedWith(call, in, &in[4]);
}
Result<Value> GenSigned(Call& call, Arguments in) { return GenSignedWith(call, in, nullptr); }
Result<Value> GenSignedWithKey(Call& call, Arguments in) { return GenSignedWith(call, in, &in[5]); }

Result<Value> CertField(Call&, Arguments in) {
  return Value::Text(CertificateIn(in[0]).cert.Reveal());
}
Result<Value> KeyField(Call&, Arguments in) {
  return Value::Text(CertificateIn(in[0]).key.Reveal());
}

}  // namespace

std::span<const Function> CertificateFunctions() {
  static const Function functions[] = {
      {"genPrivateKey", "type string", &GenPrivateKey,
       "A new private key as PEM: rsa, dsa, ecdsa or ed25519. Differs with each call."},
      {"buildCustomCert", "cert string, key string", &BuildCustomCert,
       "A certificate and its key, both given as PEM in base64, for genSignedCert."},
      {"genCA", "name string, days int", &GenCa,
       "A new certificate authority with the fields Cert and Key. Differs with each call."},
      {"genCAWithKey", "name string, days int, key string", &GenCaWithKey,
       "A new certificate authority for that key. Differs with each call."},
      {"genSelfSignedCert", "name string, ips []any, dns []any, days int", &GenSelfSigned,
       "A new self-signed certificate with the fields Cert and Key. Differs with each call."},
      {"genSelfSignedCertWithKey", "name string, ips []any, dns []any, days int, key string",
       &GenSelfSignedWithKey,
       "A new self-signed certificate for that key. Differs with each call."},
      {"genSignedCert", "name string, ips []any, dns []any, days int, ca certificate", &GenSigned,
       "A new certificate signed by an authority. Differs with each call."},
      {"genSignedCertWithKey",
       "name string, ips []any, dns []any, days int, ca certificate, key string", &GenSignedWithKey,
       "A new certificate for that key, signed by an authority. Differs with each call."},
  };
  return functions;
}

std::span<const Method> CertificateMethods() {
  static const Method methods[] = {
      {Type::kCertificate, {"Cert", "", &CertField, ""}, true},
      {Type::kCertificate, {"Key", "", &KeyField, ""}, true},
  };
  return methods;
}

}  // namespace nodekeep::go

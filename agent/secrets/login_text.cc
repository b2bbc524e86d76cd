#include "agent/secrets/login_text.h"

#include <fmt/format.h>

#include "agent/base/digest.h"

namespace nodekeep {

LoginText::LoginText(std::string_view method, std::string_view endpoint, const TlsSettings& tls,
                     std::string_view audience)
    : text_(method) {
  const auto digest = [](std::string_view text) {
    return text.empty() ? std::string() : Sha256Hex(text);
  };
  Part("endpoint", endpoint).Part("audience", audience);
  Part("ca-file", tls.ca_file).Part("ca-directory", tls.ca_directory);
  Part("ca-pem", digest(tls.ca_pem)).Part("server-name", tls.server_name);
  Part("client-cert", tls.client_cert_file).Part("client-key", tls.client_key_file);
  Part("client-cert-pem", digest(tls.client_cert_pem));
  Part("client-key-pem", tls.client_key_pem ? digest(tls.client_key_pem->Reveal()) : std::string());
  Flag("skip-verify", tls.skip_verify);
}

LoginText& LoginText::Part(std::string_view name, std::string_view value) {
  text_ += fmt::format(" {}={}:{}", name, value.size(), ShortKeyPart(value));
  return *this;
}

std::string ShortKeyPart(std::string_view text) {
  return text.size() <= kMaxKeyPart ? std::string(text) : "sha256-" + Sha256Hex(text);
}

}  // namespace nodekeep

#pragma once

// Builds ProviderOptions::LoginText, the part of a cache key that keeps tenants apart.

#include <string>
#include <string_view>
#include <utility>

#include "agent/http/http_client.h"

namespace nodekeep {

// The parts of every login over the network are parameters of the constructor, TLS as a whole, so
// that no provider can leave one out; Part adds what only one provider has. Each part is written
// with its size in front, so that no choice of values reads like another.
class LoginText {
 public:
  // `method`: how the login is made, a name without spaces. `endpoint`: where, all addresses that
  // it may be sent to. `audience`: of the pod's token; "" = the login shows none, or the default
  // one.
  LoginText(std::string_view method, std::string_view endpoint, const TlsSettings& tls,
            std::string_view audience);

  // Must not hold a secret: digest it.
  LoginText& Part(std::string_view name, std::string_view value);
  LoginText& Flag(std::string_view name, bool value) { return Part(name, value ? "yes" : ""); }

  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace nodekeep

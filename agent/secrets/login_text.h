#pragma once

// Builds ProviderOptions::LoginText, the part of a cache key that isolates tenants.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "agent/http/http_client.h"

namespace nodekeep {

// A longer part of a cache key is replaced by its digest: keys are kept in several tables, and a
// class decides how long their parts are.
inline constexpr std::size_t kMaxKeyPart = 256;  // bytes
std::string ShortKeyPart(std::string_view text);

// The parts common to all logins over the network are constructor parameters, TLS as a whole, so
// that no provider can omit one; Part adds those of one provider. Each part is prefixed with the
// size of its value, so that different values never produce the same text; long values are
// digested.
class LoginText {
 public:
  // `method`: the login method, a name without spaces. `endpoint`: all addresses that the login may
  // be sent to. `audience`: of the pod's token; "" = no token, or one with the default audience.
  LoginText(std::string_view method, std::string_view endpoint, const TlsSettings& tls,
            std::string_view audience);

  // `value` must not contain a secret: digest it first.
  LoginText& Part(std::string_view name, std::string_view value);
  LoginText& Flag(std::string_view name, bool value) { return Part(name, value ? "yes" : ""); }

  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace nodekeep

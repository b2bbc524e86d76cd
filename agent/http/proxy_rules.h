#pragma once

// Which proxy a request goes through: the rules of Go's golang.org/x/net/http/httpproxy, which the
// Kubernetes clients and the programs that this agent replaces use, and not those of curl.
//
// - HTTPS_PROXY is for https requests, HTTP_PROXY for http requests; ALL_PROXY is not read. The
//   name in lower case is read first, and an empty variable is as one that is not set.
// - localhost and loopback addresses are always reached directly.
// - An entry of NO_PROXY is "*" (everything), a domain ("example.com": it and its subdomains,
//   ".example.com" and "*.example.com": only the subdomains), an address or a network
//   ("10.0.0.0/8"); domains and addresses may have a port ("[fd00::1]:8200").
//
// Other than in Go, entries may also be separated by spaces, and a value that is not the URL of a
// proxy is an error of each request that would use it: Go connects directly then.
//
// Immutable, so thread-safe.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/environment.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/origin.h"

namespace nodekeep {

struct Proxy {
  std::string scheme;  // "http", "https" or "socks5h" (names are resolved by the proxy)
  std::string url;     // "http://proxy.example:3128": without credentials, and always with a port
  std::string user;    // "" = none
  SecretBytes password;
  std::string variable;  // whose value it is: "HTTPS_PROXY"

  // For errors: `the proxy http://proxy.example:3128 (from HTTPS_PROXY)`.
  std::string Text() const;
};

class ProxyRules {
 public:
  explicit ProxyRules(const Environment& environment);

  // Null = directly. Errors: kInvalid, naming the variable and never its value, which may contain a
  // password.
  Result<std::shared_ptr<const Proxy>> For(const Origin& origin) const;

 private:
  // An entry of NO_PROXY.
  struct Exception {
    bool is_network = false;
    std::string network;  // the address as 16 bytes, an IPv4 address in its mapped form
    unsigned prefix = 0;  // of those 128 bits
    std::string domain;   // with a dot in front
    bool with_domain_itself = false;
    std::string port;  // "" = every port
  };
  using Choice = Result<std::shared_ptr<const Proxy>>;

  static Choice ReadProxy(const Environment& environment, const char* lower, const char* upper);
  static Exception ReadException(std::string_view entry);
  bool IsDirect(const Origin& origin) const;

  Choice for_http_;
  Choice for_https_;
  bool never_ = false;  // "*"
  std::vector<Exception> exceptions_;
};

}  // namespace nodekeep

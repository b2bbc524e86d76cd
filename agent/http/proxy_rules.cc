#include "agent/http/proxy_rules.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "agent/base/ascii.h"

namespace nodekeep {
namespace {

constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
constexpr unsigned kMappedBits = 96;

// 16 bytes, an IPv4 address in its mapped form; none when `text` is not an address.
std::optional<std::string> ParseAddress(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  char bytes[16];
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) {
    return std::string(kMapped) + std::string(bytes, 4);
  }
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return std::string(bytes, 16);
  return std::nullopt;
}

bool IsIpv4(std::string_view address) { return address.starts_with(kMapped); }

bool IsLoopback(std::string_view address) {
  static constexpr std::string_view kIpv6("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
  return address == kIpv6 || (IsIpv4(address) && address[12] == 127);
}

bool IsInNetwork(std::string_view network, unsigned prefix, std::string_view address) {
  // An IPv6 network contains no IPv4 address, not even ::/0.
  if (IsIpv4(address) != (IsIpv4(network) && prefix >= kMappedBits)) return false;
  if (address.substr(0, prefix / 8) != network.substr(0, prefix / 8)) return false;
  if (prefix % 8 == 0) return true;
  const unsigned difference = static_cast<unsigned char>(address[prefix / 8]) ^
                              static_cast<unsigned char>(network[prefix / 8]);
  return difference >> (8 - prefix % 8) == 0;
}

// The prefix of a network in bits of the 16 byte form.
std::optional<unsigned> ParsePrefix(std::string_view text, bool is_ipv4) {
  unsigned length = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (length > (is_ipv4 ? 32u : 128u)) return std::nullopt;
  return is_ipv4 ? kMappedBits + length : length;
}

// As Go's net.SplitHostPort; none when `text` has no port.
std::optional<std::pair<std::string_view, std::string_view>> SplitPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return std::pair(host, text.substr(colon + 1));
}

std::string Port(int port) { return std::to_string(port); }

}  // namespace

std::string Proxy::Text() const { return fmt::format("the proxy {} (from {})", url, variable); }

ProxyRules::ProxyRules(const Environment& environment)
    : for_http_(ReadProxy(environment, "http_proxy", "HTTP_PROXY")),
      for_https_(ReadProxy(environment, "https_proxy", "HTTPS_PROXY")) {
  // Of a CGI program, the client of the server sets HTTP_PROXY, with a header "Proxy".
  if (for_http_.ok() && *for_http_ != nullptr && !environment("REQUEST_METHOD").empty()) {
    for_http_ = Error::Format(ErrorCode::kInvalid,
                              "{} is not used in a CGI environment: unset REQUEST_METHOD",
                              (*for_http_)->variable);
  }
  std::string list = environment("no_proxy");
  if (list.empty()) list = environment("NO_PROXY");
  std::string_view rest = list;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(", \t\r\n"), rest.size());
    const std::string entry = AsciiLower(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (entry.empty()) continue;
    never_ = never_ || entry == "*";
    exceptions_.push_back(ReadException(entry));
  }
}

ProxyRules::Choice ProxyRules::ReadProxy(const Environment& environment, const char* lower,
                                         const char* upper) {
  static const std::map<std::string, int, std::less<>> kDefaultPorts = {
      {"http", 80}, {"https", 443}, {"socks5", 1080}, {"socks5h", 1080}};
  std::string variable = lower;
  SecretBytes value = SecretBytes::MoveFrom(environment(variable));
  if (value.empty()) {
    variable = upper;
    value = SecretBytes::MoveFrom(environment(variable));
  }
  if (value.empty()) return std::shared_ptr<const Proxy>();
  const auto refused = [&](std::string_view why) {
    return Error::Format(ErrorCode::kInvalid,
                         "{} {}: write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT",
                         variable, why);
  };

  SecretBytes text;
  if (value.Reveal().find("://") == std::string_view::npos) text.Append("http://");
  text.Append(value.Reveal());
  text.Append(std::string_view("\0", 1));
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.Reveal().data(),
                           CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return refused("is not the URL of a proxy");
  }
  const auto part = [&](CURLUPart which, unsigned flags = 0) {
    char* found = nullptr;
    if (curl_url_get(url.get(), which, &found, flags) != CURLUE_OK) return std::string();
    std::string copy(found);
    std::fill_n(found, copy.size(), '\0');
    curl_free(found);
    return copy;
  };
  Proxy proxy;
  proxy.variable = variable;
  proxy.scheme = AsciiLower(part(CURLUPART_SCHEME));
  const auto known = kDefaultPorts.find(proxy.scheme);
  if (known == kDefaultPorts.end()) {
    return refused("has a scheme other than http, https, socks5 and socks5h");
  }
  const std::string host = AsciiLower(part(CURLUPART_HOST));
  if (host.empty()) return refused("names no host");
  std::string port = part(CURLUPART_PORT);
  if (port.empty()) port = Port(known->second);
  // In Go, too, names are always resolved by the SOCKS proxy.
  if (proxy.scheme == "socks5") proxy.scheme = "socks5h";
  proxy.url = fmt::format("{}://{}:{}", proxy.scheme, host, port);
  proxy.user = part(CURLUPART_USER, CURLU_URLDECODE);
  proxy.password = SecretBytes::MoveFrom(part(CURLUPART_PASSWORD, CURLU_URLDECODE));
  return std::make_shared<const Proxy>(std::move(proxy));
}

ProxyRules::Exception ProxyRules::ReadException(std::string_view entry) {
  Exception exception;
  const std::size_t slash = std::min(entry.find('/'), entry.size());
  if (std::optional<std::string> base = ParseAddress(entry.substr(0, slash));
      base && slash < entry.size()) {
    const bool is_ipv4 = entry.find(':') == std::string_view::npos;
    if (std::optional<unsigned> prefix = ParsePrefix(entry.substr(slash + 1), is_ipv4)) {
      exception.is_network = true;
      exception.network = *std::move(base);
      exception.prefix = *prefix;
      return exception;
    }
  }
  std::string_view host = entry;
  if (const auto split = SplitPort(entry)) {
    host = split->first;
    exception.port = split->second;
  }
  if (std::optional<std::string> address = ParseAddress(host)) {
    exception.is_network = true;
    exception.network = *std::move(address);
    exception.prefix = 128;
    return exception;
  }
  if (host.starts_with("*.")) host.remove_prefix(1);
  if (host.empty()) return exception;
  exception.with_domain_itself = !host.starts_with('.');
  exception.domain = (exception.with_domain_itself ? "." : "") + std::string(host);
  return exception;
}

bool ProxyRules::IsDirect(const Origin& origin) const {
  const std::optional<std::string> address = ParseAddress(origin.host);
  if (never_ || origin.host == "localhost" || (address && IsLoopback(*address))) return true;
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const Exception& exception) {
    if (!exception.port.empty() && exception.port != Port(origin.port)) return false;
    if (exception.is_network) {
      return address && IsInNetwork(exception.network, exception.prefix, *address);
    }
    if (address || exception.domain.empty()) return false;
    return origin.host.ends_with(exception.domain) ||
           (exception.with_domain_itself &&
            origin.host == std::string_view(exception.domain).substr(1));
  });
}

Result<std::shared_ptr<const Proxy>> ProxyRules::For(const Origin& origin) const {
  const Choice& choice = origin.scheme == "https" ? for_https_ : for_http_;
  if (choice.ok() && *choice == nullptr) return choice;
  if (IsDirect(origin)) return std::shared_ptr<const Proxy>();
  return choice;
}

}  // namespace nodekeep

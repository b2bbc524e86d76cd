#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "agent/base/ascii.h"
#include "agent/base/utf8.h"
#include "agent/http/origin.h"
#include "providers/vault/wire.h"

namespace nodekeep::vault {
namespace {

Error NotFollowed(std::string_view why) {
  return Error::Format(ErrorCode::kInvalid, "a redirect {} is not followed", why);
}

// What kind of place a host is, by its name: one that resolves to such an address is not known.
enum class Place { kLoopback, kLinkLocal, kUnspecified, kElsewhere };

Place PlaceOfIpv4(std::uint32_t address) {
  if (address >> 24 == 127) return Place::kLoopback;
  if (address >> 16 == 0xA9FE) return Place::kLinkLocal;  // 169.254.0.0/16
  return address >> 24 == 0 ? Place::kUnspecified : Place::kElsewhere;
}

Place PlaceOfIpv6(const in6_addr& address) {
  if (IN6_IS_ADDR_LOOPBACK(&address)) return Place::kLoopback;
  if (IN6_IS_ADDR_LINKLOCAL(&address)) return Place::kLinkLocal;
  if (IN6_IS_ADDR_UNSPECIFIED(&address)) return Place::kUnspecified;
  if (!IN6_IS_ADDR_V4MAPPED(&address)) return Place::kElsewhere;
  std::uint32_t mapped;
  std::memcpy(&mapped, address.s6_addr + 12, sizeof(mapped));
  return PlaceOfIpv4(ntohl(mapped));
}

std::string WithoutFinalDot(std::string host) {
  if (host.ends_with('.')) host.pop_back();
  return host;
}

Place PlaceOf(const std::string& host) {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return PlaceOfIpv4(ntohl(v4.s_addr));
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return PlaceOfIpv6(v6);
  return host == "localhost" || host.ends_with(".localhost") ? Place::kLoopback : Place::kElsewhere;
}

// `pattern`: a host, or "*.example.com" for all below example.com.
bool Matches(const std::string& host, std::string_view pattern) {
  const std::string wanted = WithoutFinalDot(AsciiLower(pattern));
  if (!wanted.starts_with("*.")) return host == wanted;
  return host.size() > wanted.size() - 1 && host.ends_with(wanted.substr(1));
}

Status CheckPlace(const std::string& from, const std::string& to) {
  switch (PlaceOf(to)) {
    case Place::kElsewhere: return {};
    case Place::kLinkLocal: return NotFollowed("to a link-local address");
    case Place::kUnspecified: return NotFollowed("to an unspecified address");
    case Place::kLoopback:
      if (PlaceOf(from) == Place::kLoopback) return {};
      return NotFollowed("to a loopback address");
  }
  return {};
}

}  // namespace

Result<std::string> RedirectTarget(const HttpRequest& from, std::string_view location,
                                   const Options& options) {
  if (location.empty()) {
    return Error(ErrorCode::kInvalid, "the server redirects without saying where to");
  }
  for (unsigned char c : location) {
    if (c <= 0x20 || c == 0x7f || c == '\\') {
      return Error(ErrorCode::kInvalid, "the server redirects to a malformed address");
    }
  }
  if (location.starts_with("/") && !location.starts_with("//")) {
    const std::size_t host = from.url.find("://") + 3;
    return from.url.substr(0, std::min(from.url.find('/', host), from.url.size())) +
           std::string(location);
  }
  const bool secure = StartsWithIgnoreCase(location, "https://");
  if (!secure && !StartsWithIgnoreCase(location, "http://")) {
    return Error(ErrorCode::kInvalid, "the server redirects to an address that is not http(s)");
  }
  if (!from.unix_socket.empty()) {
    return Error(ErrorCode::kInvalid,
                 "a redirect away from a unix socket is not followed: set vaultAddress to the "
                 "server itself");
  }
  if (!secure && StartsWithIgnoreCase(from.url, "https://"))
    return NotFollowed("from https to http");
  const std::size_t authority_end =
      std::min(location.find_first_of("/?#", location.find("://") + 3), location.size());
  if (location.substr(0, authority_end).find('@') != std::string_view::npos) {
    return NotFollowed("to an address with a user name");
  }
  HttpRequest to;
  to.url = location;
  const Result<Origin> source = ParseOrigin(from);
  const Result<Origin> target = ParseOrigin(to);
  if (!source.ok() || !target.ok()) {
    return Error(ErrorCode::kInvalid, "the server redirects to a malformed address");
  }
  const std::string from_host = WithoutFinalDot(source->host);
  const std::string to_host = WithoutFinalDot(target->host);
  if (Status place = CheckPlace(from_host, to_host); !place.ok()) return place.error();
  if (options.at_node_server) return std::string(location);
  // The certificate would log in there as the node.
  if (!options.tls->client_cert_file.empty() && source->text != target->text) {
    return Error(ErrorCode::kInvalid,
                 "a redirect to another server is not followed over a connection with a client "
                 "certificate: set vaultAddress to that server");
  }
  const bool known = to_host == from_host ||
                     std::any_of(options.redirect_hosts.begin(), options.redirect_hosts.end(),
                                 [&](const std::string& host) { return Matches(to_host, host); });
  if (known) return std::string(location);
  return Error::Format(
      ErrorCode::kInvalid,
      "a redirect to another host, \"{}\", is not followed: set vaultAddress to it, or "
      "list it in providers.vault.redirectHosts of the node's configuration",
      Excerpt(to_host));
}

}  // namespace nodekeep::vault

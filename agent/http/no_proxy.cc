#include "agent/http/no_proxy.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace nodekeep {
namespace {

struct Address {
  std::array<unsigned char, 16> bytes{};
  unsigned bits = 0;
};

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string copy(text);
  Address address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
    address.bits = 32;
    return address;
  }
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
    address.bits = 128;
    return address;
  }
  return std::nullopt;
}

bool InNetwork(std::string_view network, std::string_view host) {
  const std::size_t slash = network.find('/');
  if (slash == std::string_view::npos) return false;
  const std::optional<Address> base = ParseAddress(network.substr(0, slash));
  const std::optional<Address> address = ParseAddress(host);
  if (!base || !address || base->bits != address->bits) return false;
  const std::string_view length_text = network.substr(slash + 1);
  unsigned length = 0;
  const auto parsed =
      std::from_chars(length_text.data(), length_text.data() + length_text.size(), length);
  if (parsed.ec != std::errc() || parsed.ptr != length_text.data() + length_text.size() ||
      length > base->bits) {
    return false;
  }
  for (unsigned bit = 0; bit < length; ++bit) {
    const unsigned char mask = static_cast<unsigned char>(0x80u >> (bit % 8));
    if ((base->bytes[bit / 8] & mask) != (address->bytes[bit / 8] & mask)) return false;
  }
  return true;
}

bool InDomain(std::string_view domain, std::string_view host) {
  if (domain.starts_with('.')) domain.remove_prefix(1);
  if (domain.empty()) return false;
  if (host == domain) return true;
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.';
}

}  // namespace

bool MatchesNoProxy(std::string_view list, std::string_view host) {
  while (!list.empty()) {
    const std::size_t end = list.find_first_of(", \t");
    const std::string_view entry = list.substr(0, end);
    list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
    if (entry == "*" || InDomain(entry, host) || InNetwork(entry, host)) return true;
  }
  return false;
}

}  // namespace nodekeep

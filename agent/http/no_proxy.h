#pragma once

// The NO_PROXY list, for the one case where curl cannot apply it: with TlsSettings::server_name
// curl is given that name as the URL's host, while the list means the host the user wrote.

#include <string_view>

namespace nodekeep {

// `list`: comma or space separated; "*" matches all, "example.com" and ".example.com" match the
// domain and everything below, "10.0.0.0/8" and "fd00::/8" match addresses.
bool MatchesNoProxy(std::string_view list, std::string_view host);

}  // namespace nodekeep

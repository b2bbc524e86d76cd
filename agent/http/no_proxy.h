#pragma once

// The NO_PROXY list, for the one case in which curl cannot apply it: with TlsSettings::server_name
// that name is the URL's host for curl, but the list refers to the original host.

#include <string_view>

namespace nodekeep {

// `list`: separated by commas or spaces; "*" matches all, "example.com" and ".example.com" match
// the domain and its subdomains, "10.0.0.0/8" and "fd00::/8" match addresses.
bool MatchesNoProxy(std::string_view list, std::string_view host);

}  // namespace nodekeep

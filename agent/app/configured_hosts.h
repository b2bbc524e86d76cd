#pragma once

// The backend hosts that the operator has configured, as opposed to those that classes name.

#include <functional>
#include <set>
#include <string>

#include "agent/app/config.h"

namespace nodekeep {

// The hosts (Origin::text) of all http://, https:// and unix:// addresses in the settings of the
// enabled providers, also in comma lists.
std::set<std::string, std::less<>> ConfiguredHosts(const Config& config);

}  // namespace nodekeep

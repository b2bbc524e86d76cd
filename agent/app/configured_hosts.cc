#include "agent/app/configured_hosts.h"

#include "agent/base/comma_list.h"
#include "agent/http/origin.h"

namespace nodekeep {

std::set<std::string, std::less<>> ConfiguredHosts(const Config& config) {
  constexpr std::string_view kUnix = "unix://";
  std::set<std::string, std::less<>> hosts;
  for (const std::string& provider : config.enabled_providers) {
    for (const auto& [key, value] : config.providers.at(provider).values) {
      for (const std::string& address : SplitCommas(value)) {
        HttpRequest request;
        request.url = address;
        if (address.starts_with(kUnix)) {
          request.unix_socket = address.substr(kUnix.size());
          request.url = "http://localhost";
        }
        if (const Result<Origin> origin = ParseOrigin(request); origin.ok()) {
          hosts.insert(origin->text);
        }
      }
    }
  }
  return hosts;
}

}  // namespace nodekeep

#include "agent/app/offline_providers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace nodekeep {

std::vector<Result<HttpResponse>> NoNetwork::SendAll(const Context&,
                                                     std::vector<HttpRequest> requests) {
  std::vector<Result<HttpResponse>> refusals;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    refusals.emplace_back(Error(ErrorCode::kPrecondition, "this command does not call backends"));
  }
  return refusals;
}

Result<Provider> OfflineProviders::Make(const std::string& name, const LoadedConfig& loaded) {
  std::vector<std::string> names;
  for (const ProviderEntry& entry : loaded.sources.providers) {
    if (entry.name != name) {
      names.emplace_back(entry.name);
      continue;
    }
    const ProviderConfig& own = loaded.config.providers.at(name);
    return entry.make(own.values,
                      ProviderServices{network_, clock_, log_, own.policy, SecretBytes("offline")});
  }
  return Error::Format(ErrorCode::kNotFound, "this build has no provider \"{}\"; it has {}", name,
                       fmt::join(names, ", "));
}

}  // namespace nodekeep

#pragma once

// Providers that can parse but call nobody: for `validate` and `get --explain`.

#include <memory>
#include <string>
#include <vector>

#include "agent/app/config.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/http/http_client.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

// Refuses every request.
class NoNetwork final : public HttpClient {
 public:
  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override;
};

// Outlives the providers it makes.
class OfflineProviders {
 public:
  // The provider of a name as `loaded` configures it, enabled or not. Errors: kNotFound when the
  // build has none of that name, else what is wrong with its settings.
  Result<Provider> Make(const std::string& name, const LoadedConfig& loaded);

 private:
  NoNetwork network_;
  SystemClock clock_;
  Logger log_{LogLevel::kOff, LogFormat::kText};
};

}  // namespace nodekeep

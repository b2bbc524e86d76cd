#pragma once

// Providers that parse without network access, for `validate` and `get --explain`.

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

// Must outlive the providers it makes.
class OfflineProviders {
 public:
  // Makes the provider `name` with the settings of `loaded`, enabled or not. Errors: kNotFound if
  // the build has no such provider, else those of its settings.
  Result<Provider> Make(const std::string& name, const LoadedConfig& loaded);

 private:
  NoNetwork network_;
  SystemClock clock_;
  Logger log_{LogLevel::kOff, LogFormat::kText};
};

}  // namespace nodekeep

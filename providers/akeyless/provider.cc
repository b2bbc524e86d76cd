#include "providers/akeyless/akeyless.h"
#include "providers/akeyless/cloud_id.h"
#include "providers/akeyless/gateway_client.h"
#include "providers/akeyless/item.h"
#include "providers/akeyless/login.h"
#include "providers/akeyless/options.h"
#include "providers/akeyless/reading.h"

namespace nodekeep {
namespace akeyless {
namespace {

// Only options that AkeylessDialect created are passed to this provider.
const Options& Own(const ProviderOptions& options) { return static_cast<const Options&>(options); }

class AkeylessDialect final : public SpcDialect {
 public:
  explicit AkeylessDialect(std::shared_ptr<const AkeylessSettings> settings)
      : settings_(std::move(settings)) {}

  Result<ParsedMount> Parse(const SpcInput& input) const override {
    return ParseMount(input, *settings_);
  }
  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override {
    return RenderItem(projection, answer);
  }

 private:
  const std::shared_ptr<const AkeylessSettings> settings_;
};

// Thread-safe, as its parts are.
class AkeylessBackend final : public Backend {
 public:
  AkeylessBackend(std::shared_ptr<const AkeylessSettings> settings, HttpClient& http,
                  const Clock& clock)
      : settings_(std::move(settings)),
        api_(http, clock, settings_->timeout),
        cloud_ids_(http, clock, settings_->environment),
        logins_(api_, cloud_ids_, clock,
                {.on_exception = settings_->on_exception,
                 .on_refusal = settings_->on_refusal,
                 .identities = settings_->identities}),
        reader_(api_, clock, settings_->log) {}

  Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                  const Identity& identity) override {
    return logins_.LogIn(context, Own(options), identity);
  }

  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                    const Credential& credential,
                                    std::span<const Question> questions) override {
    return reader_.Read(context, Own(options), credential, questions);
  }

 private:
  const std::shared_ptr<const AkeylessSettings> settings_;
  GatewayClient api_;
  CloudIds cloud_ids_;
  Logins logins_;
  ItemReader reader_;
};

}  // namespace
}  // namespace akeyless

Provider MakeAkeylessProvider(AkeylessSettings settings, HttpClient& http, const Clock& clock) {
  const auto shared = std::make_shared<const AkeylessSettings>(std::move(settings));
  return {std::make_shared<akeyless::AkeylessBackend>(shared, http, clock),
          std::make_shared<akeyless::AkeylessDialect>(shared)};
}

}  // namespace nodekeep

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

// Every ProviderOptions that reaches us was made by our own Parse.
const Options& Own(const ProviderOptions& options) { return static_cast<const Options&>(options); }

// Thread-safe, as its parts are.
class AkeylessProvider final : public Provider {
 public:
  AkeylessProvider(AkeylessSettings settings, HttpClient& http, const Clock& clock)
      : settings_(std::move(settings)),
        api_(http, clock, settings_.timeout),
        cloud_ids_(http, clock, settings_.environment),
        logins_(api_, cloud_ids_, clock, settings_.on_exception),
        reader_(api_, clock) {}

  Result<ParsedMount> Parse(const MountInput& input) const override {
    return ParseMount(input, settings_);
  }

  Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                  const PodIdentity& identity) override {
    return logins_.LogIn(context, Own(options), identity);
  }

  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                    const Credential& credential,
                                    std::span<const Question> questions) override {
    return reader_.Read(context, Own(options), credential, questions);
  }

  Result<SecretBytes> Render(const Projection& projection,
                             const SecretBytes& answer) const override {
    Result<std::vector<RenderedFile>> files = RenderItem(projection, answer);
    if (!files.ok()) return files.error();
    // Of a folder, whose files RenderFiles makes, there is no one content.
    if (files->size() != 1) return Error(ErrorCode::kInvalid, "a folder is not one file");
    return std::move(files->front().contents);
  }

  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override {
    return RenderItem(projection, answer);
  }

 private:
  const AkeylessSettings settings_;
  GatewayClient api_;
  CloudIds cloud_ids_;
  Logins logins_;
  ItemReader reader_;
};

}  // namespace
}  // namespace akeyless

std::unique_ptr<Provider> MakeAkeylessProvider(AkeylessSettings settings, HttpClient& http,
                                               const Clock& clock) {
  return std::make_unique<akeyless::AkeylessProvider>(std::move(settings), http, clock);
}

}  // namespace nodekeep

#include <fmt/format.h>

#include "agent/base/digest.h"
#include "agent/base/json.h"
#include "providers/vault/answer.h"
#include "providers/vault/leases.h"
#include "providers/vault/login.h"
#include "providers/vault/options.h"
#include "providers/vault/vault.h"
#include "providers/vault/wire.h"

namespace nodekeep {
namespace vault {
namespace {

constexpr std::size_t kVersionKeyBytes = 32;

// Only options that VaultDialect created are passed to this provider.
const Options& Own(const ProviderOptions& options) { return static_cast<const Options&>(options); }

ApiCall ReadCall(const SecretRef& ref, const Options& options, const Credential& credential) {
  ApiCall call;
  call.path = ref.path;
  call.namespace_name = options.read_namespace;
  call.token = credential.token.Clone();
  if (ref.request.empty()) return call;
  // RequestText in spc.cc wrote it, so it parses.
  Result<Json> request = ParseJson(ref.request);
  if (!request.ok()) return call;
  call.method = TextOf(Find(*request, {"method"})).value_or("GET");
  if (const Json* args = Find(*request, {"args"}); args != nullptr) call.body = GoJson(*args);
  return call;
}

class VaultDialect final : public SpcDialect {
 public:
  explicit VaultDialect(std::shared_ptr<const VaultSettings> settings)
      : settings_(std::move(settings)) {}

  Result<ParsedMount> Parse(const SpcInput& input) const override {
    return ParseMount(input, *settings_);
  }
  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override {
    return OneFile(projection, RenderAnswer(projection, answer));
  }

 private:
  const std::shared_ptr<const VaultSettings> settings_;
};

// Immutable after construction, hence thread-safe.
class VaultBackend final : public Backend {
 public:
  VaultBackend(std::shared_ptr<const VaultSettings> settings, HttpClient& http, const Clock& clock)
      : settings_(std::move(settings)),
        clock_(clock),
        api_(http, clock, settings_->timeout),
        leases_(api_, clock) {}

  Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                  const Identity& identity) override {
    return LogIn(context, api_, Own(options), identity, clock_);
  }

  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                    const Credential& credential,
                                    std::span<const Question> questions) override {
    std::vector<ApiCall> calls;
    for (const Question& question : questions) {
      calls.push_back(ReadCall(question.ref, Own(options), credential));
    }
    std::vector<Result<HttpResponse>> replies =
        api_.SendAll(context, Own(options), Step::kRead, calls);
    std::vector<Result<Answer>> answers;
    for (std::size_t i = 0; i < replies.size(); ++i) {
      if (replies[i].ok()) {
        answers.push_back(ReadAnswer(questions[i], *std::move(replies[i]), settings_->version_key,
                                     clock_.Wall()));
      } else {
        answers.push_back(replies[i].error().Prepend("error requesting secret"));
      }
    }
    return answers;
  }

  LeaseClient* lease_client() override { return &leases_; }

 private:
  const std::shared_ptr<const VaultSettings> settings_;
  const Clock& clock_;
  ApiClient api_;
  VaultLeases leases_;
};

}  // namespace
}  // namespace vault

Provider MakeVaultProvider(VaultSettings settings, HttpClient& http, const Clock& clock) {
  if (settings.version_key.empty()) settings.version_key = RandomBytes(vault::kVersionKeyBytes);
  const auto shared = std::make_shared<const VaultSettings>(std::move(settings));
  return {std::make_shared<vault::VaultBackend>(shared, http, clock),
          std::make_shared<vault::VaultDialect>(shared)};
}

}  // namespace nodekeep

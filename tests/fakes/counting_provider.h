#pragma once

// A provider that counts what reaches the one behind it.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "agent/secrets/provider.h"

namespace nodekeep {

class CountingProvider final : public Provider {
 public:
  explicit CountingProvider(std::shared_ptr<Provider> inner) : inner_(std::move(inner)) {}

  std::size_t logins() const { return logins_; }
  // Of each ref, by its text.
  std::map<std::string, std::size_t> reads() const {
    std::lock_guard lock(mutex_);
    return reads_;
  }

  Result<ParsedMount> Parse(const MountInput& input) const override { return inner_->Parse(input); }
  Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                  const PodIdentity& identity) override {
    ++logins_;
    return inner_->Authenticate(context, options, identity);
  }
  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                    const Credential& credential,
                                    std::span<const Question> questions) override {
    {
      std::lock_guard lock(mutex_);
      for (const Question& question : questions) ++reads_[question.ref.Text()];
    }
    return inner_->Fetch(context, options, credential, questions);
  }
  Result<SecretBytes> Render(const Projection& projection,
                             const SecretBytes& answer) const override {
    return inner_->Render(projection, answer);
  }
  Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                const SecretBytes& answer) const override {
    return inner_->RenderFiles(projection, answer);
  }
  Leases* leases() override { return inner_->leases(); }

 private:
  const std::shared_ptr<Provider> inner_;
  std::atomic<std::size_t> logins_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::size_t> reads_;  // guarded by mutex_
};

}  // namespace nodekeep

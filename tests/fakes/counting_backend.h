#pragma once

// A backend that counts the calls that it forwards to another one.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/secrets/backend.h"

namespace nodekeep {

class CountingBackend final : public Backend {
 public:
  explicit CountingBackend(std::shared_ptr<Backend> inner) : inner_(std::move(inner)) {}

  std::size_t logins() const { return logins_; }
  // The number of reads per ref; the key is the ref's text.
  std::map<std::string, std::size_t> reads() const {
    MutexLock lock(mutex_);
    return reads_;
  }

  Result<Credential> Authenticate(const Context& context, const ProviderOptions& options,
                                  const Identity& identity) override {
    ++logins_;
    return inner_->Authenticate(context, options, identity);
  }
  std::vector<Result<Answer>> Fetch(const Context& context, const ProviderOptions& options,
                                    const Credential& credential,
                                    std::span<const Question> questions) override {
    {
      MutexLock lock(mutex_);
      for (const Question& question : questions) ++reads_[question.ref.Text()];
    }
    return inner_->Fetch(context, options, credential, questions);
  }
  LeaseClient* lease_client() override { return inner_->lease_client(); }

 private:
  const std::shared_ptr<Backend> inner_;
  std::atomic<std::size_t> logins_ = 0;
  mutable Mutex mutex_;
  std::map<std::string, std::size_t> reads_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

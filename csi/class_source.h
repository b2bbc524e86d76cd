#pragma once

// Where SecretProviderClasses come from.

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/worker_pool.h"
#include "agent/kube/kube_client.h"
#include "agent/secrets/single_flight.h"
#include "csi/secret_provider_class.h"

namespace nodekeep {

// Thread-safe.
class ClassSource {
 public:
  virtual ~ClassSource() = default;

  // The class as it is now, or as it was last seen while the API server cannot be asked. Errors:
  // upstream's words first, "failed to get secretproviderclass <ns>/<name>, error: ...".
  virtual Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                               const std::string& name) = 0;
};

// From the API server: one question per class however many ask, its answer good for `fresh_for`,
// which is what a hundred pods of one class that start together need. An absent class is always
// asked again, since classes are often created a moment after their pods.
class KubeClassSource final : public ClassSource {
 public:
  struct Options {
    Duration fresh_for = std::chrono::seconds(5);
    Duration budget = std::chrono::seconds(20);  // of one question
    std::size_t max_classes = 1024;
  };

  // `client` outlives it, as does the rest.
  KubeClassSource(Options options, KubeClient& client, WorkerPool& pool, const Clock& clock);

  Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                       const std::string& name) override;

 private:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  struct Seen {
    ClassPtr value;
    SteadyTime at;
  };

  Result<ClassPtr> Ask(const Context& context, const Key& key);
  Result<ClassPtr> Remember(const Key& key, Result<ClassPtr> answer);

  const Options options_;
  KubeClient& client_;
  const Clock& clock_;

  std::mutex mutex_;
  std::map<Key, Seen> seen_;  // guarded by mutex_

  SingleFlight<Key, ClassPtr> flights_;  // last: its calls use all of the above
};

}  // namespace nodekeep

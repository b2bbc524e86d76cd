#pragma once

// Reads SecretProviderClasses.

#include <map>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/worker_pool.h"
#include "agent/kube/kube_client.h"
#include "agent/secrets/secret_provider_class.h"
#include "agent/secrets/single_flight.h"

namespace nodekeep {

// Memory that a class takes, about. Classes over kMaxKeptClass are read whenever they are needed.
std::size_t SizeOf(const SecretProviderClass& spc);
inline constexpr std::size_t kMaxKeptClass = 128u << 10;

// Thread-safe.
class ClassSource {
 public:
  virtual ~ClassSource() = default;

  // Returns the current class, or the last one that was read while the API server is unreachable.
  // Errors begin with the upstream driver's text, "failed to get secretproviderclass
  // <ns>/<name>, error: ...".
  virtual Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                               const std::string& name) = 0;
};

// Reads from the API server. Concurrent calls for a class share one request, and its response is
// reused for `fresh_for`: a hundred pods of one class that start together need one read. A class
// that does not exist is always read again, as classes are often created just after their pods. The
// memory of the classes that are kept is bounded; a namespace that needs much displaces its own.
//
// Thread-safe.
class KubeClassSource final : public ClassSource {
 public:
  struct Options {
    Duration fresh_for = std::chrono::seconds(5);
    Duration budget = std::chrono::seconds(20);  // for one request
    std::size_t max_bytes = 8u << 20;            // of the classes that are kept (SizeOf)
  };

  // `client`, `pool` and `clock` must outlive this object.
  KubeClassSource(Options options, KubeClient& client, WorkerPool& pool, const Clock& clock);

  Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                       const std::string& name) override;

 private:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  struct Seen {
    ClassPtr value;
    SteadyTime at;
    std::size_t bytes = 0;
  };

  Result<ClassPtr> Read(const Context& context, const Key& key);
  Result<ClassPtr> Store(const Key& key, Result<ClassPtr> answer);
  // Erases the oldest class of the namespace that holds the most. Precondition: seen_ is not empty.
  void EraseOne() NODEKEEP_REQUIRES(mutex_);
  void Erase(std::map<Key, Seen>::iterator entry) NODEKEEP_REQUIRES(mutex_);

  const Options options_;
  KubeClient& client_;
  const Clock& clock_;

  Mutex mutex_;
  std::map<Key, Seen> seen_ NODEKEEP_GUARDED_BY(mutex_);
  std::size_t bytes_ NODEKEEP_GUARDED_BY(mutex_) = 0;  // of seen_

  SingleFlight<Key, ClassPtr> flights_;  // last: its calls use all of the above
};

}  // namespace nodekeep

#pragma once

// Records the Events that users see with `kubectl describe`: what happened to an object, and why.
//
// Asynchronous: Record puts an Event into a bounded queue, and a thread sends it. An Event with the
// same object, type, reason and message as one sent within `window` increments the count of that
// one instead of creating another. Rate-limited per object, as client-go does: `burst` Events, then
// one per `refill`. While the API server does not respond, Events stay in the queue. Events are
// dropped and counted if the queue is full or the server refuses them.
//
// Messages are made from the agent's errors, which never contain a value or a token.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/thread_guard.h"
#include "agent/http/token_bucket.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// The object that an Event is about.
struct ObjectReference {
  std::string api_version = "v1";
  std::string kind = "Pod";
  std::string namespace_name;  // "" for cluster-scoped objects, whose Events are in "default"
  std::string name;
  std::string uid;

  auto operator<=>(const ObjectReference&) const = default;
};

enum class EventType { kNormal, kWarning };

// Thread-safe. The destructor drops Events that have not been sent.
class EventRecorder {
 public:
  struct Options {
    std::string component = "nodekeep";  // source.component
    std::string host{};                  // source.host: the node's name
    Duration window = std::chrono::minutes(10);
    std::size_t max_queued = 1000;
    std::size_t max_remembered = 4096;  // Events, and objects; the least recently used are erased
    double burst = 25;                  // Events per object, then one every `refill`
    Duration refill = std::chrono::minutes(5);
    ExceptionReporter on_exception{};  // for exceptions of the thread "events"
  };

  EventRecorder(KubeClient& kube, const Clock& clock, Rng& rng, Logger& log, Options options);

  // Does not block. `reason` is CamelCase; `message` is cut at 1024 bytes.
  void Record(const ObjectReference& object, EventType type, std::string_view reason,
              std::string_view message);

  // Events dropped since the start.
  std::uint64_t dropped() const;

 private:
  // Two Events with the same key are counted as one.
  struct Key {
    ObjectReference object;
    EventType type = EventType::kNormal;
    std::string reason;
    std::string message;
    auto operator<=>(const Key&) const = default;
  };
  struct Occurrence {
    int count = 0;  // since it was sent last
    WallTime first;
    WallTime last;
    SteadyTime last_steady;
  };
  // An Event that exists on the API server.
  struct Sent {
    std::string path;
    int count = 0;
    SteadyTime last;  // when it last happened, not when it was sent
  };
  struct Limit {
    TokenBucket bucket;
    SteadyTime last;
  };

  // False if the object's rate limit is exhausted.
  bool Admit(const ObjectReference& object) NODEKEEP_REQUIRES(mutex_);
  void Run(std::stop_token stop);
  Status Send(const Context& context, const Key& key, const Occurrence& occurrence);
  Status Create(const Context& context, const Key& key, const Occurrence& occurrence);
  // After a failed send: requeues the Event if the error is transient, else drops it.
  void OnFailure(const Context& context, const Key& key, const Occurrence& occurrence,
                 const Error& error);

  KubeClient& kube_;
  const Clock& clock_;
  Rng& rng_;
  Logger& log_;
  const Options options_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Key> queue_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<Key, Occurrence> waiting_ NODEKEEP_GUARDED_BY(mutex_);  // those in queue_
  std::map<ObjectReference, Limit> limits_ NODEKEEP_GUARDED_BY(mutex_);
  std::uint64_t dropped_ NODEKEEP_GUARDED_BY(mutex_) = 0;

  // Used by thread_ only.
  std::map<Key, Sent> sent_;
  std::uint64_t created_ = 0;  // makes names unique
  bool is_failing_ = false;

  std::jthread thread_;
};

}  // namespace nodekeep

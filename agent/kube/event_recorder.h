#pragma once

// Events that users see with `kubectl describe`: what happened to an object, and why.
//
// Nobody waits for them: Record puts an Event into a bounded queue, a thread sends what is there.
// The same Event again (object, type, reason and message) within `window` raises the count of the
// first one instead of making another. Each object may have a burst of Events, then one now and
// then, as with the kubelet's own. While the API server does not answer they wait; those for which
// there is no room, or no right to write them, are dropped and counted.
//
// Messages come from our errors, which never hold a value or a token.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/thread_guard.h"
#include "agent/http/token_bucket.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {

// What an Event is about.
struct ObjectReference {
  std::string api_version = "v1";
  std::string kind = "Pod";
  std::string namespace_name;  // "" for objects of the cluster, whose Events are in "default"
  std::string name;
  std::string uid;

  auto operator<=>(const ObjectReference&) const = default;
};

enum class EventType { kNormal, kWarning };

// Thread-safe. Destruction drops what has not been sent.
class EventRecorder {
 public:
  struct Options {
    std::string component = "nodekeep";  // source.component
    std::string host{};                  // source.host: the node's name
    Duration window = std::chrono::minutes(10);
    std::size_t max_queued = 1000;
    std::size_t max_remembered = 4096;  // Events and objects; the longest unused are forgotten
    double burst = 25;                  // per object, then one every `refill`
    Duration refill = std::chrono::minutes(5);
    ExceptionReporter on_exception{};  // of the recorder's thread, "events"
  };

  EventRecorder(KubeClient& kube, const Clock& clock, Rng& rng, Logger& log, Options options);

  // Never waits. `reason` is CamelCase; `message` is cut at 1024 bytes.
  void Record(const ObjectReference& object, EventType type, std::string_view reason,
              std::string_view message);

  // Events that nobody will ever see, since the start.
  std::uint64_t dropped() const;

 private:
  // What makes two Events the same.
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
  // An Event that the API server has.
  struct Sent {
    std::string path;
    int count = 0;
    SteadyTime last;  // when it happened last, not when that was told
  };
  struct Share {
    TokenBucket bucket;
    SteadyTime last;
  };

  // False when the object has had its share. mutex_ is held.
  bool TakeShare(const ObjectReference& object);
  void Run(std::stop_token stop);
  Status Send(const Context& context, const Key& key, const Occurrence& occurrence);
  Status Create(const Context& context, const Key& key, const Occurrence& occurrence);
  // What could not be sent: waits on, if the error may pass, or is dropped.
  void Failed(const Context& context, const Key& key, const Occurrence& occurrence,
              const Error& error);

  KubeClient& kube_;
  const Clock& clock_;
  Rng& rng_;
  Logger& log_;
  const Options options_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::deque<Key> queue_;
  std::map<Key, Occurrence> waiting_;  // those in queue_
  std::map<ObjectReference, Share> shares_;
  std::uint64_t dropped_ = 0;

  // Sender's thread only.
  std::map<Key, Sent> sent_;
  std::uint64_t made_ = 0;
  bool in_trouble_ = false;

  std::jthread thread_;
};

}  // namespace nodekeep

#pragma once

// Lists one selection of objects in pages, then watches it from the version of the list,
// indefinitely.
//
//   watch                                         next request
//   ended, or its connection was cut              a watch from the last version seen
//   its version has expired (410)                 a new list
//   nothing was received for too long             a new list
//   malformed event, exception                    a new list
//
// Silence means a dead connection, or a server that was restored from a backup: such a server
// accepts a watch from a version in its future, and sends no events.
//
// Consecutive failures are retried after exponentially growing delays with jitter, and not before
// the server's Retry-After, which counts for at most 30 seconds.
//
// Not thread-safe: called on the watch loop's thread only, and calls its target there.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/kube/kube_request.h"
#include "agent/kube/watch_loop.h"

namespace nodekeep {

class Reflector {
 public:
  // Receives objects and changes.
  class Target {
   public:
    virtual ~Target() = default;
    // A list begins (replacing one in progress), contains an object, is complete.
    virtual void OnListBegin() = 0;
    virtual void OnListed(Json object) = 0;
    virtual void OnListEnd() = 0;
    // One object was added or changed, or is gone (then `object` is its last state).
    virtual void OnChange(Json object, bool gone) = 0;
    // Why changes cannot be received, for logs; nullopt once they are received again.
    virtual void OnTrouble(const std::optional<Error>& error) = 0;
  };

  // `dependencies` and `target` must outlive this object.
  Reflector(const WatchDependencies& dependencies, std::shared_ptr<WatchLoop::Waker> waker,
            KubeSelection selection, Target& target);
  // Cancels the request in flight.
  ~Reflector();

  // Does what can be done without blocking. Returns the time of the next call; if data arrives
  // earlier, the waker is used.
  SteadyTime Advance(SteadyTime now);

 private:
  class Receiver;
  enum class Step { kList, kWatch };

  void Send(SteadyTime now);
  void Read();
  void ReadPage(const HttpResponse& response, SteadyTime now);
  void ReadEvents(SteadyTime now);
  // False when the watch must end.
  bool ReadEvent(std::string_view line, SteadyTime now);
  void OnWatchEnd(const Result<HttpResponse>& result, SteadyTime now);
  // The next request begins a new list.
  void Relist();
  // After an exception, when a response may be only partly processed.
  void StartOver(SteadyTime now);
  Duration RetryDelay(int failures) const;
  void OnRecovery();
  void OnFailure(const Error& error, SteadyTime now);

  const WatchDependencies& dependencies_;
  const std::shared_ptr<WatchLoop::Waker> waker_;
  const KubeSelection selection_;
  Target& target_;

  Step step_ = Step::kList;
  std::string continue_;          // token of the next page; "" = the first page
  std::string resource_version_;  // of the latest list, change or bookmark
  SteadyTime due_;                // when to send the next request
  // Consecutive failures of lists and watches. A successful list does not reset it, because a
  // server may serve lists and refuse every watch.
  int failures_ = 0;
  bool in_trouble_ = false;

  // The request in flight, if any.
  std::shared_ptr<Receiver> receiver_;
  std::stop_source stop_;
  SteadyTime sent_;
  Step sent_step_ = Step::kList;
  SecretBytes received_;  // bytes of its response not parsed yet
  bool made_progress_ = false;
};

}  // namespace nodekeep

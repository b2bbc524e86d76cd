#pragma once

// The thread on which all Informers of the agent run.
//
// When data arrives for one member, or the time that a member requested has come, all members are
// called one after the other on one thread. So fifty watches take one thread and, with HTTP/2, one
// connection.

#include <condition_variable>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/thread_guard.h"
#include "agent/http/curl_client.h"
#include "agent/http/http_stream.h"
#include "agent/http/retry.h"
#include "agent/kube/kubeconfig.h"

namespace nodekeep {

struct WatchPolicy {
  std::string user_agent = "nodekeep";
  // Delays after consecutive failures; `attempts` is ignored, a watch is retried without limit.
  RetryPolicy retry = {.first = std::chrono::milliseconds(200),
                       .longest = std::chrono::seconds(30)};
  // The server ends a watch after a random time between this and twice this.
  Duration watch_for = std::chrono::minutes(5);
  Duration list_timeout = std::chrono::seconds(30);
  // The server sends a bookmark once a minute. A watch that receives nothing for a random time
  // between this and 1.5 times this is closed, and all objects are listed again.
  Duration idle_timeout = std::chrono::seconds(100);
  int page_size = 20;  // objects; bounds the memory that a list takes: a pod may have 1.5 MB
};

// Dependencies of watches; all must outlive every watch.
struct WatchDependencies {
  HttpStreamClient& http;
  const KubeConnection& connection;
  const Clock& clock;
  Rng& rng;
  Logger& log;
  WatchPolicy policy{};
  ExceptionReporter on_exception{};  // for exceptions of the loop's thread, "watch"
};

// Options of a client for `watches` watches at a time, used by nothing else. With HTTP/1.1 each
// watch occupies a connection, so there is one for each, and some for watches that are being
// replaced.
CurlClient::Options WatchConnections(std::size_t watches, ExceptionReporter on_exception);

// Thread-safe. Every member must be removed before the loop is destroyed.
class WatchLoop {
 public:
  // Wakes the loop. Shared with responses in flight, which may outlive the loop.
  class Waker {
   public:
    void Wake();

   private:
    friend class WatchLoop;
    Mutex mutex_;
    std::condition_variable_any changed_;
    bool woken_ NODEKEEP_GUARDED_BY(mutex_) = false;
  };

  class Member {
   public:
    virtual ~Member() = default;
    // Does what can be done at `now` without blocking; returns the latest time of the next call. An
    // exception is reported and affects neither the loop nor other members; the member that threw
    // is called again after a second.
    virtual SteadyTime Advance(SteadyTime now) = 0;
  };

  explicit WatchLoop(WatchDependencies dependencies);

  void Add(Member& member);
  // Waits for a call of the member in progress; it is not called afterwards. Must not be called
  // from within Advance.
  void Remove(Member& member);

  const WatchDependencies& dependencies() const { return dependencies_; }
  const std::shared_ptr<Waker>& waker() const { return waker_; }

 private:
  void Run(std::stop_token stop);
  // Calls every member once; returns the earliest time that a member requested.
  SteadyTime CallAll();
  // Marks the member at `position` as busy and returns it; null after the last one.
  Member* Next(std::size_t& position);

  const WatchDependencies dependencies_;
  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();

  Mutex mutex_;
  std::condition_variable idle_;  // busy_ has changed
  std::vector<Member*> members_ NODEKEEP_GUARDED_BY(mutex_);
  Member* busy_ NODEKEEP_GUARDED_BY(mutex_) = nullptr;

  std::jthread thread_;
};

}  // namespace nodekeep

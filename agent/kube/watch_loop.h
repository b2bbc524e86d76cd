#pragma once

// The one thread on which all informers of the agent live.
//
// A member is asked to move on whenever something arrived for one of them or its own time has come,
// never by two threads at once. So fifty watches cost one thread, and one connection.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/thread_guard.h"
#include "agent/http/http_stream.h"
#include "agent/http/retry.h"
#include "agent/kube/kubeconfig.h"

namespace nodekeep {

struct WatchPolicy {
  std::string user_agent = "nodekeep";
  // Delays after failures in a row; `attempts` is not looked at, a watch never gives up.
  RetryPolicy retry = {.first = std::chrono::milliseconds(200),
                       .longest = std::chrono::seconds(30)};
  // The server ends a watch after a random time between this and twice this.
  Duration watch_for = std::chrono::minutes(5);
  Duration list_timeout = std::chrono::seconds(30);
  // A bookmark comes once a minute; a watch without a word for this long, or half as much again, is
  // not trusted any more.
  Duration longest_silence = std::chrono::seconds(100);
  int page_size = 100;  // of objects; bounds what a list takes in memory
};

// What watches are made of. The references outlive every watch.
struct WatchParts {
  HttpStreamClient& http;
  const KubeConnection& connection;
  const Clock& clock;
  Rng& rng;
  Logger& log;
  WatchPolicy policy{};
  ExceptionReporter on_exception{};  // of the loop's thread, "watch"
};

// Thread-safe. Every member is removed before the loop goes.
class WatchLoop {
 public:
  // Wakes the loop. Shared with answers on their way, which may outlive it.
  class Bell {
   public:
    void Ring();

   private:
    friend class WatchLoop;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    bool rung_ = false;  // guarded by mutex_
  };

  class Member {
   public:
    virtual ~Member() = default;
    // Does what can be done now, without waiting; answers when to be called again at the latest.
    // When it throws, that is reported and it is called again soon: the others have their turn.
    virtual SteadyTime MoveOn(SteadyTime now) = 0;
  };

  explicit WatchLoop(WatchParts parts);

  void Add(Member& member);
  // Once it returns, the member is not called any more. Not from within MoveOn.
  void Remove(Member& member);

  const WatchParts& parts() const { return parts_; }
  const std::shared_ptr<Bell>& bell() const { return bell_; }

 private:
  void Run(std::stop_token stop);
  // Calls every member once; the earliest time that one of them asked for.
  SteadyTime CallAll();
  // The next member to call, now marked as busy; null when all have had their turn.
  Member* NextTurn(std::size_t& position);

  const WatchParts parts_;
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();

  std::mutex mutex_;
  std::condition_variable turn_over_;
  // Guarded by mutex_.
  std::vector<Member*> members_;
  Member* busy_ = nullptr;

  std::jthread thread_;
};

}  // namespace nodekeep

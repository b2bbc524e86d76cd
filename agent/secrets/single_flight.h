#pragma once

// One call per key, shared by all concurrent callers.
//
// Do takes several keys, because backends answer in batches: keys without a call in progress are
// claimed and fetched by one call on the pool; for the others Do waits for the call in progress.
// Each waiter keeps its own deadline. When a waiter gives up, the call continues within its own
// budget, because the next pod will need the answer. The call uses the share of the namespace of
// the caller that started it, and may have to wait for it: callers of different namespaces should
// use different keys.
//
// Thread-safe. No callback runs under the lock. The destructor cancels the calls in progress and
// waits for them; no caller may be waiting in Do by then.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/base/result.h"
#include "agent/base/worker_pool.h"

namespace nodekeep {

// Key: ordered. Value: cheap to copy (a shared_ptr).
template <typename Key, typename Value>
class SingleFlight {
 public:
  // Returns one result per key, in order. Runs on the pool with its own context; must not wait for
  // another call on the same pool. If it throws, the result of all keys is kInternal, and the pool
  // reports the exception.
  using Call =
      std::function<std::vector<Result<Value>>(const Context&, const std::vector<Key>& keys)>;

  // `budget`: the time limit of one call, whatever the deadlines of its waiters.
  SingleFlight(WorkerPool& pool, const Clock& clock, Duration budget)
      : pool_(pool), clock_(clock), budget_(budget) {}

  ~SingleFlight() {
    stop_.request_stop();
    MutexLock lock(mutex_);
    changed_.wait(lock, [this] {
      mutex_.AssertHeld();
      return running_ == 0;
    });
  }

  // The i-th result belongs to the i-th key. Errors: kDeadlineExceeded and kCancelled of this
  // caller; the pool's error when it is full or stopping; else the call's own. A caller whose
  // deadline has passed gets the code and text of the call's latest failure
  // (Context::ReportFailure), if any.
  // A call that began before `not_before` is not joined: a new one takes its place.
  std::vector<Result<Value>> Do(const Context& context, const std::vector<Key>& keys, Call call,
                                SteadyTime not_before = SteadyTime::min()) {
    std::vector<std::shared_ptr<Flight>> flights;
    std::vector<Key> claimed_keys;
    std::vector<std::shared_ptr<Flight>> claimed;
    const auto failure = std::make_shared<LatestFailure>();
    {
      MutexLock lock(mutex_);
      const OnThrow unclaim([&] {
        mutex_.AssertHeld();
        for (std::size_t i = 0; i < claimed_keys.size(); ++i) Erase(claimed_keys[i], claimed[i]);
      });
      for (const Key& key : keys) {
        const auto known = flights_.find(key);
        if (known != flights_.end() && known->second->begun >= not_before) {
          flights.push_back(known->second);
          continue;
        }
        flights.push_back(std::make_shared<Flight>(failure, clock_.Now()));
        claimed.push_back(flights.back());
        claimed_keys.push_back(key);
        flights_[key] = flights.back();
      }
      if (!claimed.empty()) ++running_;
    }
    if (!claimed.empty()) {
      Start(context.namespace_name(), std::move(claimed_keys), std::move(claimed), failure,
            std::move(call));
    }
    return Await(context, flights);
  }

 private:
  struct Flight {
    Flight(std::shared_ptr<LatestFailure> of_call, SteadyTime now)
        : failure(std::move(of_call)), begun(now) {}

    const std::shared_ptr<LatestFailure> failure;  // of the call, which may serve other keys too
    const SteadyTime begun;
    std::optional<Result<Value>> result;  // guarded by mutex_
  };

  // The keys are claimed: whatever fails, they must be finished.
  void Start(const std::string& namespace_name, std::vector<Key> keys,
             std::vector<std::shared_ptr<Flight>> flights, std::shared_ptr<LatestFailure> failure,
             Call call) {
    const OnThrow refuse(
        [&] { Finish(keys, flights, std::vector<Result<Value>>(keys.size(), Unexpected())); });
    const Context own = Context(clock_.Now() + budget_, stop_.get_token())
                            .WithNamespace(namespace_name)
                            .WithLatestFailure(std::move(failure));
    auto run = [this, own, keys, flights, call = std::move(call)]() mutable {
      std::vector<Result<Value>> results;
      try {
        results = call(own, keys);
      } catch (...) {
        call = nullptr;
        Finish(keys, flights, std::vector<Result<Value>>(keys.size(), Unexpected()));
        throw;
      }
      // `call` may hold the last reference to a provider: release it while this object exists.
      call = nullptr;
      Finish(keys, flights, std::move(results));
    };
    const Status posted = pool_.Post(namespace_name, std::move(run));
    if (posted.ok()) return;
    std::vector<Result<Value>> refused(keys.size(), Result<Value>(posted.error()));
    Finish(keys, flights, std::move(refused));
  }

  void Finish(const std::vector<Key>& keys, const std::vector<std::shared_ptr<Flight>>& flights,
              std::vector<Result<Value>> results) {
    // Notify under the lock: once `running_` is seen as 0, this object may be destroyed.
    MutexLock lock(mutex_);
    if (flights.front()->result) return;  // posted although Post threw
    for (std::size_t i = 0; i < keys.size(); ++i) {
      flights[i]->result = std::move(results[i]);
      Erase(keys[i], flights[i]);
    }
    --running_;
    changed_.notify_all();
  }

  // Erases the flight, unless a newer one has taken its place.
  void Erase(const Key& key, const std::shared_ptr<Flight>& flight) NODEKEEP_REQUIRES(mutex_) {
    const auto known = flights_.find(key);
    if (known != flights_.end() && known->second == flight) flights_.erase(known);
  }

  std::vector<Result<Value>> Await(const Context& context,
                                   const std::vector<std::shared_ptr<Flight>>& flights) {
    MutexLock lock(mutex_);
    clock_.WaitUntil(lock, changed_, context.stop(), context.deadline(), [&] {
      for (const auto& flight : flights) {
        if (!flight->result) return false;
      }
      return true;
    });
    std::vector<Result<Value>> results;
    for (const auto& flight : flights) {
      if (flight->result) {
        results.push_back(*flight->result);
      } else {
        results.push_back(context.stop().stop_requested()
                              ? Error(ErrorCode::kCancelled, "the caller has gone away")
                              : OutOfTime(*flight->failure));
      }
    }
    return results;
  }

  static Error Unexpected() {
    return Error(ErrorCode::kInternal,
                 "the request failed with an unexpected exception; see the agent's log");
  }

  static Error OutOfTime(const LatestFailure& failure) {
    const std::optional<Error> latest = failure.Get();
    if (!latest) {
      return Error(ErrorCode::kDeadlineExceeded,
                   "the backend has not answered within the time allowed");
    }
    return Error(latest->code(),
                 latest->message() + " (still retrying when the time allowed was over)");
  }

  WorkerPool& pool_;
  const Clock& clock_;
  const Duration budget_;
  std::stop_source stop_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Key, std::shared_ptr<Flight>> flights_ NODEKEEP_GUARDED_BY(mutex_);
  std::size_t running_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

}  // namespace nodekeep

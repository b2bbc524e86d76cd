#pragma once

// A queue of keys to work on, with the semantics of client-go's workqueue.
//
// - A key is queued at most once, however often it is added; the earliest due time wins.
// - A key is never processed by two workers at the same time.
// - A key that is added while it is being processed is processed again afterwards, so that no
//   update is lost: the worker may have read before the update.
// - A key waits until it is due. Due keys are handed out in the order of their due times; with
//   `group_of`, round robin among the groups, and each group has its share of the keys in work.
//
// The queue holds keys, not objects: a worker reads the object when it gets the key, and the object
// may have been deleted by then.
//
// Thread-safe; calls nothing but the Clock while holding its lock. Must outlive its items. Adding,
// handing out and removing a key cost O(log n).

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/mutex.h"
#include "agent/base/shared_resource.h"

namespace nodekeep {

// Key: ordered, copyable.
template <typename Key>
class Workqueue {
  struct Entry;
  using Entries = std::map<Key, Entry>;

 public:
  struct Options {
    // For Item::Retry: the delay after the first failure, doubled with each further one in a row.
    Duration first_retry = std::chrono::seconds(1);
    Duration longest_retry = std::chrono::minutes(5);
    // The group of a key, for example its namespace. Due keys of several groups
    // are handed out round robin, so that no group waits for all keys of another. Null = all keys
    // are one group, in the order of their due times. Called without the lock.
    std::function<std::string(const Key&)> group_of{};
    // Keys in work at a time, shared by the groups as a SharedResource. More wait, although due.
    std::size_t max_in_work = SIZE_MAX / 2;
  };

  // Number of keys by state.
  struct Depth {
    std::size_t delayed = 0;  // not yet due
    std::size_t due = 0;      // waiting for a worker
    std::size_t in_work = 0;
  };

  // A key that is being processed, until Done or destruction. Not thread-safe.
  //
  // AddAt, AddAfter and Retry have no effect after Done, or when the key was removed since it was
  // handed out.
  class Item {
   public:
    Item(Item&& other) noexcept
        : queue_(std::exchange(other.queue_, nullptr)), entry_(other.entry_) {}
    ~Item() { Done(); }
    Item(const Item&) = delete;
    Item& operator=(const Item&) = delete;
    Item& operator=(Item&&) = delete;

    // Valid until Done.
    const Key& key() const { return entry_->first; }

    // Processes the key again at `due`, or earlier if another caller adds it.
    void AddAt(SteadyTime due) {
      if (queue_ != nullptr) queue_->AddAgain(entry_, due);
    }
    void AddAfter(Duration delay) {
      if (queue_ != nullptr) AddAt(queue_->clock_.Now() + delay);
    }
    // After a failure: processes the key again after the returned delay, which is between half and
    // all of its exponential back-off.
    Duration Retry() { return queue_ != nullptr ? queue_->AddRetry(entry_) : Duration::zero(); }
    // After a success: the next Retry starts from `first_retry`. Done has the same effect when the
    // key was not added again.
    void Forget() {
      if (queue_ != nullptr) queue_->ForgetFailures(entry_);
    }

    // Ends the processing. Idempotent.
    void Done() noexcept {
      if (queue_ != nullptr) std::exchange(queue_, nullptr)->Finish(entry_);
    }

   private:
    friend class Workqueue;
    Item(Workqueue& queue, typename Entries::iterator entry) : queue_(&queue), entry_(entry) {}

    Workqueue* queue_;                        // null = done
    const typename Entries::iterator entry_;  // stays in the map until Done
  };

  // `clock` and `rng` must outlive the queue.
  Workqueue(Options options, const Clock& clock, Rng& rng)
      : options_(std::move(options)),
        clock_(clock),
        rng_(rng),
        in_work_({.name = "in_work", .capacity = options_.max_in_work}) {}
  Workqueue(const Workqueue&) = delete;
  Workqueue& operator=(const Workqueue&) = delete;

  void Add(const Key& key) { AddAt(key, clock_.Now()); }
  void AddAfter(const Key& key, Duration delay) { AddAt(key, clock_.Now() + delay); }
  // Adds the key, or moves it forward to `due`; never postpones it.
  void AddAt(const Key& key, SteadyTime due) {
    std::string group = options_.group_of ? options_.group_of(key) : std::string();
    MutexLock lock(mutex_);
    const auto [entry, is_new] = entries_.try_emplace(key);
    if (is_new) entry->second.group = std::move(group);
    entry->second.removed = false;
    Schedule(entry, due);
  }

  // For a key whose object was deleted: drops the key, and ignores AddAt, AddAfter and Retry of an
  // item in work. That item's processing is not interrupted. A later Add queues the key again.
  void Remove(const Key& key) {
    MutexLock lock(mutex_);
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return;
    if (entry->second.in_work) {
      entry->second.removed = true;
      entry->second.again.reset();
      entry->second.failures = 0;
      return;
    }
    RemoveFromOrder(entry->second);
    entries_.erase(entry);
  }

  // Waits until a key is due and may be handed out. nullopt when the context is over; at its
  // deadline such a key is still handed out.
  std::optional<Item> Get(const Context& context) {
    MutexLock lock(mutex_);
    while (!context.stop().stop_requested()) {
      const SteadyTime now = clock_.Now();
      CollectDue(now);
      if (const auto group = NextGroup(); group != due_.end()) return Item(*this, TakeFrom(group));
      if (now >= context.deadline()) break;
      const SteadyTime next = delayed_.empty() ? SteadyTime::max() : delayed_.begin()->first.first;
      clock_.WaitUntil(lock, changed_, context.stop(), std::min(next, context.deadline()),
                       [this, seen = changes_] {
                         mutex_.AssertHeld();
                         return changes_ != seen;
                       });
    }
    return std::nullopt;
  }

  Depth Measure() {
    MutexLock lock(mutex_);
    CollectDue(clock_.Now());
    Depth depth{.delayed = delayed_.size(), .in_work = in_work_.used()};
    for (const auto& [group, keys] : due_) depth.due += keys.size();
    return depth;
  }

 private:
  // The number keeps keys with the same time in the order in which they were added.
  using Position = std::pair<SteadyTime, std::uint64_t>;
  using Order = std::map<Position, const Key*>;  // keys of entries_

  // A key that is delayed, due or in work; others have no entry. Guarded by mutex_.
  struct Entry {
    std::string group;
    int failures = 0;  // in a row
    // While it is delayed or due:
    Position position;  // in due_[group] if is_due, else in delayed_
    bool is_queued = false;
    bool is_due = false;
    // While it is in work:
    bool in_work = false;
    SharedResource::Grant turn;
    bool removed = false;             // since it was handed out
    std::optional<SteadyTime> again;  // the earliest time requested since
    typename Order::node_type place;  // reused, because Done must not fail and so not allocate
  };
  using EntryRef = typename Entries::iterator;
  using DueGroups = std::map<std::string, Order>;

  void Schedule(EntryRef ref, SteadyTime due) NODEKEEP_REQUIRES(mutex_) {
    Entry& entry = ref->second;
    if (entry.in_work) {
      entry.again = std::min(entry.again.value_or(due), due);
      return;
    }
    if (!entry.is_queued) {
      Order fresh;
      fresh.emplace(Position(), &ref->first);
      return Delay(entry, due, fresh.extract(fresh.begin()));
    }
    if (entry.is_due || entry.position.first <= due) return;
    Delay(entry, due, delayed_.extract(entry.position));
  }

  void Delay(Entry& entry, SteadyTime due, typename Order::node_type place)
      NODEKEEP_REQUIRES(mutex_) {
    entry.position = Position(due, ++added_);
    entry.is_queued = true;
    place.key() = entry.position;
    delayed_.insert(std::move(place));
    // Only a new first key shortens the wait in Get.
    if (delayed_.begin()->first != entry.position) return;
    ++changes_;
    changed_.notify_all();
  }

  void CollectDue(SteadyTime now) NODEKEEP_REQUIRES(mutex_) {
    while (!delayed_.empty() && delayed_.begin()->first.first <= now) {
      Entry& entry = entries_.find(*delayed_.begin()->second)->second;
      due_[entry.group].insert(delayed_.extract(delayed_.begin()));
      entry.is_due = true;
    }
  }

  // Round robin: the first group after latest_group_ that may have another key in work.
  typename DueGroups::iterator NextGroup() NODEKEEP_REQUIRES(mutex_) {
    auto group = due_.upper_bound(latest_group_);
    for (std::size_t seen = 0; seen < due_.size(); ++seen, ++group) {
      if (group == due_.end()) group = due_.begin();
      if (in_work_.MayTake(group->first, 1)) return group;
    }
    return due_.end();
  }

  EntryRef TakeFrom(typename DueGroups::iterator group) NODEKEEP_REQUIRES(mutex_) {
    // First, because it may throw.
    SharedResource::Grant turn = in_work_.TakeExisting(group->first, 1);
    latest_group_ = group->first;
    const EntryRef ref = entries_.find(*group->second.begin()->second);
    ref->second.place = group->second.extract(group->second.begin());
    if (group->second.empty()) due_.erase(group);
    ref->second.is_queued = false;
    ref->second.is_due = false;
    ref->second.in_work = true;
    ref->second.turn = std::move(turn);
    return ref;
  }

  void RemoveFromOrder(const Entry& entry) NODEKEEP_REQUIRES(mutex_) {
    if (!entry.is_queued) return;
    if (!entry.is_due) {
      delayed_.erase(entry.position);
      return;
    }
    const auto group = due_.find(entry.group);
    group->second.erase(entry.position);
    if (group->second.empty()) due_.erase(group);
  }

  // Called by Item.

  void AddAgain(EntryRef ref, SteadyTime due) {
    MutexLock lock(mutex_);
    if (!ref->second.removed) Schedule(ref, due);
  }

  Duration AddRetry(EntryRef ref) {
    const double jitter = 0.5 + rng_.Uniform() / 2;
    const SteadyTime now = clock_.Now();
    MutexLock lock(mutex_);
    Duration delay = options_.first_retry;
    for (int i = 0; i < ref->second.failures && delay < options_.longest_retry; ++i) delay *= 2;
    delay = std::chrono::duration_cast<Duration>(std::min(delay, options_.longest_retry) * jitter);
    if (ref->second.removed) return delay;
    ++ref->second.failures;
    Schedule(ref, now + delay);
    return delay;
  }

  void ForgetFailures(EntryRef ref) {
    MutexLock lock(mutex_);
    ref->second.failures = 0;
  }

  void Finish(EntryRef ref) noexcept {
    MutexLock lock(mutex_);
    Entry& entry = ref->second;
    entry.turn = SharedResource::Grant();
    entry.in_work = false;
    if (!due_.empty()) {
      // One that had no turn may have one now.
      ++changes_;
      changed_.notify_all();
    }
    if (!entry.again) {
      entries_.erase(ref);
      return;
    }
    Delay(entry, *std::exchange(entry.again, std::nullopt), std::move(entry.place));
  }

  const Options options_;
  const Clock& clock_;
  Rng& rng_;
  SharedResource in_work_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  Entries entries_ NODEKEEP_GUARDED_BY(mutex_);
  Order delayed_ NODEKEEP_GUARDED_BY(mutex_);
  DueGroups due_ NODEKEEP_GUARDED_BY(mutex_);  // by group; no group is empty
  std::string latest_group_ NODEKEEP_GUARDED_BY(mutex_);
  std::uint64_t added_ NODEKEEP_GUARDED_BY(mutex_) = 0;
  std::uint64_t changes_ NODEKEEP_GUARDED_BY(mutex_) = 0;
};

}  // namespace nodekeep

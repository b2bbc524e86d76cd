#pragma once

// A table of bounded size that namespaces share, for what may be dropped.
//
// Over its capacity it drops the least recently used item of the namespace that holds most. So a
// namespace that is alone may fill the table, and one that fills it displaces its own items, never
// those of a namespace that holds less. The namespace "" counts like any other.
//
// Not thread-safe. Removed items are returned, so that the caller can destroy them after it has
// released its lock.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nodekeep {

// Key: ordered.
template <typename Key, typename Value>
class FairTable {
  struct Owner {
    std::size_t size = 0;
    std::list<const Key*> least_recent_first;  // keys of slots_
  };
  using Owners = std::map<std::string, Owner>;  // by namespace; none is empty
  struct Slot {
    Value value;
    std::size_t size = 0;
    typename Owners::iterator owner;
    typename std::list<const Key*>::iterator place;
  };
  using Slots = std::map<Key, Slot>;

 public:
  using Removed = std::vector<typename Slots::node_type>;

  // `capacity`: of all items together, in the unit of their sizes.
  explicit FairTable(std::size_t capacity) : capacity_(capacity) {}

  // Null if there is none. Valid until the table changes.
  Value* Find(const Key& key) {
    const auto found = slots_.find(key);
    return found == slots_.end() ? nullptr : &found->second.value;
  }
  const Value* Find(const Key& key) const { return const_cast<FairTable*>(this)->Find(key); }
  bool Contains(const Key& key) const { return slots_.contains(key); }
  // As Find; the item becomes the most recently used of its namespace.
  Value* Use(const Key& key) {
    const auto found = slots_.find(key);
    if (found == slots_.end()) return nullptr;
    std::list<const Key*>& order = found->second.owner->second.least_recent_first;
    order.splice(order.end(), order, found->second.place);
    return &found->second.value;
  }

  // Replaces the item of `key`, whose namespace may have been another one. An item larger than the
  // capacity is not stored.
  Removed Put(const std::string& namespace_name, const Key& key, Value value, std::size_t size) {
    Removed removed = Erase(key);
    if (size > capacity_) return removed;
    const auto owner = owners_.try_emplace(namespace_name).first;
    const auto slot = slots_.emplace(key, Slot{std::move(value), size, owner, {}}).first;
    std::list<const Key*>& order = owner->second.least_recent_first;
    slot->second.place = order.insert(order.end(), &slot->first);
    owner->second.size += size;
    size_ += size;
    Shrink(removed);
    return removed;
  }

  Removed Erase(const Key& key) {
    Removed removed;
    const auto found = slots_.find(key);
    if (found != slots_.end()) Take(found, removed);
    return removed;
  }
  // `matches`: called with key and value.
  template <typename Matches>
  Removed EraseIf(const Matches& matches) {
    Removed removed;
    for (auto slot = slots_.begin(); slot != slots_.end();) {
      const auto next = std::next(slot);
      if (matches(slot->first, slot->second.value)) Take(slot, removed);
      slot = next;
    }
    return removed;
  }
  // Erases the items from `first` on, in the order of the keys, while `matches(key)` holds.
  template <typename Matches>
  Removed EraseWhile(const Key& first, const Matches& matches) {
    Removed removed;
    for (auto slot = slots_.lower_bound(first); slot != slots_.end() && matches(slot->first);) {
      const auto next = std::next(slot);
      Take(slot, removed);
      slot = next;
    }
    return removed;
  }
  // The least recently used item of that namespace; nothing if it has none.
  Removed EraseOldestOf(const std::string& namespace_name) {
    const auto owner = owners_.find(namespace_name);
    return owner == owners_.end() ? Removed() : Erase(*owner->second.least_recent_first.front());
  }
  // The namespace that holds most; "" if the table is empty.
  std::string LargestOwner() const {
    const auto largest = std::max_element(
        owners_.begin(), owners_.end(),
        [](const auto& a, const auto& b) { return a.second.size < b.second.size; });
    return largest == owners_.end() ? std::string() : largest->first;
  }
  Removed SetCapacity(std::size_t capacity) {
    Removed removed;
    capacity_ = capacity;
    Shrink(removed);
    return removed;
  }
  void Clear() {
    slots_.clear();
    owners_.clear();
    size_ = 0;
  }

  // In the order of the keys: visit(key, value, size).
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const auto& [key, slot] : slots_) visit(key, slot.value, slot.size);
  }

  std::size_t count() const { return slots_.size(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }

 private:
  void Shrink(Removed& removed) {
    while (size_ > capacity_) {
      // A full table only; the namespaces of one node are few.
      const auto largest = std::max_element(
          owners_.begin(), owners_.end(),
          [](const auto& a, const auto& b) { return a.second.size < b.second.size; });
      Take(slots_.find(*largest->second.least_recent_first.front()), removed);
    }
  }

  void Take(typename Slots::iterator slot, Removed& removed) {
    const auto owner = slot->second.owner;
    owner->second.size -= slot->second.size;
    size_ -= slot->second.size;
    owner->second.least_recent_first.erase(slot->second.place);
    if (owner->second.least_recent_first.empty()) owners_.erase(owner);
    removed.push_back(slots_.extract(slot));
  }

  std::size_t capacity_;
  std::size_t size_ = 0;
  Owners owners_;
  Slots slots_;
};

}  // namespace nodekeep

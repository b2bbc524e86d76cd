#include "agent/base/shared_resource.h"

#include <algorithm>
#include <utility>

namespace nodekeep {

struct SharedResource::State {
  explicit State(Options options)
      : name(options.name), on_refusal(std::move(options.on_refusal)), capacity(options.capacity) {}

  bool Fits(const std::string& namespace_name, std::size_t amount) const NODEKEEP_REQUIRES(mutex) {
    if (amount == 0) return true;
    const std::size_t free = capacity > total ? capacity - total : 0;
    if (amount > free) return false;
    if (namespace_name.empty()) return true;
    const auto found = by_namespace.find(namespace_name);
    const std::size_t held = found == by_namespace.end() ? 0 : found->second;
    // The last unit goes to one that holds nothing.
    return held + amount <= std::max<std::size_t>(free - amount, 1);
  }

  void Add(const std::string& namespace_name, std::size_t amount) NODEKEEP_REQUIRES(mutex) {
    if (amount == 0) return;
    by_namespace[namespace_name] += amount;
    total += amount;
  }

  bool TryAdd(const std::string& namespace_name, std::size_t amount) {
    {
      MutexLock lock(mutex);
      if (Fits(namespace_name, amount)) {
        Add(namespace_name, amount);
        return true;
      }
    }
    if (on_refusal) on_refusal(name, namespace_name);
    return false;
  }

  void Subtract(const std::string& namespace_name, std::size_t amount) {
    if (amount == 0) return;
    MutexLock lock(mutex);
    const auto found = by_namespace.find(namespace_name);
    found->second -= amount;
    if (found->second == 0) by_namespace.erase(found);
    total -= amount;
  }

  const std::string_view name;
  const RefusalReporter on_refusal;

  mutable Mutex mutex;
  std::size_t capacity NODEKEEP_GUARDED_BY(mutex);
  std::size_t total NODEKEEP_GUARDED_BY(mutex) = 0;
  std::map<std::string, std::size_t> by_namespace NODEKEEP_GUARDED_BY(mutex);  // no zeros
};

SharedResource::SharedResource(Options options)
    : state_(std::make_shared<State>(std::move(options))) {}

SharedResource::Grant::Grant(Grant&& other) noexcept
    : state_(std::move(other.state_)),
      namespace_(std::move(other.namespace_)),
      amount_(std::exchange(other.amount_, 0)) {}

SharedResource::Grant& SharedResource::Grant::operator=(Grant&& other) noexcept {
  if (this == &other) return *this;
  if (state_) state_->Subtract(namespace_, amount_);
  state_ = std::move(other.state_);
  namespace_ = std::move(other.namespace_);
  amount_ = std::exchange(other.amount_, 0);
  return *this;
}

SharedResource::Grant::~Grant() {
  if (state_) state_->Subtract(namespace_, amount_);
}

bool SharedResource::Grant::Resize(std::size_t amount) {
  if (amount > amount_) {
    if (!state_->TryAdd(namespace_, amount - amount_)) return false;
  } else {
    state_->Subtract(namespace_, amount_ - amount);
  }
  amount_ = amount;
  return true;
}

std::optional<SharedResource::Grant> SharedResource::TryTake(const std::string& namespace_name,
                                                             std::size_t amount) {
  Grant grant(state_, namespace_name, 0);  // allocates before anything is taken
  if (!state_->TryAdd(namespace_name, amount)) return std::nullopt;
  grant.amount_ = amount;
  return grant;
}

SharedResource::Grant SharedResource::TakeExisting(const std::string& namespace_name,
                                                   std::size_t amount) {
  Grant grant(state_, namespace_name, 0);
  MutexLock lock(state_->mutex);
  state_->Add(namespace_name, amount);
  grant.amount_ = amount;
  return grant;
}

bool SharedResource::MayTake(const std::string& namespace_name, std::size_t amount) const {
  MutexLock lock(state_->mutex);
  return state_->Fits(namespace_name, amount);
}

std::size_t SharedResource::capacity() const {
  MutexLock lock(state_->mutex);
  return state_->capacity;
}

void SharedResource::SetCapacity(std::size_t capacity) {
  MutexLock lock(state_->mutex);
  state_->capacity = capacity;
}

std::size_t SharedResource::used() const {
  MutexLock lock(state_->mutex);
  return state_->total;
}

std::vector<SharedResource::Usage> SharedResource::List() const {
  std::vector<Usage> list;
  MutexLock lock(state_->mutex);
  for (const auto& [namespace_name, amount] : state_->by_namespace) {
    list.push_back({namespace_name, amount});
  }
  return list;
}

}  // namespace nodekeep

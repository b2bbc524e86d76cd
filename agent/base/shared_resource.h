#pragma once

// A bounded resource of the node (threads, connections, bytes), shared fairly by namespaces.
//
// A namespace may take as much as stays free afterwards, no more. So one that is alone gets half of
// the capacity, of what is released and taken again each of n equally greedy ones gets 1/(n+1),
// and something is left for one that comes later, down to the last unit. What is held is never
// taken away. Nothing needs to be known about who else will come.
//
// The node's own work has the namespace "" and may take all that is free.
//
// Thread-safe. Grants may outlive the resource.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/mutex.h"

namespace nodekeep {

// Called for each refusal, without a lock: name of the resource, namespace.
using RefusalReporter = std::function<void(std::string_view resource, const std::string&)>;

class SharedResource {
  struct State;

 public:
  struct Options {
    std::string_view name;     // a constant: label of the metric, such as "volume_bytes"
    std::size_t capacity = 0;  // in units of the resource
    RefusalReporter on_refusal{};
  };
  struct Usage {
    std::string namespace_name;
    std::size_t amount = 0;
  };

  explicit SharedResource(Options options);

  // An amount that a namespace holds; released on destruction. Empty when default constructed.
  // Not thread-safe.
  class Grant {
   public:
    Grant() = default;
    Grant(Grant&& other) noexcept;
    Grant& operator=(Grant&& other) noexcept;
    ~Grant();

    std::size_t amount() const { return amount_; }
    // Takes more, or gives some back. False: refused, the amount is unchanged; never when it
    // shrinks. Precondition: not empty.
    bool Resize(std::size_t amount);

   private:
    friend class SharedResource;
    Grant(std::shared_ptr<State> state, std::string namespace_name, std::size_t amount)
        : state_(std::move(state)), namespace_(std::move(namespace_name)), amount_(amount) {}

    std::shared_ptr<State> state_;
    std::string namespace_;
    std::size_t amount_ = 0;
  };

  // nullopt: it would exceed the share of the namespace; reported as a refusal. An amount of zero
  // is always granted, for a Grant that grows later.
  std::optional<Grant> TryTake(const std::string& namespace_name, std::size_t amount);
  // For amounts that exist already, such as the content of volumes found after a restart: may
  // exceed the share and the capacity.
  Grant TakeExisting(const std::string& namespace_name, std::size_t amount);
  // What TryTake would grant now; not reported.
  bool MayTake(const std::string& namespace_name, std::size_t amount) const;

  std::size_t capacity() const;
  void SetCapacity(std::size_t capacity);
  std::size_t used() const;
  // Sorted by namespace; without those that hold nothing.
  std::vector<Usage> List() const;

 private:
  const std::shared_ptr<State> state_;
};

}  // namespace nodekeep

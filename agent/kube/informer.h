#pragma once

// Reports the changes of one selection of objects, from list and watch.
//
// The handler is called for each change, in the order of the API server, one at a time. While the
// server is unreachable there are no changes, so the state that a handler has collected may be
// older than the response to a GET: code that needs the current state must send one.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "agent/kube/kube_request.h"
#include "agent/kube/reflector.h"
#include "agent/kube/watch_loop.h"

namespace nodekeep {

// An object was added (`before` is null), changed, or deleted (`after` is null). An object that was
// replaced by another of the same name is reported as deleted, then as added.
struct ObjectChange {
  std::string namespace_name;  // "" for cluster-scoped objects
  std::string name;
  std::shared_ptr<const Json> before;
  std::shared_ptr<const Json> after;
};

// Thread-safe. `loop` must outlive this object.
class Informer final : private WatchLoop::Member, private Reflector::Target {
 public:
  struct Options {
    KubeSelection selection;
    // Returns the part of an object that is kept in memory and passed to the handler; null = all of
    // it. A change outside of that part is not reported. Runs on the watch loop's thread, like the
    // handler. Objects of a list have no apiVersion and kind.
    std::function<Json(const Json& object)> keep = nullptr;
  };
  // Called on the watch loop's thread, which serves all other watches too, so it must return at
  // once (put a key into a queue). Must not destroy the informer. Objects of the first list are
  // reported as added.
  using Handler = std::function<void(const ObjectChange& change)>;

  Informer(WatchLoop& loop, Options options, Handler handler);
  // Waits for a call of the handler in progress; the handler is not called afterwards.
  ~Informer() override;

  // True once the first list is complete and the handler has been called for all of its objects.
  bool synced() const;
  // Waits until synced(). Errors: the context's, with the reason why there is no list.
  Status AwaitSynced(const Context& context) const;
  // Why changes cannot be received at present; nullopt while they are.
  std::optional<Error> trouble() const;

 private:
  struct Key {
    std::string namespace_name;
    std::string name;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    std::string uid;
    std::string resource_version;
    std::shared_ptr<const Json> object;
  };

  SteadyTime Advance(SteadyTime now) override { return reflector_.Advance(now); }
  void OnListBegin() override;
  void OnListed(Json object) override;
  void OnListEnd() override;
  void OnChange(Json object, bool gone) override;
  void OnTrouble(const std::optional<Error>& error) override;

  // These update known_ and call the handler.
  void Store(const Json& object);
  void Erase(const Key& key);

  WatchLoop& loop_;
  const Options options_;
  const Handler handler_;

  std::set<Key> listed_;        // by the list in progress; loop thread only
  std::map<Key, Entry> known_;  // loop thread only

  mutable Mutex mutex_;
  mutable std::condition_variable_any changed_;
  bool synced_ NODEKEEP_GUARDED_BY(mutex_) = false;
  std::optional<Error> trouble_ NODEKEEP_GUARDED_BY(mutex_);

  Reflector reflector_;  // loop thread only
};

}  // namespace nodekeep

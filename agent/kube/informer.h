#pragma once

// What the cluster says about one selection of objects, kept up to date in memory.
//
// The newest state of each object is found by namespace and name; changes are told to a handler, in
// the order in which they came, one at a time. While the API server cannot be reached the last
// known state stays. It may be older than a live GET: who must not be wrong asks the server.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/kube/kube_request.h"
#include "agent/kube/reflector.h"
#include "agent/kube/watch_loop.h"

namespace nodekeep {

// An object appeared (`before` is null), changed, or is gone (`after` is null). An object that was
// replaced by another of its name goes and appears.
struct ObjectChange {
  std::string namespace_name;  // "" for objects of the cluster
  std::string name;
  std::shared_ptr<const Json> before;
  std::shared_ptr<const Json> after;
};

// Thread-safe. `loop` outlives it.
class Informer final : private WatchLoop::Member, private Reflector::Target {
 public:
  using Object = std::shared_ptr<const Json>;

  struct Options {
    KubeSelection selection;
    // What is kept of an object; null = all of it. An update in which nothing kept has changed is
    // not told. Runs on the watch loop's thread, as does the handler. Objects of a list come
    // without apiVersion and kind.
    std::function<Json(const Json& object)> keep = nullptr;
  };
  // Called on the watch loop's thread, where all other watches wait for it: puts a key into a queue
  // and returns. Must not destroy the informer. Objects of the first list are told too.
  using Handler = std::function<void(const ObjectChange& change)>;

  Informer(WatchLoop& loop, Options options, Handler handler);
  // Once it returns, the handler is not called any more.
  ~Informer() override;

  // True once all objects have been listed, and told, for the first time.
  bool synced() const;
  // Waits for that. Errors: the context's, with what keeps it from succeeding.
  Status AwaitSynced(const Context& context) const;
  // Null when there is no such object, or none yet.
  Object Find(std::string_view namespace_name, std::string_view name) const;
  std::vector<Object> All() const;
  // What keeps it from following at this moment: it serves what it knew before. Nothing if all is
  // well.
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
    Object object;
  };

  SteadyTime MoveOn(SteadyTime now) override { return reflector_.MoveOn(now); }
  void OnListBegin() override;
  void OnListed(Json object) override;
  void OnListEnd() override;
  void OnChange(Json object, bool gone) override;
  void OnTrouble(const std::optional<Error>& error) override;

  // These change what is known and tell the handler.
  void Put(const Json& object);
  void Take(const Key& key);

  WatchLoop& loop_;
  const Options options_;
  const Handler handler_;

  std::set<Key> listed_;  // by the list under way; loop thread only

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  // Guarded by mutex_; written by the loop thread only.
  std::map<Key, Entry> known_;
  bool synced_ = false;
  std::optional<Error> trouble_;

  Reflector reflector_;  // loop thread only
};

}  // namespace nodekeep

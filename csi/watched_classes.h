#pragma once

// The SecretProviderClasses that volumes of this node use, each kept up to date by a watch of that
// class alone; other classes are read when they are needed.
//
// Thread-safe.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/kube/informer.h"
#include "csi/class_source.h"

namespace nodekeep {

class WatchedClasses final : public ClassSource {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  // Called when a class was changed or deleted, on the watch loop's thread: must return at once.
  using OnChange = std::function<void(const Key& key)>;

  // `live` reads the classes that are not watched. `loop` and `live` must outlive this object.
  WatchedClasses(WatchLoop& loop, ClassSource& live, OnChange on_change);

  Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                       const std::string& name) override;

  // Ends the watches of classes that are not in use now and were not at the last call either.
  void KeepOnly(const std::set<Key>& in_use);

 private:
  struct Watch {
    explicit Watch(ClassPtr seen) : value(std::move(seen)) {}

    Mutex mutex;
    ClassPtr value NODEKEEP_GUARDED_BY(mutex);  // parsed from the newest object
    // Why the newest object cannot be parsed.
    std::optional<Error> error NODEKEEP_GUARDED_BY(mutex);
    bool reported NODEKEEP_GUARDED_BY(mutex) = false;  // whether the watch has reported an object
    // Last of what its handler uses, so that it is destroyed first.
    std::unique_ptr<Informer> informer NODEKEEP_GUARDED_BY(mutex);
    bool unused = false;  // guarded by WatchedClasses::mutex_: at the last KeepOnly
  };
  using WatchPtr = std::shared_ptr<Watch>;

  WatchPtr Find(const Key& key);
  void Start(const Key& key, ClassPtr seen);

  WatchLoop& loop_;
  ClassSource& live_;
  const OnChange on_change_;

  Mutex mutex_;
  std::map<Key, WatchPtr> watches_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

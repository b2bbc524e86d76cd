#pragma once

// SecretProviderClasses that volumes of this node use, each kept up to date by a watch of just that
// class; any other is asked for when it is needed.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "agent/kube/informer.h"
#include "csi/class_source.h"

namespace nodekeep {

class WatchedClasses final : public ClassSource {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  // A class is not what it was. From the watch loop's thread: returns at once.
  using OnChange = std::function<void(const Key& key)>;

  // `live` answers what no watch knows. Both outlive it.
  WatchedClasses(WatchLoop& loop, ClassSource& live, OnChange on_change);

  Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                       const std::string& name) override;

  // Ends the watches of classes that are not in use, if they were not at the last call either.
  void KeepOnly(const std::set<Key>& in_use);

 private:
  struct Watch {
    std::mutex mutex;
    ClassPtr value;              // guarded by mutex; as read from the newest object
    std::optional<Error> fault;  // guarded by mutex; why that cannot be read
    std::unique_ptr<Informer> informer;
    bool unused = false;  // of the owner's lock: at the last KeepOnly
  };
  using WatchPtr = std::shared_ptr<Watch>;

  WatchPtr Find(const Key& key);
  void Start(const Key& key, ClassPtr seen);

  WatchLoop& loop_;
  ClassSource& live_;
  const OnChange on_change_;

  std::mutex mutex_;
  std::map<Key, WatchPtr> watches_;  // guarded by mutex_
};

}  // namespace nodekeep

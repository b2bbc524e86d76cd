#pragma once

// The SecretProviderClasses that volumes of this node use, each kept up to date by a watch of that
// class alone; other classes are read when they are needed.
//
// Each watch occupies a stream, or with HTTP/1.1 a connection, of the API server, so their number
// is bounded and shared by namespaces. A class over the share of its namespace is served all the
// same, but it is read for each Get, and its changes are not reported. A class over kMaxKeptClass
// is watched, but read for each Get.
//
// Thread-safe.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/base/shared_resource.h"
#include "agent/kube/informer.h"
#include "csi/class_source.h"

namespace nodekeep {

class WatchedClasses final : public ClassSource {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  // Called when a class was changed or deleted, on the watch loop's thread: must return at once.
  using OnChange = std::function<void(const Key& key)>;

  // `live` reads the classes that are not watched. `watches`: how many may be watched. `loop`,
  // `live` and `watches` must outlive this object.
  WatchedClasses(WatchLoop& loop, ClassSource& live, SharedResource& watches, OnChange on_change);

  Result<ClassPtr> Get(const Context& context, const std::string& namespace_name,
                       const std::string& name) override;

  // Ends the watches of classes that are not in use now and were not at the last call either.
  void KeepOnly(const std::set<Key>& in_use);

 private:
  struct Watch {
    Watch(const ClassPtr& seen, SharedResource::Grant its_grant);

    // Parses an object for the handler; returns the part that the informer keeps.
    Json Keep(const Json& object);
    // Takes over what Keep has parsed last, or that the class is gone. False: it is known already.
    bool Update(bool is_gone);

    std::optional<Result<ClassPtr>> parsed;  // loop thread only

    Mutex mutex;
    std::string version NODEKEEP_GUARDED_BY(mutex);  // of the newest object; "" = it is gone
    // Parsed from the newest object; null if it is gone, too large to be kept, or not valid.
    ClassPtr value NODEKEEP_GUARDED_BY(mutex);
    // Why the newest object cannot be parsed.
    std::optional<Error> error NODEKEEP_GUARDED_BY(mutex);
    bool reported NODEKEEP_GUARDED_BY(mutex) = false;  // whether the watch has reported an object
    SharedResource::Grant grant;
    // Last of what its handler uses, so that it is destroyed first.
    std::unique_ptr<Informer> informer NODEKEEP_GUARDED_BY(mutex);
    bool unused = false;  // guarded by WatchedClasses::mutex_: at the last KeepOnly
  };
  using WatchPtr = std::shared_ptr<Watch>;

  WatchPtr Find(const Key& key);
  void Start(const Key& key, const ClassPtr& seen);

  WatchLoop& loop_;
  ClassSource& live_;
  SharedResource& shares_;
  const OnChange on_change_;

  Mutex mutex_;
  std::map<Key, WatchPtr> watches_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

#pragma once

// The pods of this node, kept up to date by one watch.
//
// Thread-safe.

#include <memory>
#include <optional>
#include <string>

#include "agent/base/mutex.h"
#include "agent/kube/informer.h"
#include "csi/pod_source.h"

namespace nodekeep {

class WatchedPods final : public PodSource {
 public:
  // `loop` must outlive this object.
  WatchedPods(WatchLoop& loop, const std::string& node_name);

  Result<std::shared_ptr<const PodsByUid>> OnNode(const Context& context) override;

  // Ok while the watch works.
  Status state() const;

 private:
  void Apply(const ObjectChange& change);

  Mutex mutex_;
  PodsByUid pods_ NODEKEEP_GUARDED_BY(mutex_);
  // Of pods_; null = pods_ has changed since.
  std::shared_ptr<const PodsByUid> snapshot_ NODEKEEP_GUARDED_BY(mutex_);

  Informer informer_;  // last: its handler uses all of the above
};

}  // namespace nodekeep

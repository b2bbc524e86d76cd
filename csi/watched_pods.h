#pragma once

// The pods of this node, by one watch.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/kube/informer.h"
#include "csi/pod_source.h"

namespace nodekeep {

class WatchedPods final : public PodSource {
 public:
  // `loop` outlives it.
  WatchedPods(WatchLoop& loop, const std::string& node_name);

  Result<std::shared_ptr<const PodsByUid>> OnNode(const Context& context) override;

  // Ok while the API server can be followed.
  Status state() const;

 private:
  void Take(const ObjectChange& change);

  std::mutex mutex_;
  // Guarded by mutex_.
  PodsByUid pods_;
  std::shared_ptr<const PodsByUid> published_;  // null = pods_ has changed since

  Informer informer_;  // last: its handler uses all of the above
};

}  // namespace nodekeep

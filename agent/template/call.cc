#include "agent/template/call.h"

namespace nodekeep::go {

Call::~Call() {
  // Opens cycles. Each map is still held by the list, so no destructor recurses from one map into
  // the next.
  for (const std::shared_ptr<Map>& map : changed_maps_) map->clear();
}

Status Call::Charge(std::size_t bytes) {
  if (bytes > limits_.memory - memory_) {
    return Error::Format(ErrorCode::kTooLarge,
                         "the values made by this template take more than {} bytes",
                         limits_.memory);
  }
  memory_ += bytes;
  return {};
}

Status Call::Step(std::uint64_t count) {
  if (count > limits_.steps - steps_) {
    return Error::Format(ErrorCode::kTooLarge, "this template takes more than {} steps",
                         limits_.steps);
  }
  steps_ += count;
  return {};
}

Status Call::SlowStep() {
  if (slow_calls_ == limits_.slow_calls) {
    return Error::Format(ErrorCode::kTooLarge,
                         "this template makes more than {} keys and password hashes (an RSA key "
                         "of 4096 bits counts as 5)",
                         limits_.slow_calls);
  }
  ++slow_calls_;
  return {};
}

}  // namespace nodekeep::go

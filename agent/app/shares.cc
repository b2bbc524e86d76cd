#include "agent/app/shares.h"

#include <algorithm>

namespace nodekeep {
namespace {

constexpr std::size_t kIdentities = 256;
constexpr std::size_t kClassBytes = std::size_t{48} << 20;
constexpr std::size_t kRotationBytes = std::size_t{32} << 20;
constexpr std::size_t kAnswerBytes = std::size_t{128} << 20;

}  // namespace

Shares::Shares(const Config& config, const RefusalReporter& on_refusal)
    : class_watches({.name = "class_watches", .capacity = kClassWatches, .on_refusal = on_refusal}),
      leases({.name = "leases", .capacity = kLeases, .on_refusal = on_refusal}),
      class_bytes({.name = "class_bytes", .capacity = kClassBytes, .on_refusal = on_refusal}),
      backend_requests({.name = "backend_requests", .capacity = kBackendRequests}),
      answer_bytes({.name = "answer_bytes", .capacity = kAnswerBytes, .on_refusal = on_refusal}),
      volume_bytes({.name = "volume_bytes",
                    .capacity = config.driver.volumes_total_bytes,
                    .on_refusal = on_refusal}),
      rotation_bytes(
          {.name = "rotation_bytes",
           .capacity = std::max<std::size_t>(kRotationBytes, 2 * config.driver.volume_bytes),
           .on_refusal = on_refusal}),
      identities({.name = "kept_identities", .capacity = kIdentities, .on_refusal = on_refusal}) {}

}  // namespace nodekeep

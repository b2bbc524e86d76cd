#pragma once

// One inline volume of one pod.

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/secrets/bundle.h"

namespace nodekeep {

// Kubelet's latest request for the volume. Immutable; replaced by the next request.
struct Volume {
  std::string id;
  std::string target_path;
  std::string class_name;
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string service_account;
  // volume_context as sent, without the tokens.
  std::map<std::string, std::string> attributes;
  SecretBytes tokens;                             // as kubelet sent them; empty = none
  std::map<std::string, SecretBytes> secrets;     // nodePublishSecretRef
  std::optional<gid_t> group;                     // fsGroup
  bool read_only = false;
  // Found on the node after a restart; kubelet has sent no request since, so there are no tokens.
  bool recovered = false;
  // Has a nodePublishSecretRef whose secrets are missing: only kubelet's request contains them.
  bool lacks_secrets = false;

  // "namespace/pod".
  std::string Text() const { return namespace_name + "/" + pod; }
};

using VolumePtr = std::shared_ptr<const Volume>;

// The state of a mounted volume.
struct VolumeState {
  std::string provider;                 // "" = not known yet
  std::vector<ObjectVersion> versions;  // as last written
  WallTime current_at{};                // when the backend last confirmed the content; 0 = not yet
  // Of the class, when it was last read; zero: not known, or the default.
  Duration refresh_after = Duration::zero();
  std::string error;         // why the latest refresh failed, "" = it did not
  WallTime failing_since{};  // first of the failures in a row
  bool stale = false;        // last good values are served
  bool slow = false;         // the latest refresh took long: counts as failing for its turn
  std::string mirror_error;  // why the mirrored objects do not match the content, "" = they do
  int mirror_failures = 0;   // in a row
};

// In one word: "current", "stale" (last good values are served), "failing" (the latest refresh
// failed), "taken_over" (found on the node, not refreshed since).
std::string_view StateNameOf(const VolumeState& state);

// For users: "up to date", "rotation failing since 2026-01-31T12:00:00.000Z: <why>".
std::string ConditionOf(const VolumeState& state);

struct VolumeRecord {
  VolumePtr volume;
  VolumeState state;
};

// Target paths are unmounted and removed recursively, so a path must be plain: absolute, without
// "." and "..", and not the root. Errors: kInvalid.
Status CheckTargetPath(std::string_view path);

// What a target path says: <root>/pods/<uid>/volumes/kubernetes.io~csi/<volume>/mount
// (docs/protocol/csi-driver.md, "Target path").
struct TargetParts {
  std::string pod_uid;
  std::string volume_name;
};
std::optional<TargetParts> ReadTargetPath(std::string_view path);

}  // namespace nodekeep

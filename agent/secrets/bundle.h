#pragma once

// The outcome of a fetch: the complete content of one volume. Move-only, because it holds secrets.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

struct BundleFile {
  std::string path;
  std::uint32_t mode = 0644;
  SecretBytes contents;
};

struct ObjectVersion {
  std::string id;
  std::string version;
};

// What it took: for the log line, the metrics and `status`. Counts are of distinct refs.
struct FetchReport {
  std::size_t refs = 0;
  std::size_t hits = 0;           // served from memory, fresh
  std::size_t backend_reads = 0;  // asked of the backend by this very request
  std::size_t logins = 0;         // made by this very request
  std::size_t stale = 0;          // last good values standing in for a backend that is down
  Duration stale_age = Duration::zero();  // of the oldest of them
  std::string stale_reason;       // why the backend could not be asked
  Duration refresh_after = Duration::zero();  // of the mount's policy; zero = not known
};

struct Bundle {
  std::vector<BundleFile> files;        // list order of the manifest
  std::vector<ObjectVersion> versions;  // never empty
  FetchReport report;
};

}  // namespace nodekeep

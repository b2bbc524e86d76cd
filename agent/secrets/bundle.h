#pragma once

// The complete content of one volume. Move-only, because it holds secrets.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/secret_bytes.h"
#include "agent/base/shared_resource.h"
#include "agent/secrets/read_report.h"

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

struct Bundle {
  std::vector<BundleFile> files;  // list order of the manifest
  // Paths of optional files that do not exist, and of all optional folders: a file of one that is
  // not among `files` may be missing.
  std::vector<std::string> absent;
  std::vector<ObjectVersion> versions;  // never empty
  ReadReport report;
  SharedResource::Grant memory;  // the share that the files take
};

}  // namespace nodekeep

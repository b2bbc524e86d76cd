#pragma once

// Atomically replaces the files of a directory by a complete new set.
//
// The layout is that of kubelet's secret volumes (Kubernetes, pkg/volume/util/atomic_writer.go):
//
//   ..2026_01_31_12_00_00.123456/   the set; mode 0755, a new directory for each change
//   ..data -> ..2026_01_31_12_00_00.123456
//   db.yaml -> ..data/db.yaml       one link per first path element
//
// A change renames a new link over `..data`. If the process is killed at any point, or a write
// fails, readers see the complete old set or the complete new set; the next Write removes
// leftovers. (Plain files that existed before the first Write are not behind `..data`: they are
// replaced by links one by one, each atomically.) Nothing is flushed to disk: the volume is a tmpfs
// and does not survive a reboot.
//
// A container that mounted a file with subPath keeps the file it started with.
//
// Different directories may be written concurrently; the caller must ensure that a directory has
// one writer at a time. Files and directories that the writer did not create stay in place, and
// symbolic links are not followed out of the directory.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"
#include "agent/sink/directory.h"

namespace nodekeep {

struct WriteOutcome {
  // A new set was written. Otherwise the directory already contained exactly these files, with
  // these contents, modes and owners; at most links were repaired and leftovers removed.
  bool changed = false;
  // Paths of new, changed and removed files.
  std::vector<std::string> added;
  std::vector<std::string> updated;
  std::vector<std::string> removed;
  // What could not be removed, and why. Not an error: the new set is complete, and the next Write
  // retries.
  std::vector<std::string> leftovers;
};

// The memory that a set takes on a tmpfs, at most: whole pages, inodes, and the links to it.
std::size_t TmpfsSizeOf(const std::vector<BundleFile>& files);

class AtomicWriter {
 public:
  struct Options {
    // Owner of the files; nullopt: this process. Directories always belong to this process.
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    // Called before a new set is written, with the bytes that it takes (TmpfsSizeOf). An error
    // ends the write: the old set stays.
    std::function<Status(std::size_t)> reserve{};
  };

  // `directory` must exist when Write is called. `clock` is for the names of sets and must outlive
  // the writer.
  AtomicWriter(std::string directory, const Clock& clock, Options options);
  AtomicWriter(std::string directory, const Clock& clock)
      : AtomicWriter(std::move(directory), clock, Options()) {}
  // For a directory that is open: whatever happens to its path, all is written into it.
  AtomicWriter(Directory directory, const Clock& clock, Options options);

  // `files` is the complete set: files not in it are removed. Modes are applied, 0000 included.
  // Errors name the file and the step, and say which set is visible ("the old set stays"): kInvalid
  // (a path refused by CheckVolumePath, a duplicate path, a path below a file), kTooLarge (no
  // space), kPrecondition (no such directory, no permission), kInternal.
  Result<WriteOutcome> Write(const std::vector<BundleFile>& files) const;
  Result<WriteOutcome> Write(const Bundle& bundle) const { return Write(bundle.files); }

 private:
  const std::string path_;
  const std::optional<Directory> directory_;  // empty: Write opens `path_`
  const Clock& clock_;
  const Options options_;
};

}  // namespace nodekeep

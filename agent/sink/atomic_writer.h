#pragma once

// Puts a complete set of files into a directory, all at once.
//
// The layout is kubelet's own for secret volumes (csi.md 2.6):
//
//   ..2026_01_31_12_00_00.123456/   the set; 0755, made anew for each change
//   ..data -> ..2026_01_31_12_00_00.123456
//   db.yaml -> ..data/db.yaml       one link per first path element
//
// A change renames a new link over `..data`. A process that dies at any point, or a write that
// fails, leaves the old set or the new set to be seen through the links, never a mix; the next
// Write removes what was left behind. (Files that stood there as plain files before the first Write
// have no `..data` to swap: those become links one name after the other, each without a gap.)
// Nothing is flushed to disk: the volume is a tmpfs and does not outlive the machine.
//
// A container that mounted a file with subPath keeps the file it started with.
//
// Distinct directories may be written concurrently; the caller sees to it that one directory has
// one writer at a time. Names that are not the writer's are left alone, and no symbolic link leads
// it out of the directory.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"

namespace nodekeep {

struct WriteOutcome {
  // A new set was put in place. Else the directory held exactly these files, with these contents,
  // modes and owners; at most links were mended and leftovers removed.
  bool changed = false;
  // Paths of files that were not there before, that differ from before, and that are gone.
  std::vector<std::string> added;
  std::vector<std::string> updated;
  std::vector<std::string> removed;
  // What could not be removed, and why. Not a failure: the new set is complete, and the next Write
  // tries again.
  std::vector<std::string> leftovers;
};

class AtomicWriter {
 public:
  struct Options {
    // Owner of the files (not of the directories, which stay the writer's); absent: the writer.
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    // Told of each step once it is done: "write a/b", "swap ..data". It only looks on; a test uses
    // it to end the process between two steps.
    std::function<void(std::string_view step)> observer;
  };

  // `directory` must exist by the time of Write. `clock` dates the sets and outlives the writer.
  AtomicWriter(std::string directory, const Clock& clock, Options options);
  AtomicWriter(std::string directory, const Clock& clock)
      : AtomicWriter(std::move(directory), clock, Options()) {}

  // `files` is the whole set: what is not in it is removed. Modes are honoured, 0000 included.
  // Errors name the file and the step, and say which set is to be seen ("the old set stays"):
  // kInvalid (a path against the rules of CheckVolumePath, twice the same path, a path below a
  // file), kTooLarge (no space), kPrecondition (no such directory, no permission), kInternal.
  Result<WriteOutcome> Write(const std::vector<BundleFile>& files) const;
  Result<WriteOutcome> Write(const Bundle& bundle) const { return Write(bundle.files); }

 private:
  const std::string directory_;
  const Clock& clock_;
  const Options options_;
};

}  // namespace nodekeep

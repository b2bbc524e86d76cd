#pragma once

// Files, directories and sockets of this machine whose paths a class may name.
//
// The agent reaches more than the author of a class: the volumes of all pods, devices, processes.
// So a path is checked as it is named and, on a descriptor, as it is resolved. What is used
// afterwards is what was checked, even if a link on the way has been replaced since.
//
// Thread-safe.

#include <string>
#include <utility>

#include "agent/base/result.h"

namespace nodekeep {

// A file descriptor, closed on destruction; -1 = none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int number() const { return number_; }
  // A path that leads to this file, whatever is at the path that it was opened by.
  std::string Path() const;

 private:
  int number_ = -1;
};

enum class PathKind { kFile, kDirectory, kSocket };

// Opens `path`, without permission to read: open Descriptor::Path for that. Nothing is done to the
// file, so a pipe without a writer does not block and a device does not act. Errors, without the
// path: kNotFound; kDenied, it belongs to a pod or is below /proc, /sys or /dev; else kInvalid.
Result<Descriptor> OpenPermitted(const std::string& path, PathKind kind);
// The same for an entry of a directory that OpenPermitted has opened.
Result<Descriptor> OpenPermittedIn(const Descriptor& directory, const std::string& name,
                                   PathKind kind);

}  // namespace nodekeep

#pragma once

// Reads whole files into memory; no other code of the agent does.
//
// The size is bounded. By default only regular files are read: a directory, a pipe or a device in
// place of the file is an error and never blocks. Content is SecretBytes, because many of these
// files contain credentials. Thread-safe.

#include <cstddef>
#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

enum class FileKind {
  kRegular,
  // Pipes and devices too, which may block: for files named on the command line, such as
  // `-f <(command)` or /dev/stdin.
  kAny,
};

// Reads from the descriptor's position to the end. Errors: kTooLarge (over `max_bytes`), else
// kInvalid; the text is the reason only, the caller adds the file's name.
Result<SecretBytes> ReadDescriptor(int file, std::size_t max_bytes,
                                   FileKind kind = FileKind::kRegular);

// Errors: kNotFound (no such file), kDenied, kTooLarge (over `max_bytes`), else kInvalid; the text
// names the file.
Result<SecretBytes> ReadFile(const std::string& path, std::size_t max_bytes,
                             FileKind kind = FileKind::kRegular);

// A regular file of at most 1 MiB. All errors are kInvalid, because kNotFound would be taken for
// the backend's "not found"; the text names the file.
Result<SecretBytes> ReadSmallFile(const std::string& path);

// As ReadSmallFile, without leading and trailing white space (editors add a line end to tokens);
// an empty token is an error.
Result<SecretBytes> ReadTokenFile(const std::string& path);

}  // namespace nodekeep

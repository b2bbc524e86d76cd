#pragma once

// Whole files, read at once: the only place of the agent that does so.
//
// Bounded in bytes. Unless the caller says otherwise only regular files are read: a directory, a
// pipe or a device in the file's place is an error, and never waited for. Content is SecretBytes,
// because many of these files hold credentials. Thread-safe.

#include <cstddef>
#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep {

enum class FileKind {
  kRegular,
  // Pipes and devices too, and waits for them: for files that the user of the command line names,
  // such as `-f <(command)` or /dev/stdin.
  kAny,
};

// From the descriptor's position to the end. Errors: kTooLarge (over `max_bytes`), else kInvalid;
// the text is the reason alone, because the caller knows the file's name.
Result<SecretBytes> ReadDescriptor(int file, std::size_t max_bytes,
                                   FileKind kind = FileKind::kRegular);

// Errors: kNotFound (no such file), kDenied, kTooLarge (over `max_bytes`), else kInvalid; the text
// names the file.
Result<SecretBytes> ReadFile(const std::string& path, std::size_t max_bytes,
                             FileKind kind = FileKind::kRegular);

// At most 1 MiB of a regular file. Errors are kInvalid, because kNotFound would read as the
// backend's "not found"; the text names the file.
Result<SecretBytes> ReadSmallFile(const std::string& path);

// Its text without the white space that editors leave around a token; empty is an error.
Result<SecretBytes> ReadTokenFile(const std::string& path);

}  // namespace nodekeep

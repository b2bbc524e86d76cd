#pragma once

// The content of a store, as written by its author. README.md has the format.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::dev {

inline constexpr std::size_t kMaxFileBytes = 1 << 20;    // of one file in a directory store
inline constexpr std::size_t kMaxStoreBytes = 64 << 20;  // of all of them together
inline constexpr std::size_t kMaxSecrets = 10'000;
inline constexpr int kMaxDirectoryDepth = 16;

struct WrittenVersion {
  std::string version;  // "" = the author gave none
  SecretBytes value;    // `values` as a JSON object with sorted keys
};

struct WrittenSecret {
  std::vector<WrittenVersion> versions;  // the current one first; empty only with `refused`
  // "namespace/account", either half may be "*". Absent: all accounts. Empty: none.
  std::optional<std::vector<std::string>> service_accounts;
  // Why a file of a directory store is not used (too large, world-writable, not a file).
  std::optional<Error> refused;
};

using Content = std::map<std::string, WrittenSecret>;

// Parses the text of a store file. Errors are kInvalid and name the secret, the key, the line and
// the fix; they never quote a value.
Result<Content> ParseContent(std::string_view text);

// Reads the store file or directory at `path`. Errors: kNotFound (it does not exist), kInvalid,
// kDenied (we may not read it, or it is world-writable), kTooLarge, kTransient (reading failed).
Result<Content> ReadContent(const std::string& path);

// Changes whenever the result of ReadContent may change; made of names, inodes, sizes and times.
std::string ContentStamp(const std::string& path);

// The directories in which an entry changes when the content changes, including those above a
// missing path.
std::vector<std::string> DirectoriesToWatch(const std::string& path);

}  // namespace nodekeep::dev

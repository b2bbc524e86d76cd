#pragma once

// The newest token of a universal identity, kept across restarts of the agent: a process that dies
// after a rotation, before it has stored the token, loses the identity
// (docs/protocol/akeyless-api.md, "Universal identities").
//
// One file per identity in a directory of the node, readable by its owner only, replaced
// atomically. Its content is encrypted with a key derived from the identity's first token, which
// is not in the file: the file alone is useless. A value type; several instances may use one file,
// but not concurrently.

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::akeyless {

class UidTokenFile {
 public:
  // `directory`: created when it is missing; "" = nothing is stored. `first`: the first token of
  // the identity.
  UidTokenFile(std::string directory, std::string_view first);

  // nullopt when nothing is stored. Errors: kPrecondition, the file cannot be read or was altered.
  Result<std::optional<SecretBytes>> Read() const;
  // Returns when the token is synced to disk. Errors: kTransient, with what to do.
  Status Write(const SecretBytes& token) const;

  // Without an error: a file that stays is useless without the first token.
  void Remove() const;

  const std::string& path() const { return path_; }

 private:
  std::string directory_;
  std::string path_;
  SecretBytes key_;
};

}  // namespace nodekeep::akeyless

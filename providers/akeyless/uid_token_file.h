#pragma once

// The newest token of a universal identity, kept across restarts of the agent: a process that dies
// between a rotation and its keeping loses the identity (docs/protocol/akeyless-api.md,
// "Universal identities").
//
// One file per identity in a directory of the node, readable by its owner only, replaced
// atomically. Its content is sealed under a key made from the identity's first token, which the
// file does not hold: alone it is worth nothing. A value; several may use one file, one after the
// other.

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"

namespace nodekeep::akeyless {

class UidTokenFile {
 public:
  // `directory`: made when it is missing; "" = nothing is kept. `first`: the token that the
  // identity began with.
  UidTokenFile(std::string directory, std::string_view first);

  // Nothing when nothing was kept. Errors: kPrecondition, the file cannot be read or was altered.
  Result<std::optional<SecretBytes>> Read() const;
  // Returns when the token is safe on disk. Errors: kTransient, with what to do.
  Status Write(const SecretBytes& token) const;

  const std::string& path() const { return path_; }

 private:
  std::string directory_;
  std::string path_;
  SecretBytes key_;
};

}  // namespace nodekeep::akeyless

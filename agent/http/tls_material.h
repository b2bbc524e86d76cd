#pragma once

// TlsSettings with their files read: what one connection is made of.
//
// Files are read anew for each request, so a rotated certificate is used by the next connection.
// curl shares a connection, and a TLS session, only between requests whose certificate texts are
// the same byte for byte; it does not look at the key. The certificate text therefore carries a
// fingerprint of the key: whoever has somebody's certificate but not the key gets no ride on the
// connection that the key opened.

#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/http/http_client.h"

namespace nodekeep {

struct TlsMaterial {
  std::string ca_pem;           // "" = the system's trust store
  std::string client_cert_pem;  // "" = none
  SecretBytes client_key_pem;
  std::string server_name;
  bool skip_verify = false;
};

// Blocks on file reads. Errors, all kInvalid and naming the file: unreadable, no regular file, in a
// volume of a pod or below /proc, /sys and /dev (a class must not make the agent read for it what
// belongs to others), over 8 MiB, not PEM, an empty directory, an encrypted key, a client
// certificate without key or the other way round.
Result<TlsMaterial> ReadTlsMaterial(const TlsSettings& settings);

}  // namespace nodekeep

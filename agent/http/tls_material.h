#pragma once

// TlsSettings with the contents of their files.
//
// Files are read again for each request, so a rotated certificate is used by the next connection.
// curl shares a connection, and a TLS session, only between requests whose certificate texts are
// identical; it does not compare the key. The certificate text therefore contains a fingerprint of
// the key: a request with the same certificate but without the key cannot reuse a connection that
// was opened with the key.

#include <string>
#include <string_view>

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

// Blocks on file reads. Errors, all kInvalid and naming the file: unreadable; not a regular file;
// not permitted (permitted_path.h: a class must not use the agent to read files of others); over 8
// MiB; not PEM; an empty directory; an encrypted key; a client certificate without a key or vice
// versa. Of a directory only the files directly in it are read, and errors do not name them: a
// class could list the directory otherwise.
Result<TlsMaterial> ReadTlsMaterial(const TlsSettings& settings);

// Whether `name` is a DNS name or an IP address, so that nothing of a request can depend on it but
// the name that is expected in the server's certificate.
bool IsServerName(std::string_view name);

}  // namespace nodekeep

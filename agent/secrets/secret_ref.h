#pragma once

// Names one read from a backend.
//
// A regular, ordered, printable value without secret material. Extraction (a key of the answer, a
// decoding) is not part of it: objects that need the same answer share one ref, and so one backend
// call. Provider-specific request details are in `request` as canonical JSON.

#include <compare>
#include <string>

namespace nodekeep {

struct SecretRef {
  std::string provider;  // "vault"
  std::string endpoint;  // base URL, with the backend's namespace if it has one
  std::string path;      // as the backend names it
  std::string version;   // "" = latest
  std::string request;   // other request details (method, arguments), canonical; "" = plain read

  auto operator<=>(const SecretRef&) const = default;

  // "vault:secret/data/app@3", followed by `request` if set, without the endpoint; for logs, status
  // and `--ref` globs.
  std::string Text() const;
};

}  // namespace nodekeep

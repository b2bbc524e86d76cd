#pragma once

// What is asked of a backend: one value that names one answer.
//
// A regular value: equality, order, printable, without secret material. Extraction (a key of the
// answer, a decoding) is not part of it: objects that need the same answer share one ref and so
// one backend call. Provider-specific request details travel in `request` as canonical JSON.

#include <compare>
#include <string>

namespace nodekeep {

struct SecretRef {
  std::string provider;  // "vault"
  std::string endpoint;  // base URL, with the backend's namespace where it has one
  std::string path;      // as the backend names it
  std::string version;   // "" = latest
  std::string request;   // what else shapes the answer (method, arguments), canonical; "" = plain read

  auto operator<=>(const SecretRef&) const = default;

  // "vault:secret/data/app@3" with `request` appended when set; for logs, status and `--ref` globs.
  // The endpoint is left out.
  std::string Text() const;
};

}  // namespace nodekeep

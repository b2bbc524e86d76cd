#pragma once

// The embedded local store: secrets from one YAML or JSON file, or from a directory tree, of this
// machine. For demos, development and tests of manifests. README.md describes file and parameters.

#include <memory>
#include <string>

#include "agent/base/log.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/thread_guard.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

struct DevSettings {
  // A file, or a directory with one file per secret. It need not exist yet. A relative path is
  // relative to the working directory of the agent.
  std::string path = "/etc/nodekeep/dev-store.yaml";
  // HMAC key for the hashes of contents; empty = random per process.
  SecretBytes version_key;
  // How long answers are fresh, unless a class overrides it.
  Policy policy;
  ExceptionReporter on_exception{};  // for the provider's threads
};

// Starts watching the store. `clock` and `log` must outlive the provider.
Provider MakeDevProvider(DevSettings settings, const Clock& clock, Logger& log);

namespace dev {

// Parses the parameters of a class. Pure; `store_path` is only copied into the refs.
Result<ParsedMount> ParseMount(const SpcInput& input, const std::string& store_path,
                               const Policy& defaults);

}  // namespace dev
}  // namespace nodekeep

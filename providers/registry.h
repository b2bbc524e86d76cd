#pragma once

// The providers of this build, and how each is created from the configuration.
//
// The table behind ProviderRegistry is generated from the list in providers/CMakeLists.txt. Each
// folder's factory.h declares kRuntimeName, SettingsKeys and Make in a namespace of the provider's
// name.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/environment.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/shared_resource.h"
#include "agent/base/thread_guard.h"
#include "agent/http/http_client.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

// One key of a provider's section in the configuration file.
struct SettingKey {
  enum class Kind { kText, kBool, kDuration };

  std::string_view name;         // "address"
  std::string_view environment;  // environment variable of the key ("VAULT_ADDR"), "" = none
  Kind kind = Kind::kText;
  std::string_view default_text;
  std::string_view help;         // one sentence, for `config print` and the documentation
  // Without providers.enabled the provider is served only where this key is set.
  bool enables = false;
};

// By key name; holds every key of SettingsKeys, checked against its kind.
using SettingValues = std::map<std::string, std::string>;

// What a provider takes of the node for a namespace; must outlive the provider.
struct ProviderShares {
  // Identities that the provider keeps alive between logins; null = without a limit.
  SharedResource* identities = nullptr;
  RefusalReporter on_refusal{};  // of what the provider itself shares
};

// Dependencies of a provider; must outlive it.
struct ProviderServices {
  HttpClient& http;
  const Clock& clock;
  Logger& log;
  Policy policy;            // the provider's own, from the configuration
  SecretBytes version_key;  // for keyed hashes of secret content
  // The cloud SDKs' variables, and upstream's variables with credentials. Those are not settings:
  // the configuration can be printed and must not contain secrets.
  Environment environment = ProcessEnvironment();
  ExceptionReporter on_exception{};  // for the provider's own threads
  ProviderShares shares{};
};

struct ProviderEntry {
  std::string_view name;
  // What the upstream provider of that name reports as its runtime_name, "nodekeep-NAME" where
  // there is none (docs/protocol/csi-provider.md, "Runtime names").
  std::string_view runtime_name;
  std::span<const SettingKey> (*settings)();
  Result<Provider> (*make)(const SettingValues& values, ProviderServices services);
};

std::span<const ProviderEntry> ProviderRegistry();

}  // namespace nodekeep

#pragma once

// Which providers this build has, and how each is made from the configuration.
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
#include "agent/base/thread_guard.h"
#include "agent/http/http_client.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

// One key of a provider's section in the configuration file.
struct SettingKey {
  enum class Kind { kText, kBool, kDuration };

  std::string_view name;         // "address"
  std::string_view environment;  // the dialect's own variable ("VAULT_ADDR"), "" = none
  Kind kind = Kind::kText;
  std::string_view default_text;
  std::string_view help;         // one sentence, for `config print` and the documentation
  // Without providers.enabled the provider is served only where this key is set.
  bool enables = false;
};

// By key name; every key of SettingsKeys is present, checked against its kind.
using SettingValues = std::map<std::string, std::string>;

// What a provider may use; outlives it.
struct ProviderServices {
  HttpClient& http;
  const Clock& clock;
  Logger& log;
  Policy policy;            // the provider's own, from the configuration
  SecretBytes version_key;  // keyed hashes of secret content
  // Holds what the cloud SDKs look at, and upstream's variables with credentials. Those are no
  // settings: the configuration, which can be printed, holds no secret.
  Environment environment = ProcessEnvironment();
  ExceptionReporter on_exception{};  // of the provider's own threads
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

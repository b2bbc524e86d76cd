#pragma once

// The configuration of the agent: typed, complete, a value.
//
// Settings come from a YAML file, the environment and the command line; the later one wins. One
// table defines all settings (config_settings.h); the loader, the flags, `config print` and the
// documentation are generated from it. Secrets are never part of it, only names of files that hold
// them.

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/app/finding.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/read_file.h"
#include "agent/base/result.h"
#include "agent/secrets/policy.h"
#include "csi/reply_limit.h"
#include "providers/registry.h"

namespace nodekeep {

// A provider's own section. `values` has every key of the provider's settings; a boolean is "true"
// or "false", a duration reads with ParseDuration.
struct ProviderConfig {
  SettingValues values;
  Policy policy;

  bool operator==(const ProviderConfig&) const = default;
};

struct Config {
  struct Cache {
    std::size_t max_bytes = std::size_t{64} << 20;
    Duration key_rotation = std::chrono::hours(1);
  };
  struct Fetch {
    int attempts = 4;                            // of one call, the first one included
    Duration budget = std::chrono::seconds(30);  // of one call, retries included
    Duration stale_patience = std::chrono::seconds(2);
    int rate_per_second = 100;  // per backend host, as are the two below
    int burst = 200;
    int concurrency = 128;  // one namespace alone gets half
  };

  // The CSI driver.
  struct Driver {
    bool enabled = false;
    std::string name = "secrets-store.csi.k8s.io";
    std::string kubelet_root = "/var/lib/kubelet";
    // Directories that are searched for sockets of foreign providers before providerDirs.
    std::vector<std::string> additional_provider_dirs = {
        "/etc/kubernetes/secrets-store-csi-providers"};
    std::size_t volume_bytes = std::size_t{8} << 20;           // limit of each volume's tmpfs
    std::size_t volumes_total_bytes = std::size_t{128} << 20;  // of all volumes together
    std::string startup_taint = "secrets-store.csi.k8s.io/agent-not-ready";  // "" = none
  };

  // The sockets on which secrets-store-csi-driver calls the providers.
  struct ProviderDoor {
    std::size_t max_reply_bytes = kMaxReplyBytes;
  };

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kJson;
  std::string node_name;
  std::string http_address = "127.0.0.1:9466";  // "" = off
  std::string admin_socket = "/run/nodekeep/admin.sock";
  std::vector<std::string> provider_dirs = {"/var/run/secrets-store-csi-providers"};
  std::string kubeconfig;  // "" = that of the pod, if it has one
  std::string version_key_secret;  // "namespace/name"; "" = a key of this process
  Duration mount_budget = std::chrono::seconds(90);
  Duration shutdown_grace = std::chrono::seconds(20);
  Cache cache;
  Fetch fetch;
  Driver driver;
  ProviderDoor provider_door;
  Policy policy;                                    // of providers that set none
  std::vector<std::string> enabled_providers;       // in the order of the build's registry
  std::map<std::string, ProviderConfig> providers;  // every provider of the build
};

// The sources of settings. Kept with the result, so that a reload reads the same sources again.
struct ConfigSources {
  std::string file;                                       // "" = none
  FileKind file_kind = FileKind::kAny;                    // of `file`
  std::optional<std::string> file_text;                   // used instead of reading `file`
  std::map<std::string, std::string> environment;         // an empty variable is ignored
  std::map<std::string, std::vector<std::string>> flags;  // by setting path: "log.level"
  std::string host_name;                                  // the default of nodeName
  bool logs_to_terminal = false;                          // log.format is text, unless it is set
  std::span<const ProviderEntry> providers;               // of this build
};

struct LoadedConfig {
  Config config;
  // Of each setting by path: "default", "nodekeep.yaml:3", "environment NODEKEEP_LOG_LEVEL",
  // "flag --log-level", or the path of the setting it follows.
  std::map<std::string, std::string> origins;
  ConfigSources sources;
};

// Either a configuration or the complete list of its faults.
struct ConfigCheck {
  std::optional<LoadedConfig> loaded;
  std::vector<Finding> findings;
};

ConfigCheck CheckConfig(const ConfigSources& sources);

// The same; all findings in one error, one a line.
Result<LoadedConfig> LoadConfig(const ConfigSources& sources);

// This process's environment and host name, this build's providers, and the file: `file`, else
// NODEKEEP_CONFIG, else /etc/nodekeep/nodekeep.yaml if it exists.
ConfigSources SystemConfigSources(std::string file);

// Paths of the settings that differ and take effect only with a restart.
std::vector<std::string> NeedRestart(const LoadedConfig& before, const LoadedConfig& after);

}  // namespace nodekeep

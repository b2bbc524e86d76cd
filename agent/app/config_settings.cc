#include "agent/app/config_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "agent/base/duration.h"
#include "agent/base/go_text.h"
#include "agent/secrets/policy.h"

namespace nodekeep {
namespace {

constexpr char kDurationHow[] = "write it like 90s, 1h30m or 500ms, at most 8760h";

// A reply of this size takes a fourth of the memory for answers (shares.cc): its files count twice
// (agent/mount/assemble.cc). A namespace gets at most half.
constexpr std::size_t kHighestReplyLimit = std::size_t{16} << 20;
constexpr std::size_t kLowestReplyLimit = std::size_t{1} << 20;

// Limited, so that adding it to a time point cannot overflow.
std::optional<Duration> ReadDuration(const std::string& text) {
  const Result<Duration> value = ParseDuration(text);
  return value.ok() && *value <= kLongestAge ? std::optional(*value) : std::nullopt;
}

// A codec of one text. `get` returns a reference to the value in a Config, for reading and writing.
// `parse` is text -> std::optional<value>, `format` value -> text.
template <typename Get, typename Parse, typename Format>
SettingCodec One(std::string type, std::string how, Get get, Parse parse, Format format) {
  SettingCodec codec{.type = std::move(type), .how = std::move(how)};
  codec.read = [get, parse](Config& config, const std::vector<std::string>& texts) {
    if (texts.size() != 1) return false;
    auto value = parse(texts.front());
    if (!value) return false;
    get(config) = *std::move(value);
    return true;
  };
  codec.print = [get, format](const Config& config) {
    return std::vector<std::string>{format(get(config))};
  };
  return codec;
}

template <typename T>
std::optional<T> ValueOf(Result<T> result) {
  return result.ok() ? std::optional<T>(*std::move(result)) : std::nullopt;
}

std::string Same(const std::string& text) { return text; }

template <typename Get>
SettingCodec Text(Get get) {
  return One(
      "text", "write a text", get,
      [](const std::string& text) { return std::optional<std::string>(text); }, Same);
}

template <typename Get>
SettingCodec File(Get get) {
  return One(
      "absolute path", "write a path that begins with /", get,
      [](const std::string& text) {
        return text.empty() || text.starts_with('/') ? std::optional<std::string>(text)
                                                     : std::nullopt;
      },
      Same);
}

template <typename Get>
SettingCodec SecretName(Get get) {
  return One(
      "namespace/name", "write the namespace and the name of a Secret, as in kube-system/nodekeep",
      get,
      [](const std::string& text) {
        const std::size_t slash = text.find('/');
        const bool two = slash != std::string::npos && slash > 0 && slash + 1 < text.size() &&
                         text.find('/', slash + 1) == std::string::npos;
        return text.empty() || two ? std::optional<std::string>(text) : std::nullopt;
      },
      Same);
}

// "1h" where Go writes 1h0m0s.
std::string ShortestDuration(Duration duration) {
  std::string text = FormatDuration(duration);
  for (std::string_view zero : {"m0s", "h0m"}) {
    if (text.ends_with(zero)) text.resize(text.size() - 2);
  }
  return text;
}

template <typename Get>
SettingCodec DurationOf(Get get) {
  return One(
      "duration", kDurationHow, get, [](const std::string& text) { return ReadDuration(text); },
      ShortestDuration);
}

template <typename Get>
SettingCodec DurationAboveZero(Get get) {
  return One(
      "duration above zero", kDurationHow, get,
      [](const std::string& text) {
        std::optional<Duration> value = ReadDuration(text);
        return value && *value > Duration::zero() ? value : std::nullopt;
      },
      ShortestDuration);
}

template <typename Get>
SettingCodec Switch(Get get) {
  SettingCodec codec = One(
      "boolean", "write true or false", get,
      [](const std::string& text) { return ValueOf(ParseGoBool(text)); },
      [](bool value) -> std::string { return value ? "true" : "false"; });
  codec.is_switch = true;
  return codec;
}

std::string FormatByteSize(std::size_t bytes) {
  constexpr std::string_view kUnits[] = {"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", bytes, kUnits[unit]);
}

template <typename Get>
SettingCodec ByteSize(Get get) {
  return One(
      "size", "write it like 64MiB, 4MB or a number of bytes", get,
      [](const std::string& text) { return ValueOf(ParseByteSize(text)); }, FormatByteSize);
}

template <typename Get>
SettingCodec ByteSizeBetween(std::size_t lowest, std::size_t highest, Get get) {
  return One(
      "size in range",
      fmt::format("write one from {} to {}", FormatByteSize(lowest), FormatByteSize(highest)), get,
      [lowest, highest](const std::string& text) -> std::optional<std::size_t> {
        const Result<std::size_t> bytes = ParseByteSize(text);
        if (!bytes.ok() || *bytes < lowest || *bytes > highest) return std::nullopt;
        return *bytes;
      },
      FormatByteSize);
}

template <typename Get>
SettingCodec Count(int lowest, int highest, Get get) {
  return One(
      "whole number in range", fmt::format("write one from {} to {}", lowest, highest), get,
      [lowest, highest](const std::string& text) -> std::optional<int> {
        int value = 0;
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = failure == std::errc() && end == text.data() + text.size();
        if (!whole || value < lowest || value > highest) return std::nullopt;
        return value;
      },
      [](int value) { return fmt::format("{}", value); });
}

// host:port, [v6]:port, :port (all addresses); "off" or "" disables the endpoint.
template <typename Get>
SettingCodec ListenAddress(Get get) {
  return One(
      "address to listen at",
      "write host:port, such as 127.0.0.1:9466, :9466 or [::1]:9466, or off", get,
      [](const std::string& text) -> std::optional<std::string> {
        if (text.empty() || text == "off") return std::string();
        const std::size_t colon = text.rfind(':');
        if (colon == std::string::npos) return std::nullopt;
        const std::string_view host = std::string_view(text).substr(0, colon);
        const std::string_view digits = std::string_view(text).substr(colon + 1);
        const bool bracketed = host.starts_with('[') && host.ends_with(']');
        if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
        int port = 0;
        const auto [end, failure] =
            std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (failure != std::errc() || end != digits.data() + digits.size()) {
          return std::nullopt;
        }
        return port >= 0 && port <= 65535 ? std::optional(text) : std::nullopt;
      },
      [](const std::string& value) { return value.empty() ? "off" : value; });
}

template <typename Get>
SettingCodec List(std::string type, std::string how, Get get,
                  std::function<bool(const std::string&)> good) {
  SettingCodec codec{.type = std::move(type), .how = std::move(how), .is_list = true};
  codec.read = [get, good](Config& config, const std::vector<std::string>& texts) {
    if (texts.empty() || !std::all_of(texts.begin(), texts.end(), good)) return false;
    std::vector<std::string> distinct;
    for (const std::string& text : texts) {
      if (std::find(distinct.begin(), distinct.end(), text) == distinct.end()) {
        distinct.push_back(text);
      }
    }
    get(config) = std::move(distinct);
    return true;
  };
  codec.print = [get](const Config& config) -> std::vector<std::string> { return get(config); };
  return codec;
}

SettingCodec LogLevelCodec() {
  return One(
      "log level", "use debug, info, warn, error or off",
      [](auto& config) -> auto& { return config.log_level; },
      [](const std::string& text) { return ValueOf(ParseLogLevel(text)); },
      [](LogLevel level) -> std::string {
        switch (level) {
          case LogLevel::kDebug: return "debug";
          case LogLevel::kInfo: return "info";
          case LogLevel::kWarn: return "warn";
          case LogLevel::kError: return "error";
          case LogLevel::kOff: return "off";
        }
        return "info";
      });
}

SettingCodec LogFormatCodec() {
  return One(
      "log format", "use json or text", [](auto& config) -> auto& { return config.log_format; },
      [](const std::string& text) { return ValueOf(ParseLogFormat(text)); },
      [](LogFormat format) { return format == LogFormat::kJson ? "json" : "text"; });
}

SettingCodec EnabledProviders(std::span<const ProviderEntry> providers) {
  std::vector<std::string> names;
  for (const ProviderEntry& entry : providers) names.emplace_back(entry.name);
  SettingCodec codec = List(
      "list of providers of this build", fmt::format("choose from {}", fmt::join(names, ", ")),
      [](auto& config) -> auto& { return config.enabled_providers; },
      [names](const std::string& text) {
        return std::find(names.begin(), names.end(), text) != names.end();
      });
  codec.choices = std::move(names);
  return codec;
}

// "all of the build; dev only where providers.dev.path is set"
std::string EnabledByDefault(std::span<const ProviderEntry> providers) {
  std::string text = "all of the build";
  for (const ProviderEntry& entry : providers) {
    for (const SettingKey& key : entry.settings()) {
      if (key.enables) {
        text += fmt::format("; {0} only where providers.{0}.{1} is set", entry.name, key.name);
      }
    }
  }
  return text;
}

std::optional<std::string> ReadProviderValue(SettingKey::Kind kind, const std::string& text) {
  switch (kind) {
    case SettingKey::Kind::kText: return text;
    case SettingKey::Kind::kBool: {
      const Result<bool> value = ParseGoBool(text);
      if (!value.ok()) return std::nullopt;
      return *value ? "true" : "false";
    }
    case SettingKey::Kind::kDuration: {
      // The dialects' own variables may give a bare number of seconds.
      const bool bare = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
      const std::string full = bare ? text + "s" : text;
      return ReadDuration(full) ? std::optional(full) : std::nullopt;
    }
  }
  return std::nullopt;
}

// A setting in a provider's section, as the provider's SettingKey describes it.
Setting ProviderSetting(const std::string& provider, const SettingKey& key) {
  const std::string name(key.name);
  Setting setting{.path = "providers." + provider + "." + name,
                  .environment = std::string(key.environment),
                  .help = std::string(key.help),
                  .live = true};
  SettingCodec& codec = setting.codec;
  switch (key.kind) {
    case SettingKey::Kind::kText: codec = {.type = "text", .how = "write a text"}; break;
    case SettingKey::Kind::kBool: codec = {.type = "boolean", .how = "write true or false"}; break;
    case SettingKey::Kind::kDuration: codec = {.type = "duration", .how = kDurationHow}; break;
  }
  codec.read = [provider, name, kind = key.kind](Config& config,
                                                 const std::vector<std::string>& texts) {
    if (texts.size() != 1) return false;
    const std::optional<std::string> value = ReadProviderValue(kind, texts.front());
    if (value) config.providers[provider].values[name] = *value;
    return value.has_value();
  };
  codec.print = [provider, name](const Config& config) {
    return std::vector<std::string>{config.providers.at(provider).values.at(name)};
  };
  return setting;
}

// The keys of a policy; `get` returns a reference to it.
template <typename Get>
void AddPolicy(std::vector<Setting>& settings, const std::string& section, Get get) {
  const bool is_default = section == "policy";
  const auto add = [&](std::string_view key, SettingCodec codec, std::string help) {
    Setting setting{.path = fmt::format("{}.{}", section, key),
                    .codec = std::move(codec),
                    .help = std::move(help),
                    .live = true};
    if (!is_default) setting.follows = fmt::format("policy.{}", key);
    settings.push_back(std::move(setting));
  };
  add("refreshAfter",
      DurationOf([get](auto& config) -> auto& { return get(config).refresh_after; }),
      "Age from which a cached value is read again from the backend");
  if (is_default) {
    add("refreshAfterMin",
        DurationOf([get](auto& config) -> auto& { return get(config).refresh_after_min; }),
        "Shortest nodekeep/refreshAfter that a class gets, unless policy.refreshAfter is shorter; "
        "0 = no limit. Not for the dev provider");
  }
  add("maxAgeAtStart",
      DurationOf([get](auto& config) -> auto& { return get(config).max_age_at_start; }),
      "Age up to which a pod that starts gets a cached value without a read; never more than "
      "refreshAfter. What was changed before is seen by a restarted pod. 0 = always read");
  add("serveStaleFor",
      DurationOf([get](auto& config) -> auto& { return get(config).serve_stale_for; }),
      "Age up to which the last good value is served while the backend is down; 0 = never, else "
      "at least refreshAfter");
  add("rememberFailure",
      DurationOf([get](auto& config) -> auto& { return get(config).remember_failure; }),
      "How long \"denied\" and \"not found\" are remembered");
}

std::vector<Setting> AgentSettings(std::span<const ProviderEntry> providers) {
  std::vector<Setting> settings = {
      {.path = "log.level",
       .environment = "NODEKEEP_LOG_LEVEL",
       .flag = "--log-level",
       .placeholder = "LEVEL",
       .codec = LogLevelCodec(),
       .help = "Least severe level that is logged: debug, info, warn, error or off",
       .live = true},
      {.path = "log.format",
       .environment = "NODEKEEP_LOG_FORMAT",
       .codec = LogFormatCodec(),
       .help = "json (one object a line) or text",
       .default_note = "json; text on a terminal"},
      {.path = "nodeName",
       .environment = "NODEKEEP_NODE_NAME",
       .flag = "--node-name",
       .placeholder = "NAME",
       .codec = Text([](auto& config) -> auto& { return config.node_name; }),
       .help = "Name of the Kubernetes node this agent runs on",
       .default_note = "the host name"},
      {.path = "http.address",
       .environment = "NODEKEEP_HTTP_ADDRESS",
       .flag = "--http",
       .placeholder = "ADDR",
       .codec = ListenAddress([](auto& config) -> auto& { return config.http_address; }),
       .help = "Where /metrics, /healthz and /readyz are served (host:port); off = nowhere"},
      {.path = "adminSocket",
       .environment = "NODEKEEP_ADMIN_SOCKET",
       .flag = "--admin-socket",
       .placeholder = "PATH",
       .codec = File([](auto& config) -> auto& { return config.admin_socket; }),
       .help = "Socket of status, refresh, cache and healthcheck; only root and the agent's user "
               "may use it"},
      {.path = "providerDirs",
       .environment = "NODEKEEP_PROVIDER_DIRS",
       .flag = "--provider-dir",
       .placeholder = "DIR",
       .codec = List(
           "list of absolute paths", "write paths that begin with /",
           [](auto& config) -> auto& { return config.provider_dirs; },
           [](const std::string& text) { return text.starts_with('/'); }),
       .help = "Directories in which the CSI driver looks for provider sockets"},
      {.path = "kubeconfig",
       .environment = "NODEKEEP_KUBECONFIG",
       .flag = "--kubeconfig",
       .placeholder = "FILE",
       .codec = File([](auto& config) -> auto& { return config.kubeconfig; }),
       .help = "Access to the API server: for pod tokens that were not sent with a mount, and "
               "for the CSI driver",
       .default_note = "the agent's own pod, if it runs in one"},
      {.path = "versionKeySecret",
       .environment = "NODEKEEP_VERSION_KEY_SECRET",
       .codec = SecretName([](auto& config) -> auto& { return config.version_key_secret; }),
       .help = "Kubernetes Secret (namespace/name) with the key that makes object versions opaque, "
               "created if absent; versions are then equal on all nodes and after a restart",
       .default_note = "a key of this process"},
      {.path = "driver.enabled",
       .environment = "NODEKEEP_DRIVER",
       .flag = "--driver",
       .codec = Switch([](auto& config) -> auto& { return config.driver.enabled; }),
       .help = "Run as the CSI driver of this node: mount volumes for kubelet and refresh them"},
      {.path = "driver.name",
       .environment = "NODEKEEP_DRIVER_NAME",
       .flag = "--driver-name",
       .placeholder = "NAME",
       .codec = Text([](auto& config) -> auto& { return config.driver.name; }),
       .help = "Name of the CSI driver, as kubelet and pods use it"},
      {.path = "driver.kubeletRoot",
       .environment = "NODEKEEP_KUBELET_ROOT",
       .flag = "--kubelet-root",
       .placeholder = "DIR",
       .codec = File([](auto& config) -> auto& { return config.driver.kubelet_root; }),
       .help = "Kubelet's root directory; it must have the same path for kubelet and the agent"},
      {.path = "driver.additionalProviderDirs",
       .environment = "NODEKEEP_ADDITIONAL_PROVIDER_DIRS",
       .codec = List(
           "list of absolute paths", "write paths that begin with /",
           [](auto& config) -> auto& { return config.driver.additional_provider_dirs; },
           [](const std::string& text) { return text.starts_with('/'); }),
       .help = "Directories in which the driver looks for sockets of other providers, before "
               "providerDirs"},
      {.path = "driver.volumeSize",
       .environment = "NODEKEEP_VOLUME_SIZE",
       .codec = ByteSize([](auto& config) -> auto& { return config.driver.volume_bytes; }),
       .help = "Maximum size of a volume; memory is used only as files are written"},
      {.path = "driver.volumesTotal",
       .environment = "NODEKEEP_VOLUMES_TOTAL",
       .codec = ByteSize([](auto& config) -> auto& { return config.driver.volumes_total_bytes; }),
       .help = "Memory for the files of all volumes of the node, shared by namespaces: each may "
               "take as much as stays free, so one alone half. Part of the container's memory"},
      {.path = "driver.startupTaint",
       .environment = "NODEKEEP_STARTUP_TAINT",
       .codec = Text([](auto& config) -> auto& { return config.driver.startup_taint; }),
       .help = "Taint that is removed from the node once kubelet has registered the driver; "
               "empty = none"},
      {.path = "providerDoor.maxReplyBytes",
       .environment = "NODEKEEP_MAX_REPLY_BYTES",
       .codec = ByteSizeBetween(
           kLowestReplyLimit, kHighestReplyLimit,
           [](auto& config) -> auto& { return config.provider_door.max_reply_bytes; }),
       .help = "Maximum reply to a mount of secrets-store-csi-driver: the value of the driver's "
               "--max-call-recv-msg-size, which must be raised first; at most 16MiB"},
      {.path = "mountBudget",
       .environment = "NODEKEEP_MOUNT_BUDGET",
       .codec = DurationAboveZero([](auto& config) -> auto& { return config.mount_budget; }),
       .help = "Maximum time for one mount; kubelet itself gives up after two minutes"},
      {.path = "shutdownGrace",
       .environment = "NODEKEEP_SHUTDOWN_GRACE",
       .codec = DurationOf([](auto& config) -> auto& { return config.shutdown_grace; }),
       .help = "How long mounts in flight may take to finish when the agent stops"},
      {.path = "cache.maxBytes",
       .environment = "NODEKEEP_CACHE_MAX_BYTES",
       .codec = ByteSize([](auto& config) -> auto& { return config.cache.max_bytes; }),
       .help =
           "Memory for cached secrets; beyond it, the least recently used of the namespace that "
           "has most are evicted",
       .live = true},
      {.path = "cache.keyRotation",
       .environment = "NODEKEEP_CACHE_KEY_ROTATION",
       .codec = DurationAboveZero([](auto& config) -> auto& { return config.cache.key_rotation; }),
       .help = "How often the key that encrypts cached secrets is replaced"},
      {.path = "fetch.attempts",
       .environment = "NODEKEEP_FETCH_ATTEMPTS",
       .codec = Count(
           1, 20, [](auto& config) -> auto& { return config.fetch.attempts; }),
       .help = "Attempts per backend call on transient failures, the first one included"},
      {.path = "fetch.budget",
       .environment = "NODEKEEP_FETCH_BUDGET",
       .codec = DurationAboveZero([](auto& config) -> auto& { return config.fetch.budget; }),
       .help = "Maximum time for one backend call, retries included"},
      {.path = "fetch.stalePatience",
       .environment = "NODEKEEP_FETCH_STALE_PATIENCE",
       .codec = DurationOf([](auto& config) -> auto& { return config.fetch.stale_patience; }),
       .help = "How long a mount waits for a slow backend if last good values can be served "
               "instead; a pod that starts waits at least 10s"},
      {.path = "fetch.ratePerSecond",
       .environment = "NODEKEEP_FETCH_RATE_PER_SECOND",
       .codec = Count(
           1, 100'000, [](auto& config) -> auto& { return config.fetch.rate_per_second; }),
       .help = "Requests per second to one backend host"},
      {.path = "fetch.burst",
       .environment = "NODEKEEP_FETCH_BURST",
       .codec = Count(
           1, 100'000, [](auto& config) -> auto& { return config.fetch.burst; }),
       .help = "Requests to one backend host that may exceed the rate at once"},
      {.path = "fetch.concurrency",
       .environment = "NODEKEEP_FETCH_CONCURRENCY",
       .codec = Count(
           1, 1000, [](auto& config) -> auto& { return config.fetch.concurrency; }),
       .help = "Requests in flight to one backend host; one namespace alone may have half of them"},
  };
  AddPolicy(
      settings, "policy", [](auto& config) -> auto& { return config.policy; });
  settings.push_back({.path = "providers.enabled",
                      .environment = "NODEKEEP_PROVIDERS",
                      .flag = "--providers",
                      .placeholder = "NAMES",
                      .codec = EnabledProviders(providers),
                      .help = "Providers to serve, each on a socket of its name",
                      .default_note = EnabledByDefault(providers)});
  return settings;
}

}  // namespace

std::vector<Setting> Settings(std::span<const ProviderEntry> providers) {
  std::vector<Setting> settings = AgentSettings(providers);
  for (const ProviderEntry& entry : providers) {
    const std::string name(entry.name);
    for (const SettingKey& key : entry.settings()) settings.push_back(ProviderSetting(name, key));
    AddPolicy(
        settings, "providers." + name + ".policy", [name](auto& config) -> auto& {
          return config.providers.find(name)->second.policy;
        });
  }
  return settings;
}

Config DefaultConfig(std::span<const ProviderEntry> providers) {
  Config config;
  for (const ProviderEntry& entry : providers) {
    ProviderConfig& section = config.providers[std::string(entry.name)];
    for (const SettingKey& key : entry.settings()) {
      section.values[std::string(key.name)] =
          ReadProviderValue(key.kind, std::string(key.default_text))
              .value_or(std::string(key.default_text));
    }
  }
  return config;
}

std::string JoinTexts(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ","));
}

}  // namespace nodekeep

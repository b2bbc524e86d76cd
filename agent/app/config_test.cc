#include "agent/app/config.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/app/config_print.h"
#include "agent/app/config_settings.h"
#include "agent/base/yaml.h"

namespace nodekeep {
namespace {

using Kind = SettingKey::Kind;

// A build with two providers that cannot be created: the loader reads only their settings.
std::span<const ProviderEntry> FakeRegistry() {
  static constexpr SettingKey kDev[] = {
      {"path", "NODEKEEP_DEV_PATH", Kind::kText, "/etc/nodekeep/dev-store.yaml", "The store",
       /*enables=*/true},
  };
  static constexpr SettingKey kVault[] = {
      {"address", "VAULT_ADDR", Kind::kText, "https://127.0.0.1:8200", "The server"},
      {"skipTlsVerify", "VAULT_SKIP_VERIFY", Kind::kBool, "false", "Trust any server"},
      {"timeout", "VAULT_CLIENT_TIMEOUT", Kind::kDuration, "30s", "Of one exchange"},
      {"tokenFile", "", Kind::kText, "", "File with a token"},
  };
  static const ProviderEntry kEntries[] = {
      {"dev", "", [] { return std::span<const SettingKey>(kDev); }, nullptr},
      {"vault", "", [] { return std::span<const SettingKey>(kVault); }, nullptr},
  };
  return kEntries;
}

ConfigSources Sources(std::string text) {
  ConfigSources sources;
  sources.file = "nodekeep.yaml";
  sources.file_text = std::move(text);
  sources.host_name = "node-of-the-test";
  sources.providers = FakeRegistry();
  return sources;
}

// The printed value of a setting; "(refused: ...)" with the first finding when there is no config.
std::string ValueOf(const ConfigSources& sources, const std::string& path) {
  const ConfigCheck check = CheckConfig(sources);
  if (!check.loaded) return "(refused: " + check.findings.at(0).Text() + ")";
  for (const Setting& setting : Settings(sources.providers)) {
    if (setting.path == path) return JoinTexts(setting.codec.print(check.loaded->config));
  }
  return "(no such setting)";
}

std::vector<std::string> Texts(const std::vector<Finding>& findings) {
  std::vector<std::string> texts;
  for (const Finding& finding : findings) texts.push_back(finding.Text());
  return texts;
}

TEST_CASE("config: a flag wins over the environment, that over the file, that over the default") {
  struct Row {
    std::string name, path, file;
    std::map<std::string, std::string> environment;
    std::map<std::string, std::vector<std::string>> flags;
    std::string want, origin;
  };
  const Row rows[] = {
      {"nothing set", "log.level", "", {}, {}, "info", "default"},
      {"file", "log.level", "log:\n  level: debug\n", {}, {}, "debug", "nodekeep.yaml:2"},
      {"environment",
       "log.level",
       "log: {level: debug}",
       {{"NODEKEEP_LOG_LEVEL", "warn"}},
       {},
       "warn",
       "environment NODEKEEP_LOG_LEVEL"},
      {"flag",
       "log.level",
       "log: {level: debug}",
       {{"NODEKEEP_LOG_LEVEL", "warn"}},
       {{"log.level", {"error"}}},
       "error",
       "flag --log-level"},
      {"an empty variable is ignored",
       "log.level",
       "log: {level: debug}",
       {{"NODEKEEP_LOG_LEVEL", ""}},
       {},
       "debug",
       "nodekeep.yaml:1"},
      {"a key without value is ignored",
       "mountBudget",
       "mountBudget:\n",
       {},
       {},
       "1m30s",
       "default"},
      {"list in the file",
       "providerDirs",
       "providerDirs: [/a, /b]",
       {},
       {},
       "/a,/b",
       "nodekeep.yaml:1"},
      {"list as a text", "providerDirs", "providerDirs: /a,/b", {}, {}, "/a,/b", "nodekeep.yaml:1"},
      {"list in the environment",
       "providerDirs",
       "",
       {{"NODEKEEP_PROVIDER_DIRS", "/a, /b"}},
       {},
       "/a,/b",
       "environment NODEKEEP_PROVIDER_DIRS"},
      {"repeated flag",
       "providerDirs",
       "providerDirs: [/a]",
       {},
       {{"providerDirs", {"/c", "/d,/c"}}},
       "/c,/d",
       "flag --provider-dir"},
      {"log format", "log.format", "", {}, {}, "json", "default"},
      {"http off", "http.address", "http: {address: off}", {}, {}, "off", "nodekeep.yaml:1"},
      {"http on every address",
       "http.address",
       "http: {address: ':9466'}",
       {},
       {},
       ":9466",
       "nodekeep.yaml:1"},
      {"size", "cache.maxBytes", "cache: {maxBytes: 128Mi}", {}, {}, "128MiB", "nodekeep.yaml:1"},
      {"node name", "nodeName", "", {}, {}, "node-of-the-test", "host name"},
      {"provider setting",
       "providers.vault.address",
       "providers: {vault: {address: http://v}}",
       {},
       {},
       "http://v",
       "nodekeep.yaml:1"},
      {"the dialect's own variable",
       "providers.vault.address",
       "providers: {vault: {address: http://v}}",
       {{"VAULT_ADDR", "http://e"}},
       {},
       "http://e",
       "environment VAULT_ADDR"},
      {"boolean as Go reads it",
       "providers.vault.skipTlsVerify",
       "",
       {{"VAULT_SKIP_VERIFY", "1"}},
       {},
       "true",
       "environment VAULT_SKIP_VERIFY"},
      {"bare seconds",
       "providers.vault.timeout",
       "",
       {{"VAULT_CLIENT_TIMEOUT", "60"}},
       {},
       "60s",
       "environment VAULT_CLIENT_TIMEOUT"},
      {"provider policy follows the general one",
       "providers.vault.policy.refreshAfter",
       "policy: {refreshAfter: 5m}",
       {},
       {},
       "5m",
       "policy.refreshAfter"},
      {"provider policy of its own",
       "providers.vault.policy.refreshAfter",
       "policy: {refreshAfter: 5m}\nproviders:\n  vault:\n    policy: {refreshAfter: 7m}\n",
       {},
       {},
       "7m",
       "nodekeep.yaml:4"},
      {"shortest age of a class",
       "policy.refreshAfterMin",
       "policy: {refreshAfterMin: 30s}",
       {},
       {},
       "30s",
       "nodekeep.yaml:1"},
      {"age at the start of a pod",
       "providers.vault.policy.maxAgeAtStart",
       "policy: {maxAgeAtStart: 0s}",
       {},
       {},
       "0s",
       "policy.maxAgeAtStart"},
      {"dev is not served by default", "providers.enabled", "", {}, {}, "vault", "default"},
      {"dev is served once its path is set",
       "providers.enabled",
       "",
       {{"NODEKEEP_DEV_PATH", "/store"}},
       {},
       "dev,vault",
       "default"},
      {"chosen providers, in the order of the build",
       "providers.enabled",
       "",
       {},
       {{"providers.enabled", {"vault,dev"}}},
       "dev,vault",
       "flag --providers"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    ConfigSources sources = Sources(row.file);
    sources.environment = row.environment;
    sources.flags = row.flags;
    CHECK(ValueOf(sources, row.path) == row.want);
    const ConfigCheck check = CheckConfig(sources);
    REQUIRE(check.loaded);
    CHECK(check.loaded->origins.at(row.path) == row.origin);
  }
}

TEST_CASE("config: every unknown key and every bad value is reported at once, with line and fix") {
  ConfigSources sources = Sources(
      "logLevel: debug\n"
      "log:\n"
      "  levle: debug\n"
      "cache:\n"
      "  max_bytes: 1\n"
      "  keyRotation: soon\n"
      "maxBytes: 64MiB\n"
      "mountBudget: 0s\n"
      "fetch: [1]\n"
      "providers:\n"
      "  enabled: [vault, vualt]\n"
      "  valut: {}\n"
      "  vault:\n"
      "    adress: http://x\n"
      "    skipTlsVerify: perhaps\n"
      "    policy: {refresh: 1m}\n"
      "wholly-different-thing: 1\n");
  sources.environment = {{"NODEKEEP_FETCH_ATTEMPTS", "0"}};
  sources.flags = {{"log.level", {"loud"}}};
  const ConfigCheck check = CheckConfig(sources);
  CHECK_FALSE(check.loaded);
  const std::vector<std::string> want = {
      "nodekeep.yaml:1:1: logLevel: unknown setting; did you mean log.level?",
      "nodekeep.yaml:3:3: log.levle: unknown setting; did you mean level?",
      "nodekeep.yaml:5:3: cache.max_bytes: unknown setting; did you mean maxBytes?",
      "nodekeep.yaml:7:1: maxBytes: unknown setting; did you mean cache.maxBytes?",
      "nodekeep.yaml:9:8: fetch: expected a map of settings; write `key: value` lines below it",
      "nodekeep.yaml:12:3: providers.valut: unknown setting; did you mean vault?",
      "nodekeep.yaml:14:5: providers.vault.adress: unknown setting; did you mean address?",
      "nodekeep.yaml:16:14: providers.vault.policy.refresh: unknown setting; known here: "
      "refreshAfter, maxAgeAtStart, serveStaleFor, rememberFailure",
      "nodekeep.yaml:17:1: wholly-different-thing: unknown setting; known here: log, nodeName, "
      "http, adminSocket, providerDirs, kubeconfig, versionKeySecret, driver, providerDoor, "
      "mountBudget, "
      "shutdownGrace, cache, fetch, policy, providers",
      "flag --log-level: log.level: \"loud\" is not a valid log level; use debug, info, warn, "
      "error or off",
      "nodekeep.yaml:8:14: mountBudget: \"0s\" is not a valid duration above zero; write it like "
      "90s, 1h30m "
      "or 500ms, at most 8760h",
      "nodekeep.yaml:6:16: cache.keyRotation: \"soon\" is not a valid duration above zero; write "
      "it like "
      "90s, 1h30m or 500ms, at most 8760h",
      "environment NODEKEEP_FETCH_ATTEMPTS: fetch.attempts: \"0\" is not a valid whole number in "
      "range; "
      "write one from 1 to 20",
      "nodekeep.yaml:11:12: providers.enabled: \"vault,vualt\" is not a valid list of providers of "
      "this "
      "build; choose from dev, vault",
      "nodekeep.yaml:15:20: providers.vault.skipTlsVerify: \"perhaps\" is not a valid boolean; "
      "write true "
      "or "
      "false",
  };
  CHECK(Texts(check.findings) == want);

  const Result<LoadedConfig> loaded = LoadConfig(sources);
  REQUIRE_FALSE(loaded.ok());
  for (const std::string& text : want) {
    CHECK(loaded.error().message().find(text) != std::string::npos);
  }
}

TEST_CASE("config: an overridden value must be valid too") {
  ConfigSources sources = Sources("log: {level: loud}");
  sources.flags = {{"log.level", {"info"}}};
  CHECK(CheckConfig(sources).findings.size() == 1);
}

TEST_CASE("config: conflicting values are refused with the position of the one that was set") {
  struct Row {
    std::string name, file, want;
  };
  const std::string deep = "/" + std::string(104, 'x');
  const Row rows[] = {
      {"stale age below the refresh age", "policy:\n  refreshAfter: 2h\n",
       "nodekeep.yaml:2:17: policy.refreshAfter: serveStaleFor is shorter than refreshAfter; make "
       "it "
       "at least as long, or 0 for never"},
      {"the same in a provider", "providers:\n  vault:\n    policy: {serveStaleFor: 1s}\n",
       "nodekeep.yaml:3:29: providers.vault.policy.serveStaleFor: serveStaleFor is shorter than "
       "refreshAfter; make it at least as long, or 0 for never"},
      {"admin socket too long", "adminSocket: " + deep + "xyz\n",
       "nodekeep.yaml:1:14: adminSocket: the path of socket \"" + deep +
           "xyz\" is longer than 107 bytes; use a directory with a shorter path"},
      {"provider socket too long", "providerDirs: [" + deep + "]\n",
       "nodekeep.yaml:1:15: providerDirs: the path of socket \"" + deep +
           "/vault.sock\" is longer than 107 bytes; use a directory with a shorter path"},
      {"empty admin socket", "adminSocket: ''\n",
       "nodekeep.yaml:1:14: adminSocket: must not be empty; write the path of the socket"},
      {"two documents", "log: {level: info}\n---\nnodeName: x\n",
       "nodekeep.yaml:3:1: a configuration file is one YAML document; remove the `---` and join "
       "the "
       "documents"},
      {"not YAML", "log: {level: info\n",
       "nodekeep.yaml:1:18: did not find expected ',' or '}' while parsing a flow mapping"},
      {"the same key twice", "nodeName: a\nnodeName: b\n",
       "nodekeep.yaml:2:1: mapping key \"nodeName\" already defined at line 1"},
      {"a list at the top", "- log\n",
       "nodekeep.yaml:1:1: expected a map of settings; write `key: value` lines below it"},
      {"a map where a text belongs", "nodeName: {a: b}\n",
       "nodekeep.yaml:1:11: nodeName: expected one text, found a map; write a text"},
      {"a map inside a list", "providerDirs: [{a: b}]\n",
       "nodekeep.yaml:1:16: providerDirs: each item of the list must be a string; write paths that "
       "begin with /"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const ConfigCheck check = CheckConfig(Sources(row.file));
    CHECK(Texts(check.findings) == std::vector<std::string>{row.want});
  }
}

TEST_CASE("config: bad values of each kind are refused, good ones are read") {
  struct Row {
    std::string path, text;
    bool good;
  };
  const Row rows[] = {
      {"http.address", "127.0.0.1:9466", true},
      {"http.address", "[::1]:0", true},
      {"http.address", ":80", true},
      {"http.address", "9466", false},
      {"http.address", "host:", false},
      {"http.address", "host:99999", false},
      {"http.address", "::1:80", false},
      {"adminSocket", "run/x.sock", false},
      {"fetch.attempts", "20", true},
      {"fetch.attempts", "21", false},
      {"fetch.attempts", "3x", false},
      {"fetch.attempts", "-1", false},
      {"cache.maxBytes", "0", true},
      {"cache.maxBytes", "64 MiB", false},
      {"shutdownGrace", "0", true},
      {"shutdownGrace", "20", false},
      {"policy.serveStaleFor", "8760h", true},
      {"policy.serveStaleFor", "8760h1s", false},
      {"fetch.budget", "2562047h", false},
      {"providers.vault.timeout", "2562047h", false},
      {"log.format", "xml", false},
      {"providerDoor.maxReplyBytes", "4MiB", true},
      {"providerDoor.maxReplyBytes", "16MiB", true},
      {"providerDoor.maxReplyBytes", "17MiB", false},
      {"providerDoor.maxReplyBytes", "1023KiB", false},
      {"providerDoor.maxReplyBytes", "lots", false},
      {"log.format", "text", true},
      {"providers.enabled", ",", false},
      {"providers.enabled", "dev", true},
      {"providers.vault.timeout", "1x", false},
      {"providers.vault.skipTlsVerify", "yes", false},
  };
  for (const Row& row : rows) {
    INFO(row.path << " = " << row.text);
    ConfigSources sources = Sources("");
    sources.flags[row.path] = {row.text};
    CHECK(CheckConfig(sources).loaded.has_value() == row.good);
  }
}

TEST_CASE("config: the log is text on a terminal, unless its format is set") {
  struct Row {
    std::string name, file, environment, want, origin;
  };
  const Row rows[] = {
      {"not set", "", "", "text", "terminal"},
      {"file", "log: {format: json}", "", "json", "nodekeep.yaml:1"},
      {"environment", "", "json", "json", "environment NODEKEEP_LOG_FORMAT"},
      {"text", "log: {format: text}", "", "text", "nodekeep.yaml:1"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    ConfigSources sources = Sources(row.file);
    sources.logs_to_terminal = true;
    sources.environment["NODEKEEP_LOG_FORMAT"] = row.environment;
    CHECK(ValueOf(sources, "log.format") == row.want);
    CHECK(CheckConfig(sources).loaded->origins.at("log.format") == row.origin);
    // A reload reads the same sources: nothing needs a restart.
    CHECK(NeedRestart(*CheckConfig(sources).loaded, *CheckConfig(sources).loaded).empty());
  }
}

TEST_CASE("config: a missing file is a finding that names it") {
  ConfigSources sources = Sources("");
  sources.file = "/no/such/nodekeep.yaml";
  sources.file_text.reset();
  CHECK(Texts(CheckConfig(sources).findings) ==
        std::vector<std::string>{
            "/no/such/nodekeep.yaml: read /no/such/nodekeep.yaml: No such file or directory"});
}

TEST_CASE("config: the output of `config print` loads as the same configuration") {
  ConfigSources sources =
      Sources("providers: {vault: {address: 'http://v: #x', tokenFile: ' t'}}\n");
  sources.environment = {{"NODEKEEP_CACHE_MAX_BYTES", "1000"}, {"VAULT_SKIP_VERIFY", "T"}};
  sources.flags = {{"http.address", {"off"}}, {"providers.enabled", {"dev,vault"}}};
  const ConfigCheck first = CheckConfig(sources);
  REQUIRE(first.loaded);
  const ConfigCheck second = CheckConfig(Sources(ConfigYaml(*first.loaded)));
  CHECK(Texts(second.findings) == std::vector<std::string>{});
  REQUIRE(second.loaded);
  for (const Setting& setting : Settings(FakeRegistry())) {
    INFO(setting.path);
    CHECK(setting.codec.print(second.loaded->config) == setting.codec.print(first.loaded->config));
  }
}

TEST_CASE("config: `config print` says where each value comes from") {
  ConfigSources sources = Sources("cache:\n  maxBytes: 1MiB\n");
  sources.environment = {{"VAULT_ADDR", "http://v"}};
  const ConfigCheck check = CheckConfig(sources);
  REQUIRE(check.loaded);
  const std::string yaml = ConfigYaml(*check.loaded);
  const auto line_with = [&](std::string_view text) {
    const std::size_t at = yaml.find(text);
    REQUIRE(at != std::string::npos);
    return yaml.substr(at, yaml.find('\n', at) - at);
  };
  CHECK(line_with("maxBytes: 1MiB").ends_with("# nodekeep.yaml:2"));
  CHECK(line_with("address: http://v").ends_with("# environment VAULT_ADDR"));
  CHECK(line_with("attempts: 4").ends_with("# default"));
  const Json json = ConfigJson(*check.loaded);
  CHECK(json["fetch.attempts"]["value"].as<int>() == 4);
  CHECK(json["cache.maxBytes"]["source"].as_string() == "nodekeep.yaml:2");
}

TEST_CASE("config: the changed settings that need a restart are named") {
  const ConfigCheck before = CheckConfig(Sources("nodeName: a\nlog: {level: info}\n"));
  const ConfigCheck after = CheckConfig(
      Sources("nodeName: b\nlog: {level: debug}\nhttp: {address: off}\ncache: {maxBytes: 1}\n"));
  REQUIRE(before.loaded);
  REQUIRE(after.loaded);
  CHECK(NeedRestart(*before.loaded, *before.loaded).empty());
  CHECK(NeedRestart(*before.loaded, *after.loaded) ==
        std::vector<std::string>{"nodeName", "http.address"});
}

TEST_CASE(
    "config: every setting has a help sentence, its own names, and a default that reads back") {
  const std::vector<Setting> settings = Settings(FakeRegistry());
  const Config defaults = DefaultConfig(FakeRegistry());
  std::map<std::string, int> names;
  for (const Setting& setting : settings) {
    INFO(setting.path);
    CHECK_FALSE(setting.help.empty());
    CHECK_FALSE(setting.help.ends_with('.'));
    ++names[setting.path];
    if (!setting.environment.empty()) ++names[setting.environment];
    if (!setting.flag.empty()) ++names[setting.flag];
    if (setting.path == "providers.enabled") continue;
    Config config = DefaultConfig(FakeRegistry());
    const std::vector<std::string> texts = setting.codec.print(defaults);
    CHECK(setting.codec.read(config, texts));
    CHECK(setting.codec.print(config) == texts);
  }
  for (const auto& [name, count] : names) {
    INFO(name);
    CHECK(count == 1);
  }
}

}  // namespace
}  // namespace nodekeep

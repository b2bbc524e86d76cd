#include "agent/app/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "agent/app/config_settings.h"
#include "agent/base/closest.h"
#include "agent/base/comma_list.h"
#include "agent/base/go_json.h"
#include "agent/base/yaml.h"

namespace nodekeep {
namespace {

// sockaddr_un::sun_path with its final NUL.
constexpr std::size_t kMaxSocketPath = 107;

// The texts that one source has for one setting, and their position.
struct Given {
  std::vector<std::string> texts;
  std::string origin;  // as in LoadedConfig::origins
  Finding place;       // with source, line, column and field
};

bool IsUnder(std::string_view path, std::string_view section) {
  return section.empty() ||
         (path.size() > section.size() && path.starts_with(section) && path[section.size()] == '.');
}

std::string Below(const std::string& section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

// Reads the file's tree and checks it against the table of settings.
class FileReader {
 public:
  FileReader(const std::string& file, const std::vector<Setting>& settings,
             std::vector<Finding>& findings)
      : file_(file), settings_(settings), findings_(findings) {}

  std::map<std::string, Given> Read(const YamlNode& root) {
    if (!root.IsNull()) ReadSection(root, "");
    return std::move(given_);
  }

 private:
  void ReadSection(const YamlNode& node, const std::string& section) {
    if (!node.IsMapping()) {
      Report(node, section, "expected a map of settings", "write `key: value` lines below it");
      return;
    }
    for (const auto& [key, value] : node.entries) {
      const std::string path = Below(section, key.text);
      const auto setting = std::find_if(settings_.begin(), settings_.end(),
                                        [&](const Setting& s) { return s.path == path; });
      const bool is_section =
          !key.text.empty() && std::any_of(settings_.begin(), settings_.end(),
                                           [&](const Setting& s) { return IsUnder(s.path, path); });
      if (setting != settings_.end()) {
        ReadValue(*setting, value);
      } else if (!is_section) {
        Report(key, path, "unknown setting", Suggestion(section, key.text));
      } else if (!value.IsNull()) {
        ReadSection(value, path);
      }
    }
  }

  void ReadValue(const Setting& setting, const YamlNode& value) {
    if (value.IsNull()) return;  // `key:` without a value leaves the default
    Given given{
        .origin = fmt::format("{}:{}", file_, value.line),
        .place = {
            .source = file_, .line = value.line, .column = value.column, .field = setting.path}};
    if (value.IsScalar()) {
      given.texts = setting.codec.is_list ? SplitCommas(value.text) : std::vector{value.text};
    } else if (value.IsSequence() && setting.codec.is_list) {
      for (const YamlNode& item : value.items) {
        if (!item.IsScalar()) {
          Report(item, setting.path, "each item of the list must be a string", setting.codec.how);
          return;
        }
        given.texts.push_back(item.text);
      }
    } else {
      Report(value, setting.path,
             fmt::format("expected {}{}, found a {}", setting.codec.is_list ? "a " : "one ",
                         setting.codec.type, value.IsMapping() ? "map" : "list"),
             setting.codec.how);
      return;
    }
    given_.emplace(setting.path, std::move(given));
  }

  std::string Suggestion(const std::string& section, const std::string& key) const {
    std::vector<std::string_view> here;
    std::vector<std::string_view> last_names;
    std::vector<std::string_view> paths;
    for (const Setting& setting : settings_) {
      const std::string_view path = setting.path;
      const std::size_t dot = path.rfind('.');
      last_names.push_back(path.substr(dot == std::string_view::npos ? 0 : dot + 1));
      paths.push_back(path);
      if (!IsUnder(setting.path, section)) continue;
      const std::size_t start = section.empty() ? 0 : section.size() + 1;
      const std::string_view name = path.substr(start, path.find('.', start) - start);
      if (std::find(here.begin(), here.end(), name) == here.end()) here.push_back(name);
    }
    if (const std::string near = ClosestTo(key, here); !near.empty()) {
      return fmt::format("did you mean {}?", near);
    }
    if (const std::string near = ClosestTo(key, paths); !near.empty()) {
      return fmt::format("did you mean {}?", near);
    }
    if (const std::string near = ClosestTo(key, last_names); !near.empty()) {
      const auto at = std::find(last_names.begin(), last_names.end(), near) - last_names.begin();
      return fmt::format("did you mean {}?", paths[static_cast<std::size_t>(at)]);
    }
    return fmt::format("known here: {}", fmt::join(here, ", "));
  }

  void Report(const YamlNode& node, std::string field, std::string message, std::string fix) {
    findings_.push_back({.source = file_,
                         .line = node.line,
                         .column = node.column,
                         .field = std::move(field),
                         .message = std::move(message),
                         .fix = std::move(fix)});
  }

  const std::string& file_;
  const std::vector<Setting>& settings_;
  std::vector<Finding>& findings_;
  std::map<std::string, Given> given_;
};

std::map<std::string, Given> ReadFileSettings(const ConfigSources& sources,
                                              const std::vector<Setting>& settings,
                                              std::vector<Finding>& findings) {
  if (sources.file.empty()) return {};
  std::string text;
  if (sources.file_text) {
    text = *sources.file_text;
  } else {
    const Result<SecretBytes> read = ReadFile(sources.file, kMaxYamlBytes, sources.file_kind);
    if (!read.ok()) {
      findings.push_back({.source = sources.file, .message = read.error().message()});
      return {};
    }
    text = read->Reveal();
  }
  const Result<std::vector<YamlNode>> documents = ParseYamlDocuments(text);
  if (!documents.ok()) {
    findings.push_back(FindingOf(sources.file, documents.error()));
    return {};
  }
  if (documents->empty()) return {};
  if (documents->size() > 1) {
    findings.push_back({.source = sources.file,
                        .line = (*documents)[1].line,
                        .column = (*documents)[1].column,
                        .message = "a configuration file is one YAML document",
                        .fix = "remove the `---` and join the documents"});
  }
  return FileReader(sources.file, settings, findings).Read(documents->front());
}

std::vector<std::string> TextsOf(const Setting& setting, const std::vector<std::string>& raw) {
  if (!setting.codec.is_list) return raw;
  std::vector<std::string> texts;
  for (const std::string& text : raw) {
    for (std::string& part : SplitCommas(text)) texts.push_back(std::move(part));
  }
  return texts;
}

// The texts of all sources for `setting`, lowest precedence first.
std::vector<Given> Gather(const Setting& setting, const std::map<std::string, Given>& file,
                          const ConfigSources& sources) {
  std::vector<Given> given;
  if (auto found = file.find(setting.path); found != file.end()) given.push_back(found->second);
  const auto variable = sources.environment.find(setting.environment);
  if (!setting.environment.empty() && variable != sources.environment.end() &&
      !variable->second.empty()) {
    const std::string name = "environment " + setting.environment;
    given.push_back({.texts = TextsOf(setting, {variable->second}),
                     .origin = name,
                     .place = {.source = name, .field = setting.path}});
  }
  if (auto flag = sources.flags.find(setting.path); flag != sources.flags.end()) {
    const std::string name = "flag " + setting.flag;
    given.push_back({.texts = TextsOf(setting, flag->second),
                     .origin = name,
                     .place = {.source = name, .field = setting.path}});
  }
  return given;
}

// Every source's value is checked, also one that another source overrides.
void Apply(const Setting& setting, const std::vector<Given>& given, LoadedConfig& loaded,
           std::vector<Finding>& findings) {
  loaded.origins[setting.path] = "default";
  if (!setting.follows.empty()) {
    const auto followed = loaded.origins.find(setting.follows);
    if (followed != loaded.origins.end()) loaded.origins[setting.path] = setting.follows;
  }
  for (const Given& source : given) {
    if (setting.codec.read(loaded.config, source.texts)) {
      loaded.origins[setting.path] = source.origin;
      continue;
    }
    Finding finding = source.place;
    finding.message = fmt::format("{} is not a valid {}", GoJsonString(JoinTexts(source.texts)),
                                  setting.codec.type);
    finding.fix = setting.codec.how;
    findings.push_back(std::move(finding));
  }
}

// The position of the effective value, for findings about conflicting values.
Finding PlaceOf(const std::map<std::string, std::vector<Given>>& all, const std::string& path) {
  const auto found = all.find(path);
  if (found == all.end() || found->second.empty())
    return {.source = "configuration", .field = path};
  return found->second.back().place;
}

void CheckPolicy(const Policy& policy, Finding place, std::vector<Finding>& findings) {
  if (policy.serve_stale_for == Duration::zero()) return;
  if (policy.serve_stale_for >= policy.refresh_after) return;
  place.message = "serveStaleFor is shorter than refreshAfter";
  place.fix = "make it at least as long, or 0 for never";
  findings.push_back(std::move(place));
}

void CheckTogether(const Config& config, const std::map<std::string, std::vector<Given>>& all,
                   std::vector<Finding>& findings) {
  // Point to the one of the two that was set.
  const auto policy_place = [&](const std::string& section) {
    const std::string stale = section + ".serveStaleFor";
    return PlaceOf(all, all.at(stale).empty() ? section + ".refreshAfter" : stale);
  };
  CheckPolicy(config.policy, policy_place("policy"), findings);
  for (const auto& [name, provider] : config.providers) {
    if (provider.policy == config.policy) continue;
    CheckPolicy(provider.policy, policy_place("providers." + name + ".policy"), findings);
  }
  const auto check_socket = [&](const std::string& socket, const std::string& path) {
    if (socket.size() <= kMaxSocketPath) return;
    Finding place = PlaceOf(all, path);
    place.message =
        fmt::format("the path of socket \"{}\" is longer than {} bytes", socket, kMaxSocketPath);
    place.fix = "use a directory with a shorter path";
    findings.push_back(std::move(place));
  };
  check_socket(config.admin_socket, "adminSocket");
  if (config.admin_socket.empty()) {
    Finding place = PlaceOf(all, "adminSocket");
    place.message = "must not be empty";
    place.fix = "write the path of the socket";
    findings.push_back(std::move(place));
  }
  for (const std::string& directory : config.provider_dirs) {
    for (const std::string& name : config.enabled_providers) {
      check_socket(directory + "/" + name + ".sock", "providerDirs");
    }
  }
}

bool IsServedByDefault(const LoadedConfig& loaded, const ProviderEntry& entry) {
  const std::span<const SettingKey> keys = entry.settings();
  return std::all_of(keys.begin(), keys.end(), [&](const SettingKey& key) {
    return !key.enables ||
           loaded.origins.at(fmt::format("providers.{}.{}", entry.name, key.name)) != "default";
  });
}

void FillComputedDefaults(LoadedConfig& loaded) {
  Config& config = loaded.config;
  if (loaded.sources.logs_to_terminal && loaded.origins.at("log.format") == "default") {
    config.log_format = LogFormat::kText;
    loaded.origins["log.format"] = "terminal";
  }
  if (config.node_name.empty()) {
    config.node_name = loaded.sources.host_name;
    loaded.origins["nodeName"] = "host name";
  }
  std::vector<std::string> enabled;
  for (const ProviderEntry& entry : loaded.sources.providers) {
    const std::string name(entry.name);
    const auto& chosen = config.enabled_providers;
    const bool is_chosen = std::find(chosen.begin(), chosen.end(), name) != chosen.end();
    if (chosen.empty() ? IsServedByDefault(loaded, entry) : is_chosen) {
      enabled.push_back(name);
    }
  }
  config.enabled_providers = std::move(enabled);
  for (auto& [name, provider] : config.providers) {
    provider.policy.refresh_after_min = config.policy.refresh_after_min;
  }
}

}  // namespace

ConfigCheck CheckConfig(const ConfigSources& sources) {
  ConfigCheck check;
  const std::vector<Setting> settings = Settings(sources.providers);
  LoadedConfig loaded{
      .config = DefaultConfig(sources.providers), .origins = {}, .sources = sources};
  const auto file = ReadFileSettings(sources, settings, check.findings);

  std::map<std::string, std::vector<Given>> all;
  for (const Setting& setting : settings) {
    const std::vector<Given>& given =
        all.emplace(setting.path, Gather(setting, file, sources)).first->second;
    if (!setting.follows.empty() && given.empty()) {
      // The followed setting is earlier in the table, so its value is final.
      const auto followed = std::find_if(settings.begin(), settings.end(), [&](const Setting& s) {
        return s.path == setting.follows;
      });
      setting.codec.read(loaded.config, followed->codec.print(loaded.config));
    }
    Apply(setting, given, loaded, check.findings);
  }
  FillComputedDefaults(loaded);
  CheckTogether(loaded.config, all, check.findings);
  if (check.findings.empty()) check.loaded = std::move(loaded);
  return check;
}

Result<LoadedConfig> LoadConfig(const ConfigSources& sources) {
  ConfigCheck check = CheckConfig(sources);
  if (check.loaded) return *std::move(check.loaded);
  if (check.findings.size() == 1) {
    return Error(ErrorCode::kInvalid, "configuration: " + check.findings.front().Text());
  }
  std::string text = fmt::format("configuration: {} problems", check.findings.size());
  for (const Finding& finding : check.findings) text += "\n  " + finding.Text();
  return Error(ErrorCode::kInvalid, std::move(text));
}

std::vector<std::string> NeedRestart(const LoadedConfig& before, const LoadedConfig& after) {
  std::vector<std::string> paths;
  for (const Setting& setting : Settings(after.sources.providers)) {
    if (setting.live) continue;
    if (setting.codec.print(before.config) != setting.codec.print(after.config)) {
      paths.push_back(setting.path);
    }
  }
  return paths;
}

}  // namespace nodekeep

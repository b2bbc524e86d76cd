// The sources of this process's settings.

#include <unistd.h>

#include <filesystem>

#include "agent/app/config.h"

namespace nodekeep {
namespace {

constexpr char kDefaultFile[] = "/etc/nodekeep/nodekeep.yaml";

std::map<std::string, std::string> AllVariables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

}  // namespace

ConfigSources SystemConfigSources(std::string file) {
  ConfigSources sources;
  sources.environment = AllVariables();
  sources.host_name = HostName();
  sources.providers = ProviderRegistry();
  sources.file = std::move(file);
  if (!sources.file.empty()) return sources;
  const auto named = sources.environment.find("NODEKEEP_CONFIG");
  std::error_code ignored;
  if (named != sources.environment.end() && !named->second.empty()) {
    sources.file = named->second;
  } else if (std::filesystem::exists(kDefaultFile, ignored)) {
    sources.file = kDefaultFile;
  }
  return sources;
}

}  // namespace nodekeep

#pragma once

// Prints the configuration and the table of settings.

#include <span>
#include <string>

#include "agent/app/config.h"
#include "agent/base/json.h"

namespace nodekeep {

// The effective configuration as a configuration file; a comment says where each value comes from.
// Loading it gives the same configuration.
std::string ConfigYaml(const LoadedConfig& loaded);

// {"<path>": {"value": ..., "source": "..."}}.
Json ConfigJson(const LoadedConfig& loaded);

// The table of settings in Markdown, as in docs/configuration.md.
std::string SettingsMarkdown(std::span<const ProviderEntry> providers);

// The same as data, a list of objects.
Json SettingsJson(std::span<const ProviderEntry> providers);

}  // namespace nodekeep

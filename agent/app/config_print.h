#pragma once

// The configuration and its table of settings, written out.

#include <span>
#include <string>

#include "agent/app/config.h"
#include "agent/base/json.h"

namespace nodekeep {

// The effective configuration as a configuration file; a comment says where each value comes from.
// Read back, it gives the same configuration.
std::string ConfigYaml(const LoadedConfig& loaded);

// {"<path>": {"value": ..., "source": "..."}}.
Json ConfigJson(const LoadedConfig& loaded);

// The table of settings in Markdown: what docs/configuration.md shows.
std::string SettingsMarkdown(std::span<const ProviderEntry> providers);

// The same as data, a list of objects.
Json SettingsJson(std::span<const ProviderEntry> providers);

}  // namespace nodekeep

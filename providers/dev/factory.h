#pragma once

// Makes the provider from the configuration's `dev` section.

#include <memory>
#include <span>
#include <string_view>

#include "providers/registry.h"

namespace nodekeep::dev {

inline constexpr std::string_view kRuntimeName = "nodekeep-dev";

std::span<const SettingKey> SettingsKeys();
Result<Provider> Make(const SettingValues& values, ProviderServices services);

}  // namespace nodekeep::dev

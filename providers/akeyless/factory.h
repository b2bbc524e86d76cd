#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "agent/base/result.h"
#include "providers/registry.h"

namespace nodekeep::akeyless {

inline constexpr std::string_view kRuntimeName = "akeyless-csi-provider";

std::span<const SettingKey> SettingsKeys();
Result<Provider> Make(const SettingValues& values, ProviderServices services);

}  // namespace nodekeep::akeyless

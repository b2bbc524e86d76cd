#pragma once

#include <memory>
#include <span>

#include "agent/base/result.h"
#include "providers/registry.h"

namespace nodekeep::akeyless {

std::span<const SettingKey> SettingsKeys();
Result<Provider> Make(const SettingValues& values, ProviderServices services);

}  // namespace nodekeep::akeyless

#pragma once

#include <memory>
#include <span>

#include "agent/base/result.h"
#include "providers/registry.h"

namespace nodekeep::vault {

std::span<const SettingKey> SettingsKeys();
Result<Provider> Make(const SettingValues& values, ProviderServices services);

}  // namespace nodekeep::vault

#include "providers/dev/factory.h"

#include "providers/dev/dev.h"

namespace nodekeep::dev {

std::span<const SettingKey> SettingsKeys() {
  static constexpr SettingKey kKeys[] = {
      {.name = "path",
       .environment = "NODEKEEP_DEV_PATH",
       .default_text = "/etc/nodekeep/dev-store.yaml",
       .help = "File (YAML or JSON) or directory (one file per secret) that holds the secrets; it "
               "is watched, and may appear later",
       .enables = true},  // a store for trying things out is not served unless asked for
  };
  return kKeys;
}

Result<Provider> Make(const SettingValues& values, ProviderServices services) {
  DevSettings settings;
  auto path = values.find("path");
  if (path != values.end()) settings.path = path->second;
  if (settings.path.empty()) {
    return Error(ErrorCode::kInvalid, "path is empty: name the file or directory of the secrets");
  }
  if (settings.path.find('\0') != std::string::npos) {
    return Error(ErrorCode::kInvalid, "path has a NUL byte");
  }
  settings.version_key = std::move(services.version_key);
  settings.policy = services.policy;
  settings.on_exception = std::move(services.on_exception);
  return MakeDevProvider(std::move(settings), services.clock, services.log);
}

}  // namespace nodekeep::dev

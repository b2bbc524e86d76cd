#include "tests/conformance/subject.h"

#include <cstdlib>
#include <iostream>

namespace nodekeep::conformance {

Provider MakeRegistered(std::string_view name, const SettingValues& values, HttpClient& http,
                        const Clock& clock, Logger& log) {
  for (const ProviderEntry& entry : ProviderRegistry()) {
    if (entry.name != name) continue;
    SettingValues all = values;
    for (const SettingKey& key : entry.settings()) {
      all.try_emplace(std::string(key.name), std::string(key.default_text));
    }
    auto made = entry.make(all, {http, clock, log, Policy(), SecretBytes("version key")});
    if (made.ok()) return *std::move(made);
    std::cerr << name << ": " << made.error().message() << '\n';
  }
  std::cerr << "provider " << name << " cannot be made\n";
  std::abort();
}

}  // namespace nodekeep::conformance

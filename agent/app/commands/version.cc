#include "agent/app/version.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/app/commands/commands.h"
#include "agent/app/render.h"

namespace nodekeep {

void AddVersion(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command =
      root.add_subcommand("version", "Prints the version and the providers of this build");
  auto output = AddOutput(*command);
  Examples(*command, {"nodekeep version", "nodekeep version -o json"});
  command->callback([&chosen, output] {
    chosen.run = [&chosen, output] {
      std::vector<std::string> providers;
      for (const ProviderEntry& entry : chosen.io.providers) {
        providers.emplace_back(entry.name);
      }
      Json json(jsoncons::json_object_arg);
      json["version"] = std::string(Version());
      json["providers"] = JsonTexts(providers);
      Print(chosen.io, *output, json, [&] {
        return fmt::format("nodekeep {}\nproviders: {}\n", Version(), fmt::join(providers, ", "));
      });
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

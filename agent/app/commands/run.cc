#include <unistd.h>

#include "agent/app/agent.h"
#include "agent/app/commands/commands.h"

namespace nodekeep {

void AddRun(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand("run", "Runs the agent until SIGTERM or SIGINT");
  auto flags = AddConfigFlags(*command, chosen);
  Examples(*command, {"nodekeep run --config /etc/nodekeep/nodekeep.yaml",
                      "nodekeep run --providers dev,vault --log-level debug",
                      "nodekeep run --provider-dir /var/run/secrets-store-csi-providers "
                      "--provider-dir /etc/kubernetes/secrets-store-csi-providers",
                      "NODEKEEP_HTTP_ADDRESS=:9466 VAULT_ADDR=https://vault:8200 nodekeep run"});
  command->callback([&chosen, flags] {
    chosen.run = [&chosen, flags] {
      ConfigSources sources = flags->Sources(chosen.io);
      sources.logs_to_terminal = isatty(STDERR_FILENO) == 1;
      const Result<LoadedConfig> loaded = LoadConfig(sources);
      if (!loaded.ok()) return Fail(chosen.io, loaded.error());
      return RunAgent(*loaded);
    };
  });
}

}  // namespace nodekeep

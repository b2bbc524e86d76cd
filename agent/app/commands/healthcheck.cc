#include <ostream>

#include "agent/app/commands/commands.h"

namespace nodekeep {

void AddHealthcheck(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand(
      "healthcheck", "Exits with 0 when the agent on this node is ready, else with 1");
  auto agent = AddAgentFlags(*command, "3s");
  Examples(*command, {"nodekeep healthcheck",
                      "nodekeep healthcheck --admin-socket /run/nodekeep/admin.sock --timeout 1s"});
  command->callback([&chosen, agent] {
    chosen.run = [&chosen, agent] {
      Result<AdminClient> client = agent->Connect(chosen.io);
      if (!client.ok()) return Fail(chosen.io, client.error());
      const auto health = client->Health();
      if (!health.ok()) return Fail(chosen.io, health.error());
      if (!health->ready()) {
        return Fail(chosen.io, Error(ErrorCode::kPrecondition, "not ready: " + health->reason()));
      }
      chosen.io.out << "ok\n";
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

#include <memory>
#include <ostream>

#include "agent/app/commands/commands.h"

namespace nodekeep {

void AddHealthcheck(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand(
      "healthcheck", "Exits with 0 when the agent on this node is ready, else with 1");
  auto agent = AddAgentFlags(*command, "3s");
  auto live = std::make_shared<bool>(false);
  command->add_flag("--live", *live, "Only check that the agent answers, ready or not");
  Examples(*command, {"nodekeep healthcheck", "nodekeep healthcheck --live --timeout 10s",
                      "nodekeep healthcheck --admin-socket /run/nodekeep/admin.sock --timeout 1s"});
  command->callback([&chosen, agent, live] {
    chosen.run = [&chosen, agent, live] {
      Result<AdminClient> client = agent->Connect(chosen.io);
      if (!client.ok()) return Fail(chosen.io, client.error());
      const auto health = client->Health();
      if (!health.ok()) return Fail(chosen.io, health.error());
      if (!health->ready() && !*live) {
        return Fail(chosen.io, Error(ErrorCode::kPrecondition, "not ready: " + health->reason()));
      }
      chosen.io.out << "ok\n";
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

#include <ostream>

#include "agent/app/commands/commands.h"

namespace nodekeep {

void AddHealthcheck(CLI::App& root, Choice& choice) {
  CLI::App* command = root.add_subcommand(
      "healthcheck", "Exits with 0 when the agent on this node is ready, else with 1");
  auto agent = AddAgentFlags(*command, "3s");
  Examples(*command, {"nodekeep healthcheck",
                      "nodekeep healthcheck --admin-socket /run/nodekeep/admin.sock --timeout 1s"});
  command->callback([&choice, agent] {
    choice.run = [&choice, agent] {
      Result<AdminClient> client = agent->Connect(choice.surroundings);
      if (!client.ok()) return Fail(choice.surroundings, client.error());
      const auto health = client->Health();
      if (!health.ok()) return Fail(choice.surroundings, health.error());
      if (!health->ready()) {
        return Fail(choice.surroundings,
                    Error(ErrorCode::kPrecondition, "not ready: " + health->reason()));
      }
      choice.surroundings.out << "ok\n";
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

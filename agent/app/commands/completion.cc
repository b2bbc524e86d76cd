#include "agent/app/completion.h"

#include <ostream>

#include "agent/app/commands/commands.h"

namespace nodekeep {

void AddCompletion(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand("completion", "Prints a completion script for a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "Which shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("SHELL");
  Examples(*command,
           {"source <(nodekeep completion bash)", "nodekeep completion zsh > ~/.zfunc/_nodekeep",
            "nodekeep completion fish | source"});
  command->callback([&root, &chosen, shell] {
    chosen.run = [&root, &chosen, shell] {
      chosen.io.out << (*shell == "bash"  ? BashCompletion(root)
                        : *shell == "zsh" ? ZshCompletion(root)
                                          : FishCompletion(root));
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

#include "agent/app/command_line.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/version.h"

namespace nodekeep {
namespace {

// The deepest command that was named: its help is the one to show.
const CLI::App* Deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at;
}

std::string FullName(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : FullName(*parent) + " " + command.get_name();
}

}  // namespace

std::unique_ptr<CLI::App> MakeCommandTree(Choice& choice) {
  auto app = std::make_unique<CLI::App>(
      "Fetches secrets for the pods of this node, keeps them encrypted in memory, and writes them\n"
      "into pod volumes. Speaks the Secrets Store CSI provider protocol.",
      "nodekeep");
  app->require_subcommand(1);
  app->set_version_flag("--version", "nodekeep " + std::string(Version()));
  app->get_formatter()->column_width(34);
  AddRun(*app, choice);
  AddValidate(*app, choice);
  AddGet(*app, choice);
  AddStatus(*app, choice);
  AddRefresh(*app, choice);
  AddCache(*app, choice);
  AddHealthcheck(*app, choice);
  AddConfig(*app, choice);
  AddCompletion(*app, choice);
  AddVersion(*app, choice);
  Examples(*app, {"nodekeep run --config /etc/nodekeep/nodekeep.yaml",
                  "nodekeep validate -f class.yaml", "nodekeep status"});
  return app;
}

int Fail(Surroundings& surroundings, const Error& error) {
  surroundings.err << "nodekeep: " << error.message() << "\n";
  return kExitFailed;
}

int RunCommandLine(const std::vector<std::string>& arguments, Surroundings& surroundings) {
  Choice choice{surroundings, nullptr};
  const std::unique_ptr<CLI::App> app = MakeCommandTree(choice);
  try {
    // CLI11 takes the last argument first.
    app->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    surroundings.out << app->help();
    return kExitOk;
  } catch (const CLI::CallForVersion& version) {
    surroundings.out << version.what() << "\n";
    return kExitOk;
  } catch (const CLI::ParseError& problem) {
    const std::string command = FullName(*Deepest(*app));
    surroundings.err << "nodekeep: " << problem.what() << "\nrun `" << command
                     << " --help` for how to use it\n";
    return kExitUsage;
  }
  return choice.run ? choice.run() : kExitUsage;
}

}  // namespace nodekeep

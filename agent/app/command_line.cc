#include "agent/app/command_line.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/version.h"

namespace nodekeep {
namespace {

// The deepest command that was named, whose help is shown.
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

std::unique_ptr<CLI::App> MakeCommandTree(ChosenCommand& chosen) {
  auto app = std::make_unique<CLI::App>(
      "Fetches secrets for the pods of this node, keeps them encrypted in memory, and writes them\n"
      "into pod volumes. Serves the Secrets Store CSI provider protocol.",
      "nodekeep");
  app->require_subcommand(1);
  app->set_version_flag("--version", "nodekeep " + std::string(Version()));
  app->get_formatter()->column_width(34);
  AddRun(*app, chosen);
  AddValidate(*app, chosen);
  AddGet(*app, chosen);
  AddStatus(*app, chosen);
  AddRefresh(*app, chosen);
  AddCache(*app, chosen);
  AddHealthcheck(*app, chosen);
  AddConfig(*app, chosen);
  AddCompletion(*app, chosen);
  AddVersion(*app, chosen);
  Examples(*app, {"nodekeep run --config /etc/nodekeep/nodekeep.yaml",
                  "nodekeep validate -f class.yaml", "nodekeep status"});
  return app;
}

int Fail(CommandIo& io, const Error& error) {
  io.err << "nodekeep: " << error.message() << "\n";
  return kExitFailed;
}

int RunCommandLine(const std::vector<std::string>& arguments, CommandIo& io) {
  ChosenCommand chosen{io, nullptr};
  const std::unique_ptr<CLI::App> app = MakeCommandTree(chosen);
  try {
    // CLI11 takes the last argument first.
    app->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    io.out << app->help();
    return kExitOk;
  } catch (const CLI::CallForVersion& version) {
    io.out << version.what() << "\n";
    return kExitOk;
  } catch (const CLI::ParseError& problem) {
    const std::string command = FullName(*Deepest(*app));
    io.err << "nodekeep: " << problem.what() << "\nrun `" << command
           << " --help` for how to use it\n";
    return kExitUsage;
  }
  return chosen.run ? chosen.run() : kExitUsage;
}

}  // namespace nodekeep

#include "agent/app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/version.h"
#include "agent/base/closest.h"

namespace nodekeep {
namespace {

// The deepest command that was named, whose help is shown.
const CLI::App* Deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at;
}

bool Any(const CLI::App*) { return true; }

// Names of the commands below `app`, or of its options, those in groups included.
void AddNames(const CLI::App& app, bool options, std::vector<std::string>& names) {
  if (options) {
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    }
  }
  for (const CLI::App* below : app.get_subcommands(Any)) {
    if (below->get_name().empty()) {
      AddNames(*below, options, names);
    } else if (!options) {
      names.push_back(below->get_name());
    }
  }
}

// What is wrong with the command line, in our words where an argument is unknown.
std::string ProblemText(const CLI::App& app, const CLI::ParseError& problem) {
  const std::vector<std::string> unknown = app.remaining(true);
  // Others than these two are about arguments that are known.
  const bool is_about_them = dynamic_cast<const CLI::ExtrasError*>(&problem) != nullptr ||
                             dynamic_cast<const CLI::RequiredError*>(&problem) != nullptr;
  if (unknown.empty() || !is_about_them) return problem.what();
  const std::string word = unknown.front().substr(0, unknown.front().find('='));
  const bool is_option = word.starts_with('-');
  std::vector<std::string> names;
  AddNames(*Deepest(app), is_option, names);
  if (names.empty()) return fmt::format("unexpected argument \"{}\"", word);
  const std::vector<std::string_view> known(names.begin(), names.end());
  return fmt::format("unknown {} \"{}\": {}", is_option ? "option" : "command", word,
                     SuggestOrList(word, known));
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
  AddTemplate(*app, chosen);
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
    io.err << "nodekeep: " << ProblemText(*app, problem) << "\nrun `" << command
           << " --help` for how to use it\n";
    return kExitUsage;
  }
  return chosen.run ? chosen.run() : kExitUsage;
}

}  // namespace nodekeep

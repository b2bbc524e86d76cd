#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/config_print.h"
#include "agent/app/render.h"

namespace nodekeep {
namespace {

int PrintConfig(CommandIo& io, const ConfigFlags& flags, const std::string& output) {
  const Result<LoadedConfig> loaded = LoadConfig(flags.Sources(io));
  if (!loaded.ok()) return Fail(io, loaded.error());
  io.out << (output == "json" ? PrettyJson(ConfigJson(*loaded)) : ConfigYaml(*loaded));
  return kExitOk;
}

int PrintSettings(CommandIo& io, const std::string& output) {
  const Json settings = SettingsJson(io.providers);
  if (output == "markdown") {
    io.out << SettingsMarkdown(io.providers);
    return kExitOk;
  }
  Print(io, output, settings, [&] {
    TextTable table({"SETTING", "DEFAULT", "ENVIRONMENT", "FLAG"});
    for (const Json& setting : settings.array_range()) {
      table.Add({setting["path"].as_string(), setting["default"].as_string(),
                 setting["environment"].as_string(), setting["flag"].as_string()});
    }
    return table.Text();
  });
  return kExitOk;
}

}  // namespace

void AddConfig(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* config =
      root.add_subcommand("config", "Shows the configuration, or lists all settings");
  config->require_subcommand(1);
  Examples(*config, {"nodekeep config print", "nodekeep config settings"});

  CLI::App* print = config->add_subcommand(
      "print", "Prints the effective configuration and where each value comes from");
  auto flags = AddConfigFlags(*print, chosen);
  auto output = std::make_shared<std::string>("yaml");
  print->add_option("-o,--output", *output, "Output format (default yaml)")
      ->check(CLI::IsMember({"yaml", "json"}))
      ->type_name("FORMAT");
  Examples(*print, {"nodekeep config print", "nodekeep config print --config nodekeep.yaml -o json",
                    "nodekeep config print > nodekeep.yaml"});
  print->callback([&chosen, flags, output] {
    chosen.run = [&chosen, flags, output] { return PrintConfig(chosen.io, *flags, *output); };
  });

  CLI::App* settings = config->add_subcommand(
      "settings", "Lists every setting with its default, environment variable and flag");
  auto format = std::make_shared<std::string>("table");
  settings->add_option("-o,--output", *format, "Output format (default table)")
      ->check(CLI::IsMember({"table", "json", "yaml", "markdown"}))
      ->type_name("FORMAT");
  Examples(*settings, {"nodekeep config settings", "nodekeep config settings -o markdown"});
  settings->callback([&chosen, format] {
    chosen.run = [&chosen, format] { return PrintSettings(chosen.io, *format); };
  });
}

}  // namespace nodekeep

// Shared by several commands: flags, output formats, short texts.

#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/config_settings.h"
#include "agent/app/render.h"
#include "agent/base/duration.h"

namespace nodekeep {

void Examples(CLI::App& command, std::initializer_list<std::string_view> lines) {
  std::string text = "Examples:";
  for (std::string_view line : lines) text += fmt::format("\n  {}", line);
  command.footer(text);
}

std::shared_ptr<std::string> AddOutput(CLI::App& command) {
  auto output = std::make_shared<std::string>("table");
  command.add_option("-o,--output", *output, "Output format (default table)")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->type_name("FORMAT");
  return output;
}

void Print(CommandIo& io, const std::string& output, const Json& json,
           const std::function<std::string()>& table) {
  if (output == "json") {
    io.out << PrettyJson(json);
  } else if (output == "yaml") {
    io.out << JsonAsYaml(json);
  } else {
    io.out << table();
  }
}

ConfigSources ConfigFlags::Sources(const CommandIo& io) const {
  ConfigSources sources = io.sources(file);
  sources.flags = flags;
  return sources;
}

std::shared_ptr<ConfigFlags> AddConfigFile(CLI::App& command) {
  auto flags = std::make_shared<ConfigFlags>();
  command
      .add_option(
          "--config", flags->file,
          "Configuration file [NODEKEEP_CONFIG; /etc/nodekeep/nodekeep.yaml if it is there]")
      ->type_name("FILE");
  return flags;
}

std::shared_ptr<ConfigFlags> AddConfigFlags(CLI::App& command, ChosenCommand& chosen) {
  std::shared_ptr<ConfigFlags> flags = AddConfigFile(command);
  for (const Setting& setting : Settings(chosen.io.providers)) {
    if (setting.flag.empty()) continue;
    std::string help = setting.help;
    if (!setting.environment.empty()) help += fmt::format(" [{}]", setting.environment);
    if (setting.codec.is_list) help += "; a list, or given repeatedly";
    // Every value is recorded, also one that the loader refuses.
    using Texts = std::vector<std::string>;
    const auto take = [flags, path = setting.path](const Texts& texts) {
      flags->flags[path] = texts;
    };
    if (setting.codec.is_switch) {
      command.add_flag_callback(setting.flag, [take] { take({"true"}); }, help);
      continue;
    }
    CLI::Option* option =
        setting.codec.is_list
            ? command.add_option_function<Texts>(setting.flag, take, help)->allow_extra_args(false)
            : command.add_option_function<std::string>(
                  setting.flag, [take](const std::string& text) { take({text}); }, help);
    const std::vector<std::string>& choices = setting.codec.choices;
    option->type_name(choices.empty()
                          ? setting.placeholder
                          : fmt::format("{}:{{{}}}", setting.placeholder, fmt::join(choices, ",")));
  }
  return flags;
}

std::shared_ptr<AgentFlags> AddAgentFlags(CLI::App& command, std::string default_timeout) {
  auto flags = std::make_shared<AgentFlags>();
  flags->timeout = std::move(default_timeout);
  command
      .add_option("--admin-socket", flags->socket,
                  "Socket of the agent [NODEKEEP_ADMIN_SOCKET; adminSocket of its configuration]")
      ->type_name("PATH");
  command
      .add_option("--timeout", flags->timeout,
                  fmt::format("How long to wait for a response (default {})", flags->timeout))
      ->type_name("DURATION");
  return flags;
}

Result<AdminClient> AgentFlags::Connect(const CommandIo& io) const {
  const Result<Duration> wait = ParseDuration(timeout);
  if (!wait.ok()) return wait.error().Prepend("--timeout");
  if (!socket.empty()) return AdminClient::Connect(socket, *wait);
  ConfigSources sources = io.sources("");
  if (ConfigCheck check = CheckConfig(sources); check.loaded) {
    return AdminClient::Connect(check.loaded->config.admin_socket, *wait);
  }
  const auto variable = sources.environment.find("NODEKEEP_ADMIN_SOCKET");
  const bool given = variable != sources.environment.end() && !variable->second.empty();
  return AdminClient::Connect(given ? variable->second : Config().admin_socket, *wait);
}

std::string ShortDuration(double seconds) {
  if (seconds < 0) return "0s";
  if (seconds < 10) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  const std::uint64_t days = whole / 86400;
  const std::uint64_t hours = whole / 3600 % 24;
  const std::uint64_t minutes = whole / 60 % 60;
  if (days > 0) return fmt::format("{}d{}h", days, hours);
  if (hours > 0) return fmt::format("{}h{}m", hours, minutes);
  if (minutes > 0) return fmt::format("{}m{}s", minutes, whole % 60);
  return fmt::format("{}s", whole);
}

std::string ShortSize(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  const bool whole = unit == 0 || size == std::floor(size);
  return whole ? fmt::format("{:.0f} {}", size, kUnits[unit])
               : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

}  // namespace nodekeep

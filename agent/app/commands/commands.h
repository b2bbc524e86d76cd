#pragma once

// One function per command, which adds it to the tree. A command that is named on the command line
// sets ChosenCommand::run.

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/app/admin_client.h"
#include "agent/app/command_line.h"
#include "agent/base/json.h"

namespace nodekeep {

void AddRun(CLI::App& root, ChosenCommand& chosen);
void AddValidate(CLI::App& root, ChosenCommand& chosen);
void AddGet(CLI::App& root, ChosenCommand& chosen);
void AddTemplate(CLI::App& root, ChosenCommand& chosen);
void AddStatus(CLI::App& root, ChosenCommand& chosen);
void AddRefresh(CLI::App& root, ChosenCommand& chosen);
void AddCache(CLI::App& root, ChosenCommand& chosen);
void AddHealthcheck(CLI::App& root, ChosenCommand& chosen);
void AddConfig(CLI::App& root, ChosenCommand& chosen);
void AddCompletion(CLI::App& root, ChosenCommand& chosen);
void AddVersion(CLI::App& root, ChosenCommand& chosen);

// The examples at the end of a command's help.
void Examples(CLI::App& command, std::initializer_list<std::string_view> lines);

// The functions below return the variables that their options are parsed into. The tree keeps plain
// pointers to them, so the command's callback must keep the result alive.

// `-o table|json|yaml`.
std::shared_ptr<std::string> AddOutput(CLI::App& command);
// Prints `json` in the format of `-o`, or calls `table` for "table".
void Print(CommandIo& io, const std::string& output, const Json& json,
           const std::function<std::string()>& table);

struct ConfigFlags {
  std::string file;
  std::map<std::string, std::vector<std::string>> flags;  // by setting path

  ConfigSources Sources(const CommandIo& io) const;
};
// Only --config.
std::shared_ptr<ConfigFlags> AddConfigFile(CLI::App& command);
// --config and a flag for each setting that has one.
std::shared_ptr<ConfigFlags> AddConfigFlags(CLI::App& command, ChosenCommand& chosen);

// --admin-socket and --timeout of the commands that call the agent.
struct AgentFlags {
  std::string socket;
  std::string timeout;

  // The socket is that of the flag, the environment or the configuration file, in this order. An
  // invalid file is ignored, so that `status` can still report the agent's error about it.
  Result<AdminClient> Connect(const CommandIo& io) const;
};
std::shared_ptr<AgentFlags> AddAgentFlags(CLI::App& command, std::string default_timeout);

// The tables of `nodekeep status`, at most 120 columns wide for names of usual length.
std::string StatusTable(const admin::v1::StatusResponse& status);

// "3d4h", "2h5m", "12s", "0.3s": at most two units, for users.
std::string ShortDuration(double seconds);
// "512 B", "1.5 KiB".
std::string ShortSize(std::uint64_t bytes);

}  // namespace nodekeep

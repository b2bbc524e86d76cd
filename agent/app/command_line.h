#pragma once

// `nodekeep ...`: the tree of commands, and their shared input and output.
//
// Exit codes: 0 done, 1 failed (the reason is on standard error), 2 the command line is wrong.

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "agent/app/config.h"
#include "agent/base/result.h"

namespace CLI {
class App;
}

namespace nodekeep {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// What a command reads and writes besides its arguments.
struct CommandIo {
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  // Where the configuration comes from, given the file named on the command line ("" = none).
  std::function<ConfigSources(std::string file)> sources;
  std::span<const ProviderEntry> providers;
};

// The command that the command line names; it runs after parsing.
struct ChosenCommand {
  CommandIo& io;
  std::function<int()> run;
};

// `chosen` must outlive the tree.
std::unique_ptr<CLI::App> MakeCommandTree(ChosenCommand& chosen);

// Parses `arguments` (without the program's name), runs the command, returns the exit code.
int RunCommandLine(const std::vector<std::string>& arguments, CommandIo& io);

// Writes "nodekeep: <message>" to standard error and returns kExitFailed.
int Fail(CommandIo& io, const Error& error);

}  // namespace nodekeep

#include <iostream>
#include <string_view>

#include "agent/app/agent.h"
#include "agent/app/command_line.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "run") nodekeep::BindSymbolsNow(argv);
  nodekeep::HardenProcess();
  nodekeep::CommandIo io{.out = std::cout,
                         .err = std::cerr,
                         .in = std::cin,
                         .sources = nodekeep::SystemConfigSources,
                         .providers = nodekeep::ProviderRegistry()};
  const int code = nodekeep::RunCommandLine({argv + 1, argv + argc}, io);
  if (std::cout.flush() || code != nodekeep::kExitOk) return code;
  std::cerr << "nodekeep: write to standard output: it is full or was closed\n";
  return nodekeep::kExitFailed;
}

#pragma once

// The command line in tests.

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/app/command_line.h"

namespace nodekeep {

inline std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// The command line over this build's providers, a directory of its own and no environment.
struct CommandBed {
  CommandBed() {
    char name[] = "/tmp/nodekeep-cli-XXXXXX";
    directory = mkdtemp(name);
  }
  ~CommandBed() { std::filesystem::remove_all(directory); }

  int Run(std::vector<std::string> arguments, const std::string& input = "") {
    std::ostringstream out_stream;
    std::ostringstream err_stream;
    std::istringstream in_stream(input);
    CommandIo io{.out = out_stream,
                 .err = err_stream,
                 .in = in_stream,
                 .sources =
                     [this](std::string file) {
                       ConfigSources sources;
                       sources.file = std::move(file);
                       sources.environment = environment;
                       sources.host_name = "node-a";
                       sources.providers = ProviderRegistry();
                       return sources;
                     },
                 .providers = ProviderRegistry()};
    const int code = RunCommandLine(arguments, io);
    out = out_stream.str();
    err = err_stream.str();
    return code;
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  bool OutHas(std::string_view text) const { return out.find(text) != std::string::npos; }
  bool ErrHas(std::string_view text) const { return err.find(text) != std::string::npos; }

  std::string directory;
  std::map<std::string, std::string> environment;
  std::string out;
  std::string err;
};

inline constexpr char kDevClass[] =
    "apiVersion: secrets-store.csi.x-k8s.io/v1\n"
    "kind: SecretProviderClass\n"
    "metadata:\n"
    "  name: app\n"
    "spec:\n"
    "  provider: dev\n"
    "  parameters:\n"
    "    objects: |\n"
    "      - objectName: password\n"
    "        secretPath: app/db\n"
    "        secretKey: password\n";

}  // namespace nodekeep

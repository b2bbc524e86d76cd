#pragma once

// The table of settings: the single definition of everything that can be configured.
//
// The loader, the flags and their help, `config print`, `config settings` and docs/configuration.md
// are generated from it or checked against it, so that they cannot differ.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/app/config.h"

namespace nodekeep {

// Converts the texts of a setting to a value of Config and back.
struct SettingCodec {
  std::string type;  // "duration"; in errors: "is not a valid duration"
  std::string how;   // "write it like 90s, 1h30m or 500ms"
  bool is_list = false;
  bool is_switch = false;              // its flag takes no value and means true
  std::vector<std::string> choices{};  // all valid texts, where they are few
  // Returns false if the texts are invalid. One text, or any number for a list.
  std::function<bool(Config&, const std::vector<std::string>&)> read;
  std::function<std::vector<std::string>(const Config&)> print;
};

struct Setting {
  std::string path;         // in the file: "cache.maxBytes"
  std::string environment;  // "" = none
  std::string flag;         // of `run`: "--log-level"; "" = none
  std::string placeholder;  // in the flag's help: "LEVEL"
  SettingCodec codec;
  std::string help;          // one sentence, without final period
  bool live = false;         // takes effect on a reload; others need a restart
  std::string follows;       // path of the setting whose value is the default of this one
  std::string default_note;  // describes a computed default in the documentation
};

// In the order of the documentation. A setting is listed after the one it follows, and the settings
// of a section are adjacent.
std::vector<Setting> Settings(std::span<const ProviderEntry> providers);

// The configuration if nothing is set; `enabled_providers` is empty.
Config DefaultConfig(std::span<const ProviderEntry> providers);

// "a,b": the texts of a list as in environment variables and flags; a single text is unchanged.
std::string JoinTexts(const std::vector<std::string>& texts);

}  // namespace nodekeep

#pragma once

// The table of settings: everything that can be configured, once.
//
// The loader, the flags and their help, `config print`, `config settings` and docs/configuration.md
// are made from it or checked against it, so that they cannot differ.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/app/config.h"

namespace nodekeep {

// How a setting's texts become a value of Config and back.
struct SettingCodec {
  std::string type;  // "duration"; bad values are called "no duration"
  std::string how;   // "write it like 90s, 1h30m or 500ms"
  bool is_list = false;
  bool is_switch = false;  // its flag stands alone and means true
  std::vector<std::string> choices{};  // all texts that can be read, where they are few
  // False when the texts cannot be read. One text, or any number for a list.
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
  std::string follows;       // path of the setting whose value this one has when it is not set
  std::string default_note;  // stands for the default in the documentation when that is computed
};

// In the order of the documentation; a setting stands after the one it follows, and the settings of
// a section stand together.
std::vector<Setting> Settings(std::span<const ProviderEntry> providers);

// The values that hold when nothing is set; `enabled_providers` is empty.
Config DefaultConfig(std::span<const ProviderEntry> providers);

// "a,b": a list's texts as environment and flags take them; a single text as it is.
std::string JoinTexts(const std::vector<std::string>& texts);

}  // namespace nodekeep

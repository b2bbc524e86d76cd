#include "agent/app/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <vector>

namespace nodekeep {
namespace {

struct Flag {
  std::vector<std::string> longs;   // without dashes
  std::vector<std::string> shorts;  // without dash
  std::string help;
  bool takes_value = false;
  std::vector<std::string> values;  // the fixed set, if there is one
};

struct Command {
  std::vector<std::string> path;  // without the program's name
  std::string help;
  std::vector<std::pair<std::string, std::string>> children;  // name, help
  std::vector<Flag> flags;
  std::vector<std::string> arguments;  // fixed values of a positional argument
};

// CLI11's name of the type of an option with a fixed set is "TEXT:{bash,zsh,fish}".
std::vector<std::string> FixedValues(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  std::vector<std::string> values;
  if (open == std::string::npos || close == std::string::npos) return values;
  std::string value;
  for (char c : type.substr(open + 1, close - open - 1)) {
    if (c == ',') {
      values.push_back(std::move(value));
      value.clear();
    } else {
      value += c;
    }
  }
  values.push_back(std::move(value));
  return values;
}

void CollectOptions(const CLI::App& app, Command& command) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      command.arguments = FixedValues(*option);
      continue;
    }
    command.flags.push_back({.longs = option->get_lnames(),
                             .shorts = option->get_snames(),
                             .help = option->get_description(),
                             .takes_value = option->get_items_expected_max() > 0,
                             .values = FixedValues(*option)});
  }
}

// CLI11 represents option groups as commands without a name.
std::vector<const CLI::App*> Children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void Collect(const CLI::App& app, const std::vector<std::string>& path,
             std::vector<Command>& commands) {
  Command command{.path = path, .help = app.get_description()};
  CollectOptions(app, command);
  for (const CLI::App* child : Children(app)) {
    if (child->get_name().empty()) {
      CollectOptions(*child, command);
    } else {
      command.children.emplace_back(child->get_name(), child->get_description());
    }
  }
  commands.push_back(std::move(command));
  for (const CLI::App* child : Children(app)) {
    if (child->get_name().empty()) continue;
    std::vector<std::string> below = path;
    below.push_back(child->get_name());
    Collect(*child, below, commands);
  }
}

std::vector<Command> CommandsOf(const CLI::App& root) {
  std::vector<Command> commands;
  Collect(root, {}, commands);
  return commands;
}

std::vector<std::string> Names(const Flag& flag) {
  std::vector<std::string> names;
  for (const std::string& name : flag.shorts) names.push_back("-" + name);
  for (const std::string& name : flag.longs) names.push_back("--" + name);
  return names;
}

std::string PathText(const Command& command) {
  return fmt::format("{}", fmt::join(command.path, " "));
}

// In single quotes for a shell.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// Escaped as a description in zsh's option[description]:message:action.
std::string ZshText(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

std::string ZshFlag(const Flag& flag, const std::string& name) {
  std::string spec = fmt::format("{}[{}]", name, ZshText(flag.help));
  if (!flag.takes_value) return Quoted(spec);
  spec += flag.values.empty() ? ":value:_files"
                              : fmt::format(":value:({})", fmt::join(flag.values, " "));
  return Quoted("*" + spec);
}

}  // namespace

std::string BashCompletion(const CLI::App& root) {
  const std::vector<Command> commands = CommandsOf(root);
  std::string words;     // case: path -> words to offer
  std::string values;    // case: path flag -> its fixed values
  std::string valued;    // case: path flag -> takes a file name or free text
  std::string children;  // case: path word -> deeper path
  for (const Command& command : commands) {
    const std::string path = PathText(command);
    std::vector<std::string> offered = command.arguments;
    for (const auto& [name, help] : command.children) {
      offered.push_back(name);
      children += fmt::format("      '{0}{1}{2}') path='{0}{1}{2}' ;;\n", path,
                              path.empty() ? "" : " ", name);
    }
    for (const Flag& flag : command.flags) {
      for (const std::string& name : Names(flag)) {
        offered.push_back(name);
        if (!flag.values.empty()) {
          values +=
              fmt::format("    '{} {}') words='{}' ;;\n", path, name, fmt::join(flag.values, " "));
        } else if (flag.takes_value) {
          valued += fmt::format("    '{} {}') files=yes ;;\n", path, name);
        }
      }
    }
    words += fmt::format("      '{}') words='{}' ;;\n", path, fmt::join(offered, " "));
  }
  return fmt::format(
      R"(# bash completion of nodekeep. Load it with: source <(nodekeep completion bash)
_nodekeep() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local path='' words='' files='' i next
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="${{path:+$path }}${{COMP_WORDS[i]}}"
    case "$next" in
{children}    esac
  done
  COMPREPLY=()
  case "$path $previous" in
{values}{valued}  esac
  if [[ -n "$files" ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi
  if [[ -z "$words" ]]; then
    case "$path" in
{words}    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o filenames -F _nodekeep nodekeep
)",
      fmt::arg("children", children), fmt::arg("values", values), fmt::arg("valued", valued),
      fmt::arg("words", words));
}

std::string ZshCompletion(const CLI::App& root) {
  std::string text =
      "#compdef nodekeep\n"
      "# zsh completion of nodekeep. Put it into a directory of $fpath as _nodekeep, or load it\n"
      "# with: source <(nodekeep completion zsh)\n";
  for (const Command& command : CommandsOf(root)) {
    const std::string name =
        fmt::format("_nodekeep{}{}", command.path.empty() ? "" : "_", fmt::join(command.path, "_"));
    std::string specs;
    for (const Flag& flag : command.flags) {
      for (const std::string& flag_name : Names(flag)) {
        specs += fmt::format(" \\\n    {}", ZshFlag(flag, flag_name));
      }
    }
    if (!command.arguments.empty()) {
      specs += fmt::format(" \\\n    '1:value:({})'", fmt::join(command.arguments, " "));
    }
    if (command.children.empty()) {
      text += fmt::format("\n{}() {{\n  _arguments{}\n}}\n", name, specs);
      continue;
    }
    std::string described;
    std::string calls;
    for (const auto& [child, help] : command.children) {
      described += " " + Quoted(child + ":" + ZshText(help));
      calls += fmt::format("        {0}) {1}_{0} ;;\n", child, name);
    }
    text += fmt::format(R"(
{name}() {{
  local -a commands=({described})
  local line state
  _arguments -C{specs} \
    '1:command:->command' '*::argument:->argument'
  case "$state" in
    command) _describe command commands ;;
    argument)
      case "$line[1]" in
{calls}      esac ;;
  esac
}}
)",
                        fmt::arg("name", name), fmt::arg("described", described),
                        fmt::arg("specs", specs), fmt::arg("calls", calls));
  }
  text +=
      "\nif [ \"$funcstack[1]\" = \"_nodekeep\" ]; then\n"
      "  _nodekeep\n"
      "else\n"
      "  compdef _nodekeep nodekeep\n"
      "fi\n";
  return text;
}

std::string FishCompletion(const CLI::App& root) {
  std::string text =
      "# fish completion of nodekeep. Load it with: nodekeep completion fish | source\n"
      "complete -c nodekeep -f\n";
  for (const Command& command : CommandsOf(root)) {
    // True if the command line has all words of the path and none of the next level.
    std::string condition = "__fish_use_subcommand";
    if (!command.path.empty()) {
      condition.clear();
      for (const std::string& word : command.path) {
        if (!condition.empty()) condition += "; and ";
        condition += "__fish_seen_subcommand_from " + word;
      }
    }
    std::string at_this_level = condition;
    if (!command.path.empty() && !command.children.empty()) {
      at_this_level += "; and not __fish_seen_subcommand_from";
      for (const auto& [child, help] : command.children) at_this_level += " " + child;
    }
    const std::string when = fmt::format("complete -c nodekeep -n {}", Quoted(at_this_level));
    for (const auto& [child, help] : command.children) {
      text += fmt::format("{} -a {} -d {}\n", when, child, Quoted(help));
    }
    for (const std::string& value : command.arguments) {
      text += fmt::format("{} -a {}\n", when, value);
    }
    for (const Flag& flag : command.flags) {
      text += when;
      for (const std::string& name : flag.shorts) text += " -s " + name;
      for (const std::string& name : flag.longs) text += " -l " + name;
      if (!flag.values.empty()) {
        text += fmt::format(" -x -a {}", Quoted(fmt::format("{}", fmt::join(flag.values, " "))));
      } else if (flag.takes_value) {
        text += " -r -F";
      }
      text += fmt::format(" -d {}\n", Quoted(flag.help));
    }
  }
  return text;
}

}  // namespace nodekeep

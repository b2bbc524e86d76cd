#pragma once

// Shell completion, generated from the tree of commands.

#include <string>

namespace CLI {
class App;
}

namespace nodekeep {

// A script for the shell to source. Commands and flags are completed by name, values of flags with
// a fixed set by that set, others with file names.
std::string BashCompletion(const CLI::App& root);
std::string ZshCompletion(const CLI::App& root);
std::string FishCompletion(const CLI::App& root);

}  // namespace nodekeep

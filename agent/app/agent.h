#pragma once

// The running agent: the object graph and its servers.

#include "agent/app/config.h"

namespace nodekeep {

// Runs until SIGTERM or SIGINT, then stops gracefully: no new mounts, those in flight finish within
// the configured grace. A second signal ends the process at once. SIGHUP, or a change of the
// configuration file, reloads it; an invalid configuration is logged and leaves the old one in
// force. Returns the process's exit code; logs the reason of a failure.
int RunAgent(const LoadedConfig& loaded);

// No core dumps, no ptrace by other processes, few malloc arenas: for every command with secrets.
void HardenProcess();

// Re-executes the program once with LD_BIND_NOW, so that all library symbols are bound at the
// start: the first call of a lazily bound function saves the vector registers on the stack, and
// with AVX-512 these can hold a whole key or token that memcpy moved. Call before the first thread.
// Returns if it has been done already or cannot be done.
void BindSymbolsNow(char** argv);

}  // namespace nodekeep

#pragma once

// The running agent: the graph with its doors open, until a signal says stop.

#include "agent/app/config.h"

namespace nodekeep {

// Runs until SIGTERM or SIGINT, then stops gracefully: no new mounts, those in flight finish within
// the configured grace. A second signal ends the process at once. SIGHUP, or a change of the
// configuration file, reloads it; a configuration that is refused leaves the old one in force and
// the log says why. Returns the process's exit code; writes the reason of a failure to the log.
int RunAgent(const LoadedConfig& loaded);

// No core dumps, no ptrace by others, few malloc arenas: for every command that holds secrets.
void HardenProcess();

// Starts the program anew, once, with all symbols of its libraries bound (LD_BIND_NOW): the first
// call of a lazily bound function saves the vector registers on the stack, where what memcpy last
// moved, a whole key or token with AVX-512, then stays. Before the first thread. Returns when that
// has been done, or cannot be done.
void BindSymbolsNow(char** argv);

}  // namespace nodekeep

#pragma once

// Writes the Secrets of spec.secretObjects of a class from the files of one volume.

#include <string>
#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"
#include "agent/sink/mirror_writer.h"

namespace nodekeep {

struct MirrorOutcome {
  std::size_t written = 0;    // Secrets created or changed
  std::vector<Error> errors;  // one per entry that could not be mirrored
};

// Parses, builds and writes every entry of `secret_objects`, the value of spec.secretObjects.
// `absent`: as BuildSecret. An entry that fails does not affect the others. Thread-safe, like
// `writer`.
MirrorOutcome MirrorSecrets(const Context& context, MirrorWriter& writer,
                            const Json& secret_objects, const std::vector<BundleFile>& files,
                            const std::vector<std::string>& absent, const SecretClaim& claim);

// Claims the Secrets without writing them: for a volume found after a restart. Skips invalid
// entries.
void ClaimSecrets(MirrorWriter& writer, const Json& secret_objects, const SecretClaim& claim);

}  // namespace nodekeep

#pragma once

// Writes the Secrets of spec.secretObjects of a class from the files of one volume.

#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"
#include "agent/sink/mirror_writer.h"

namespace nodekeep {

struct MirrorOutcome {
  std::size_t written = 0;    // Secrets created or changed
  std::vector<Error> errors;  // one for each entry that could not be mirrored
};

// Parses, builds and writes every entry of `secret_objects`, the value of spec.secretObjects. An
// entry that fails does not prevent the others. Thread-safe, as `writer` is.
MirrorOutcome MirrorSecrets(const Context& context, MirrorWriter& writer,
                            const Json& secret_objects, const std::vector<BundleFile>& files,
                            const SecretClaim& claim);

// Claims the Secrets without writing them: for a volume that is found after a restart. Invalid
// entries are skipped.
void ClaimSecrets(MirrorWriter& writer, const Json& secret_objects, const SecretClaim& claim);

}  // namespace nodekeep

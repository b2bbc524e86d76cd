#pragma once

// From the files of a volume to the Secrets that its class asks for: the whole of
// spec.secretObjects.

#include <vector>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"
#include "agent/sink/mirror_writer.h"

namespace nodekeep {

struct MirrorOutcome {
  std::size_t written = 0;    // Secrets created or changed
  std::vector<Error> faults;  // one for each entry that could not be mirrored; the others were
};

// Parses, builds and writes every entry of `secret_objects` (spec.secretObjects as it stands).
MirrorOutcome MirrorSecrets(const Context& context, MirrorWriter& writer,
                            const Json& secret_objects, const std::vector<BundleFile>& files,
                            const SecretClaim& claim);

// Claims them without writing: for a volume that is found after a restart. Wrong entries are left
// out.
void ClaimSecrets(MirrorWriter& writer, const Json& secret_objects, const SecretClaim& claim);

}  // namespace nodekeep

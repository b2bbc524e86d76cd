#include "agent/sink/mirror_secrets.h"

#include "agent/sink/secret_object.h"

namespace nodekeep {

MirrorOutcome MirrorSecrets(const Context& context, MirrorWriter& writer,
                            const Json& secret_objects, const std::vector<BundleFile>& files,
                            const std::vector<std::string>& absent, const SecretClaim& claim) {
  MirrorOutcome outcome;
  for (const Result<SecretObject>& object : ReadSecretObjects(secret_objects)) {
    if (!object.ok()) {
      outcome.errors.push_back(object.error());
      continue;
    }
    Result<KubeSecret> secret = BuildSecret(*object, files, absent);
    if (!secret.ok()) {
      outcome.errors.push_back(secret.error());
      Status kept = writer.KeepExisting(context, *object, claim);
      if (!kept.ok()) outcome.errors.push_back(kept.error());
      continue;
    }
    const MirroredSecret mirrored{*std::move(secret), object->deletion};
    const Result<SecretWrite> write = writer.Write(context, mirrored, claim);
    if (!write.ok()) {
      outcome.errors.push_back(write.error());
    } else if (*write != SecretWrite::kUnchanged) {
      ++outcome.written;
    }
  }
  return outcome;
}

void ClaimSecrets(MirrorWriter& writer, const Json& secret_objects, const SecretClaim& claim) {
  for (const Result<SecretObject>& object : ReadSecretObjects(secret_objects)) {
    if (object.ok()) writer.Claim(claim, *object);
  }
}

}  // namespace nodekeep

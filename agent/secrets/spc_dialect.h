#pragma once

// The dialect of SecretProviderClass parameters that a provider understands, and the files that its
// answers make.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/secrets/backend.h"
#include "agent/secrets/identity.h"
#include "agent/secrets/policy.h"
#include "agent/secrets/secret_ref.h"

namespace nodekeep {

// What a SecretProviderClass dialect reads: nothing of the pod that mounts the class.
struct SpcInput {
  std::map<std::string, std::string> parameters;
  std::uint32_t mode = 0644;  // of files for which the class names none, 0 to 0777
};

// One file of the volume and how it comes from the backend's answer.
struct Projection {
  std::string object;  // the user's name for it; used in messages and as version id
  SecretRef ref;
  std::string path;  // of the file, relative to the volume; checked by CheckVolumePath
  std::uint32_t mode = 0644;
  std::string field;         // key inside the answer; "" = whole
  std::string encoding;      // "", "utf-8", "base64", "hex", "json": what the backend's value is in
  bool optional = false;     // left out, not failed, when the backend says not found
  std::string version_seed;  // bound into the object's version besides the contents
  std::string read_error;    // put before an error of login or read: `couldn't read secret "db"`
};

// A file as a projection makes it of an answer.
struct RenderedFile {
  std::string path;  // relative to the volume; checked by CheckVolumePath
  SecretBytes contents;
  std::string object;   // id of its version; "" = the projection's object
  std::string version;  // the version to report; "" = a keyed hash of the contents
};

// The result of SpcDialect::Parse. Pure data; equal input gives equal output.
struct ParsedMount {
  std::shared_ptr<const ProviderOptions> options;
  std::vector<Projection> projections;  // list order of the manifest; never empty
  // Audiences whose pod token the login takes, best first; empty = the login needs none. When none
  // of them came with the mount, a token for the last is asked of the API server ("" = its
  // default).
  std::vector<std::string> audiences;
  // Parameters that hold a credential in clear text. Nothing made by Parse holds it, because that
  // outlives the mount: AddCredentials hands it to the login.
  std::vector<std::string> credential_parameters;
  // Put before every error that arises after parsing: "error making mount request".
  std::string mount_error;
  Policy policy;
};

// Copies the parameters that `mount` calls credentials to the credentials of `identity`, by the
// parameter's name. They win over those of nodePublishSecretRef: a class wins everywhere.
void AddCredentials(const ParsedMount& mount, const std::map<std::string, std::string>& parameters,
                    Identity& identity);

// Pure and total, hence thread-safe: any input gives a value or an error.
class SpcDialect {
 public:
  virtual ~SpcDialect() = default;

  // Parameters to refs and options. Errors name the parameter and the fix. Checks every path
  // (CheckVolumePath), duplicate names and modes, so that an error names the object.
  virtual Result<ParsedMount> Parse(const SpcInput& input) const = 0;

  // All files of a projection: one, or several of an answer that is a folder, below a path that no
  // other projection of the mount uses. Errors: kNotFound (no such key), kInvalid (decoding).
  virtual Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                        const SecretBytes& answer) const = 0;
};

// For RenderFiles of dialects whose projections make one file each, without a version of the
// backend's own.
Result<std::vector<RenderedFile>> OneFile(const Projection& projection,
                                          Result<SecretBytes> contents);

}  // namespace nodekeep

#pragma once

// A provider's dialect of SecretProviderClass parameters, and how its answers become files.

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
#include "agent/secrets/spc_warnings.h"

namespace nodekeep {

// The input of a SecretProviderClass dialect. Contains nothing of the pod that mounts the class.
struct SpcInput {
  std::map<std::string, std::string> parameters;
  std::uint32_t mode = 0644;  // for files without a mode in the class, 0 to 0777
};

// What becomes of a JSON null where a class asks for a value: an error, or the text "null".
enum class NullValues { kRefuse, kText };

// One file of the volume and how it is made from the backend's answer.
struct Projection {
  std::string object;  // its name in the class; used in messages and as version id
  SecretRef ref;
  std::string path;  // of the file, relative to the volume; checked by CheckVolumePath
  std::uint32_t mode = 0644;
  std::string field;         // key inside the answer; "" = whole
  std::string property;      // field inside that (property.h); "" = whole
  NullValues nulls = NullValues::kRefuse;
  std::string encoding;      // of the backend's value: "", "utf-8", "base64", "hex" or "json"
  bool optional = false;     // omitted, instead of failing, if the backend reports "not found"
  std::string version_seed;  // part of the object's version, besides the contents
  std::string read_error;    // prefix of login and read errors: `couldn't read secret "db"`
  bool is_folder = false;    // `path` is a folder, whose files only the answer names
};

// A file made from an answer by a projection.
struct RenderedFile {
  std::string path;  // relative to the volume; checked by CheckVolumePath
  SecretBytes contents;
  std::string object;   // id of its version; "" = the projection's object
  std::string version;  // the version to report; "" = a keyed hash of the contents
};

// The result of SpcDialect::Parse. Pure data; equal inputs give equal outputs.
struct ParsedMount {
  std::shared_ptr<const ProviderOptions> options;
  std::vector<Projection> projections;  // list order of the manifest; never empty
  // Audiences whose pod token the login accepts, best first; empty = the login needs none. If the
  // mount has a token for none of them, one for the last is requested from the API server ("" = its
  // default audience).
  std::vector<std::string> audiences;
  // Parameters that contain a credential in clear text. Nothing that Parse returns contains it,
  // because that outlives the mount: AddCredentials passes it to the login.
  std::vector<std::string> credential_parameters;
  // Prefix of every error after parsing: "error making mount request".
  std::string mount_error;
  Policy policy;
  SpcWarnings warnings;
};

// Copies the credential parameters of `mount` to the credentials of `identity`, by parameter name.
// They override those of nodePublishSecretRef: a class always takes precedence.
void AddCredentials(const ParsedMount& mount, const std::map<std::string, std::string>& parameters,
                    Identity& identity);

// Pure, hence thread-safe. Any input gives a value or an error.
class SpcDialect {
 public:
  virtual ~SpcDialect() = default;

  // Parses parameters into refs and options. Errors name the parameter and the fix. Checks every
  // path (CheckVolumePath), duplicate names and modes, so that an error names the object.
  virtual Result<ParsedMount> Parse(const SpcInput& input) const = 0;

  // Returns all files of a projection: one, or several if the answer is a folder, below a path that
  // no other projection of the mount uses. Errors: kNotFound (no such key), kInvalid (decoding).
  virtual Result<std::vector<RenderedFile>> RenderFiles(const Projection& projection,
                                                        const SecretBytes& answer) const = 0;
};

// For RenderFiles of dialects with one file per projection and no backend version.
Result<std::vector<RenderedFile>> OneFile(const Projection& projection,
                                          Result<SecretBytes> contents);

}  // namespace nodekeep

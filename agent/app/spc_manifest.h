#pragma once

// SecretProviderClass manifests, read as by kubectl.
//
// A file may hold several documents and Lists. All faults are reported at once, with their places,
// except those of spec.secretObjects (secret_objects_check.h).

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/app/finding.h"
#include "agent/base/result.h"
#include "agent/base/yaml.h"
#include "agent/secrets/secret_provider_class.h"

namespace nodekeep {

// A class as read, with the places of what it says.
struct SpcManifest : SecretProviderClass {
  std::string file;
  int line = 0;  // of the document's first key
  int provider_line = 0;
  std::map<std::string, int> parameter_lines;
  YamlNode document;

  // "SecretProviderClass shop/app", for Finding::object.
  std::string ObjectText() const;
  // The place in the document of a fault, or of what is written next above it. `parent`: before the
  // path of the fault.
  Finding FindingOf(const ClassFault& fault, std::string_view parent = "") const;
  // Converts an error or a warning of a dialect's Parse, which names a parameter or an object, to a
  // finding with the line in `text`, the manifest's file.
  Finding FindingOfParseError(const Error& error, std::string_view text) const;
};

enum class DocumentKind {
  kSecretProviderClass,
  kOtherObject,  // another Kubernetes object, which is skipped
  kOther,        // no apiVersion and kind: possibly an agent configuration
};
DocumentKind KindOf(const YamlNode& document);

struct ManifestCheck {
  std::vector<SpcManifest> classes;  // those without findings
  std::vector<SpcManifest> faulty;   // as far as they could be read
  std::vector<Finding> findings;
};

// Reads one document of kind kSecretProviderClass or kOtherObject (the items of a List are read,
// other objects are skipped).
void ReadManifest(const std::string& file, const YamlNode& document, ManifestCheck& check);

// All SecretProviderClasses of `text`. Text that is not YAML is one finding.
ManifestCheck ReadManifests(const std::string& file, std::string_view text);

// The class `name` of the file at `path`, or its only class if `name` is "". All findings in one
// error.
Result<SpcManifest> LoadManifest(const std::string& path, const std::string& name);

}  // namespace nodekeep

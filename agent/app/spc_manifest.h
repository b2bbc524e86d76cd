#pragma once

// SecretProviderClass manifests, as kubectl would take them.
//
// A file may hold several documents and Lists. Everything wrong with it is reported at once.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/app/finding.h"
#include "agent/base/result.h"
#include "agent/base/yaml.h"

namespace nodekeep {

struct SpcManifest {
  std::string file;
  int line = 0;  // of the document's first key
  std::string name;
  std::string namespace_name;  // "" = not given
  std::string provider;
  int provider_line = 0;
  std::map<std::string, std::string> parameters;
  std::map<std::string, int> parameter_lines;

  // A finding about an error that a dialect's Parse returned: it names a parameter or an object,
  // and this finds the line in `text`, the manifest's file.
  Finding FindingOfParseError(const Error& error, std::string_view text) const;
};

enum class DocumentKind {
  kSecretProviderClass,
  kOtherObject,  // a Kubernetes object that is none of our business
  kOther,        // no apiVersion and kind: the agent's own configuration, perhaps
};
DocumentKind KindOf(const YamlNode& document);

struct ManifestCheck {
  std::vector<SpcManifest> classes;  // those without findings
  std::vector<Finding> findings;
};

// Reads one document of kind kSecretProviderClass or kOtherObject (a List is looked into, anything
// else gives nothing).
void ReadManifest(const std::string& file, const YamlNode& document, ManifestCheck& check);

// All SecretProviderClasses of `text`. Text that is no YAML is one finding.
ManifestCheck ReadManifests(const std::string& file, std::string_view text);

// The one class of the file at `path`, or that named `name` ("" = there must be one only). All
// findings in one error.
Result<SpcManifest> LoadManifest(const std::string& path, const std::string& name);

}  // namespace nodekeep

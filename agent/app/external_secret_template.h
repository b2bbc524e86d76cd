#pragma once

// The template of an ExternalSecret manifest, rendered without Kubernetes: for `nodekeep template`.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/template/target_template.h"

namespace nodekeep {

struct ExternalSecretTemplate {
  // In the order in which they are rendered; later ones win.
  struct Part {
    std::string place;  // "spec.target.template.data"
    TemplateTarget target = TemplateTarget::kData;
    TargetTemplate content;
  };
  std::vector<Part> parts;
  // The data that the backend returned stays beside what is rendered.
  bool keeps_data = false;
};

// The ExternalSecret `name` of `text`, or the only one if `name` is "". Errors: kInvalid, also for
// templates of ConfigMaps and Secrets, which are not in the file.
Result<ExternalSecretTemplate> ReadExternalSecret(std::string_view text, const std::string& name);

// {"data":{...},"labels":{...},"annotations":{...}}; binary values are in "data64". An
// error shows the place in the template, with a caret under it.
Result<Json> RenderExternalSecret(const TemplateEnvironment& environment,
                                  const ExternalSecretTemplate& manifest, const SecretMap& data,
                                  const TemplateOptions& options);

}  // namespace nodekeep

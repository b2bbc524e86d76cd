#include "agent/secrets/secret_provider_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace nodekeep {
namespace {

std::map<std::string, std::string> ReadTexts(const Json* object, const FieldPath& path,
                                             std::vector<ClassFault>& faults) {
  std::map<std::string, std::string> texts;
  if (object == nullptr || object->is_null()) return texts;
  if (!object->is_object()) {
    faults.push_back({.path = path,
                      .message = fmt::format("expected a map, found {}", TypeText(*object)),
                      .fix = "write `name: value` lines below it"});
    return texts;
  }
  for (const auto& item : object->object_range()) {
    if (std::optional<std::string> text = TextOf(item.value())) {
      texts[std::string(item.key())] = *std::move(text);
    } else {
      faults.push_back(NoString(path.Field(item.key()), item.value()));
    }
  }
  return texts;
}

// Upstream's text for a field that every class needs.
std::string NotSet(std::string_view field, const SecretProviderClass& spc) {
  return fmt::format("{} not set{}{}", field, spc.name.empty() ? "" : " in ",
                     spc.name.empty() ? "" : spc.Text());
}

void ReadProvider(const Json& object, SecretProviderClass& spc, std::vector<ClassFault>& faults) {
  const FieldPath path = FieldPath().Field("spec").Field("provider");
  const Json* provider = Find(object, {"spec", "provider"});
  if (provider != nullptr && !provider->is_null() && !IsText(*provider)) {
    faults.push_back(NoString(path, *provider));
    return;
  }
  spc.provider = TextOf(provider).value_or("");
  if (spc.provider.empty()) {
    faults.push_back({path, NotSet("provider", spc), "set spec.provider"});
  }
}

void ReadParameters(const Json& object, SecretProviderClass& spc, std::vector<ClassFault>& faults) {
  const FieldPath path = FieldPath().Field("spec").Field("parameters");
  const Json* parameters = Find(object, {"spec", "parameters"});
  if (parameters == nullptr || parameters->is_null() ||
      (parameters->is_object() && parameters->empty())) {
    faults.push_back({path, NotSet("parameters", spc), "set spec.parameters"});
    return;
  }
  spc.parameters = ReadTexts(parameters, path, faults);
}

}  // namespace

bool IsProviderName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxProviderName &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

SecretProviderClass ReadSecretProviderClass(const Json& object, std::vector<ClassFault>& faults) {
  SecretProviderClass spc;
  spc.namespace_name = TextOf(Find(object, {"metadata", "namespace"})).value_or("");
  spc.name = TextOf(Find(object, {"metadata", "name"})).value_or("");
  spc.uid = TextOf(Find(object, {"metadata", "uid"})).value_or("");
  spc.resource_version = TextOf(Find(object, {"metadata", "resourceVersion"})).value_or("");
  spc.annotations = ReadTexts(Find(object, {"metadata", "annotations"}),
                              FieldPath().Field("metadata").Field("annotations"), faults);
  ReadProvider(object, spc, faults);
  ReadParameters(object, spc, faults);
  const Json* objects = Find(object, {"spec", "secretObjects"});
  spc.secret_objects = objects == nullptr ? Json::null() : *objects;
  return spc;
}

Result<SecretProviderClass> ReadSecretProviderClass(const Json& object) {
  std::vector<ClassFault> faults;
  SecretProviderClass spc = ReadSecretProviderClass(object, faults);
  if (faults.empty()) return spc;
  const ClassFault& first = faults.front();
  Error error = Error::Format(ErrorCode::kInvalid, "{}; {}", first.message, first.fix);
  // Upstream's texts name the class and the field, and nothing comes before them.
  if (first.message.ends_with(" not set in " + spc.Text())) return error;
  return error.Prepend("{}: {}", spc.Text(), first.path.text());
}

}  // namespace nodekeep

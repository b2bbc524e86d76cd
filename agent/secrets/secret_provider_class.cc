#include "agent/secrets/secret_provider_class.h"

#include <algorithm>
#include <cctype>

namespace nodekeep {
namespace {

Result<std::map<std::string, std::string>> ReadTexts(const Json* object, const std::string& where) {
  std::map<std::string, std::string> texts;
  if (object == nullptr || object->is_null()) return texts;
  if (!object->is_object()) {
    return Error::Format(ErrorCode::kInvalid, "{}: expected a map of strings", where);
  }
  for (const auto& item : object->object_range()) {
    std::optional<std::string> text = TextOf(item.value());
    if (!text) {
      return Error::Format(ErrorCode::kInvalid, "{}.{}: expected a string; put quotes around it",
                           where, std::string(item.key()));
    }
    texts[std::string(item.key())] = *std::move(text);
  }
  return texts;
}

}  // namespace

bool IsProviderName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxProviderName &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

Result<SecretProviderClass> ReadSecretProviderClass(const Json& object) {
  SecretProviderClass result;
  result.namespace_name = TextOf(Find(object, {"metadata", "namespace"})).value_or("");
  result.name = TextOf(Find(object, {"metadata", "name"})).value_or("");
  result.uid = TextOf(Find(object, {"metadata", "uid"})).value_or("");
  result.resource_version = TextOf(Find(object, {"metadata", "resourceVersion"})).value_or("");
  auto annotations = ReadTexts(Find(object, {"metadata", "annotations"}), "metadata.annotations");
  if (!annotations.ok()) return annotations.error().Prepend("{}", result.Text());
  result.annotations = *std::move(annotations);
  result.provider = TextOf(Find(object, {"spec", "provider"})).value_or("");
  if (result.provider.empty()) {
    return Error::Format(ErrorCode::kInvalid, "provider not set in {}; set spec.provider",
                         result.Text());
  }
  auto parameters = ReadTexts(Find(object, {"spec", "parameters"}), "spec.parameters");
  if (!parameters.ok()) return parameters.error().Prepend("{}", result.Text());
  if (parameters->empty()) {
    return Error::Format(ErrorCode::kInvalid, "parameters not set in {}; set spec.parameters",
                         result.Text());
  }
  result.parameters = *std::move(parameters);
  if (const Json* objects = Find(object, {"spec", "secretObjects"})) {
    result.secret_objects = *objects;
  } else {
    result.secret_objects = Json::null();
  }
  return result;
}

}  // namespace nodekeep

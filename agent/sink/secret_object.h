#pragma once

// secretObjects of a SecretProviderClass -> the Kubernetes Secrets they ask for (csi.md 2.10).
// Pure.
//
// Extension, as an annotation of the secretObject (it stays visible on the Secret):
//
//   nodekeep/deletionPolicy: Delete | Retain | WithClass
//
// Other annotations that start with "nodekeep/" are refused: a misspelt one would be obeyed by
// nobody.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"
#include "agent/sink/kube_secret.h"

namespace nodekeep {

// The label by which users and upstream know a mirrored Secret; its value is "true".
inline constexpr std::string_view kManagedLabel = "secrets-store.csi.k8s.io/managed";
// Set to "true" on a Secret that somebody else made, it lets us take it over. Never part of a
// class: who may write a class may not be allowed to write that Secret.
inline constexpr std::string_view kAdoptAnnotation = "nodekeep/adopt";
inline constexpr std::string_view kDeletionPolicyAnnotation = "nodekeep/deletionPolicy";

enum class DeletionPolicy {
  kDelete,     // lives while a pod mounts it, and no longer than the pods' owners
  kRetain,     // nobody's: stays until somebody deletes it
  kWithClass,  // lives as long as the SecretProviderClass
};

struct SecretObjectKey {
  std::string object_name;  // path of the file in the volume
  std::string key;          // in the Secret's data
};

struct SecretObject {
  std::string secret_name;
  std::string type;
  std::map<std::string, std::string> labels{};
  std::map<std::string, std::string> annotations{};
  std::vector<SecretObjectKey> data{};
  DeletionPolicy deletion = DeletionPolicy::kDelete;
};

// One entry of spec.secretObjects each: what it asks for, or why it cannot be had. A wrong entry
// does not hinder the others, as upstream. Errors are kInvalid and name entry and field:
// `secretObjects[1].data[0].key "a b" ...: <what to do>`. Null is an empty list.
std::vector<Result<SecretObject>> ReadSecretObjects(const Json& spec_secret_objects);

// The Secret that `object` asks for, from the files of the volume. For type kubernetes.io/tls the
// keys get their part of the file (tls_parts.h); other types get the files as they are.
// Errors name Secret, objectName and key: kNotFound (no such file; lists those there are), kInvalid
// (not what the key needs), kTooLarge (more than 1 MiB, the limit of a Secret).
Result<KubeSecret> BuildSecret(const SecretObject& object, const std::vector<BundleFile>& files);

}  // namespace nodekeep

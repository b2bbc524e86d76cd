#pragma once

// The entries of spec.secretObjects of a SecretProviderClass, and the Kubernetes Secrets that they
// describe. Pure.
//
// An annotation of an entry, also set on the Secret, determines when the Secret is deleted:
//
//   nodekeep/deletionPolicy: Delete | Retain | WithClass
//
// Other annotations that start with "nodekeep/" are an error, because a misspelt one would have no
// effect.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/secrets/bundle.h"
#include "agent/secrets/class_fault.h"
#include "agent/sink/kube_secret.h"

namespace nodekeep {

// The label by which users and the upstream driver identify a mirrored Secret; its value is "true".
inline constexpr std::string_view kManagedLabel = "secrets-store.csi.k8s.io/managed";
// On a Secret that was not mirrored, "true" permits the agents to adopt it. Not allowed in a class:
// a user with permission to write classes may have none to write that Secret.
inline constexpr std::string_view kAdoptAnnotation = "nodekeep/adopt";
inline constexpr std::string_view kDeletionPolicyAnnotation = "nodekeep/deletionPolicy";

enum class DeletionPolicy {
  kDelete,     // deleted after the last pod that mounts it, at the latest after the pods' owners
  kRetain,     // has no owner and is never deleted here
  kWithClass,  // owned by the SecretProviderClass, and deleted with it
};

// As the annotation has it.
std::string_view NameOf(DeletionPolicy policy);

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

// An entry of spec.secretObjects, as far as it could be read, and all that is wrong with it. Paths
// begin with "secretObjects".
struct SecretObjectEntry {
  FieldPath path;
  SecretObject object{};
  std::vector<std::size_t> places{};         // of object.data: the index of each in the class
  std::vector<ClassFault> faults{};          // for which the mirror refuses the entry
  std::vector<ClassFault> unknown_fields{};  // which the API server drops
};

// Returns one element per entry. Null is an empty list; anything else that is not a list is one
// element with a fault.
std::vector<SecretObjectEntry> ReadSecretObjectEntries(const Json& spec_secret_objects);

// As above, for the mirror: per entry the object, or its faults as one error. An invalid entry does
// not affect the others, as in the upstream driver. Errors are kInvalid and name entry and field:
// `secretObjects[1].data[0].key: "a b" ...: <what to do>`.
std::vector<Result<SecretObject>> ReadSecretObjects(const Json& spec_secret_objects);

// Builds the Secret that `object` describes from the files of the volume. For type
// kubernetes.io/tls each key gets its part of the file (tls_parts.h); for other types the whole
// file. A key is left out if its file is `absent`, or in a folder that is: an optional object that
// does not exist (Bundle::absent). Errors name Secret, objectName and key: kNotFound (no such file;
// lists the existing ones; the type requires a key that was left out), kInvalid (the file has no
// such part; certificate and key do not match), kTooLarge (more than 1 MiB, the limit of a Secret).
Result<KubeSecret> BuildSecret(const SecretObject& object, const std::vector<BundleFile>& files,
                               const std::vector<std::string>& absent = {});

}  // namespace nodekeep

#include "csi/class_warnings.h"

namespace nodekeep {

bool ClassWarnings::IsNew(const SecretProviderClass& spc) {
  // The uid too: a class that was deleted and created again is another one.
  const std::string version = spc.uid + "/" + spc.resource_version;
  FairTable<std::string, std::string>::Removed removed;  // destroyed without the lock
  MutexLock lock(mutex_);
  const std::string* known = versions_.Use(spc.Text());
  if (known != nullptr && *known == version) return false;
  removed = versions_.Put(spc.namespace_name, spc.Text(), version, 1);
  return true;
}

}  // namespace nodekeep

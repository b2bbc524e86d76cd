#pragma once

// Which classes users were warned of, so that a class gets one Event per version, not one per pod
// and refresh.

#include <cstddef>
#include <string>

#include "agent/base/fair_table.h"
#include "agent/base/mutex.h"
#include "agent/secrets/secret_provider_class.h"

namespace nodekeep {

// Thread-safe. Forgets the classes of the namespace that has most when there are many.
class ClassWarnings {
 public:
  static constexpr std::size_t kMost = 4096;  // classes

  // Whether this is the first call for this version of the class.
  bool IsNew(const SecretProviderClass& spc);

 private:
  Mutex mutex_;
  FairTable<std::string, std::string> versions_ NODEKEEP_GUARDED_BY(mutex_){kMost};  // by class
};

}  // namespace nodekeep

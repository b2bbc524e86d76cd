#pragma once

// What a folder below providers/ provides: a backend, and a dialect per API that can refer to it.

#include <memory>

#include "agent/secrets/backend.h"
#include "agent/secrets/spc_dialect.h"

namespace nodekeep {

// Members are shared because mounts in progress keep theirs across a configuration reload.
struct Provider {
  std::shared_ptr<Backend> backend;
  std::shared_ptr<const SpcDialect> spc;  // null: not usable in a SecretProviderClass
};

// For a class that implements both.
template <typename T>
Provider ProviderOf(const std::shared_ptr<T>& both) {
  return {both, both};
}

}  // namespace nodekeep

#pragma once

// What a folder below providers/ offers: a backend, and a dialect for each API that can name it.

#include <memory>

#include "agent/secrets/backend.h"
#include "agent/secrets/spc_dialect.h"

namespace nodekeep {

// Members are shared because mounts under way keep theirs across a reload of the configuration.
struct Provider {
  std::shared_ptr<Backend> backend;
  std::shared_ptr<const SpcDialect> spc;  // null: cannot be named by a SecretProviderClass
};

// Of a class that is both.
template <typename T>
Provider ProviderOf(const std::shared_ptr<T>& both) {
  return {both, both};
}

}  // namespace nodekeep

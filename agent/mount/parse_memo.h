#pragma once

// Caches the parsed form of classes.
//
// All pods of a class mount it with the same parameters, again at each rotation, and parsing the
// YAML in them costs more than serving ten secrets from memory. Parse is pure, so its result can be
// reused for equal parameters. Errors are not cached. Contains no secrets: credentials among the
// parameters are not part of a ParsedMount (credential_parameters).
//
// Thread-safe. Limited in size; the least recently used entry is dropped first.

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/mount/parsed_class.h"
#include "agent/secrets/spc_dialect.h"

namespace nodekeep {

class ParseMemo {
 public:
  explicit ParseMemo(std::size_t max_entries = 1024) : max_entries_(max_entries) {}

  // Returns the result of dialect->Parse(input), from the cache if possible.
  Result<ParsedClassPtr> Parse(const std::shared_ptr<const SpcDialect>& dialect,
                               const SpcInput& input);
  // Returns the cached result; null if there is none.
  ParsedClassPtr Find(const std::shared_ptr<const SpcDialect>& dialect, const SpcInput& input);

 private:
  using Digest = std::array<std::uint8_t, 32>;
  struct Entry {
    Digest digest;
    std::weak_ptr<const SpcDialect>
        dialect;  // after a reload, a new dialect may have the same address
    ParsedClassPtr parsed;
  };

  static Digest DigestOf(const SpcDialect& dialect, const SpcInput& input);
  ParsedClassPtr Find(const std::shared_ptr<const SpcDialect>& dialect, const Digest& digest);

  const std::size_t max_entries_;

  Mutex mutex_;
  std::list<Entry> least_recent_first_ NODEKEEP_GUARDED_BY(mutex_);
  std::map<Digest, std::list<Entry>::iterator> by_digest_ NODEKEEP_GUARDED_BY(mutex_);
};

}  // namespace nodekeep

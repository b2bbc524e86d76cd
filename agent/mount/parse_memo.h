#pragma once

// Parses classes, and caches the result.
//
// All pods of a class mount it with the same parameters, again at each rotation, and parsing the
// YAML in them costs more than serving ten secrets from memory. Parse is pure, so its result can be
// reused for equal parameters, also by pods that mount while the class is being parsed. Errors are
// not cached. Contains no secrets: credentials among the parameters are not part of a ParsedMount
// (credential_parameters).
//
// Parsed classes, and what parsing takes, are a share of the namespace in bytes: those cached and
// those that mounts use. Beyond it, the namespace parses one class after the other, then its least
// recently used cached classes are dropped, then the mount is refused.
//
// Thread-safe. Waits at most for other classes of the namespace to be parsed.

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agent/base/fair_table.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/shared_resource.h"
#include "agent/mount/parsed_class.h"
#include "agent/secrets/spc_dialect.h"

namespace nodekeep {

class ParseMemo {
 public:
  // `class_bytes` must outlive this object.
  explicit ParseMemo(SharedResource& class_bytes) : class_bytes_(class_bytes) {}

  // Returns the result of dialect->Parse(input), from the cache if possible. `namespace_name`: of
  // the pod. Errors: those of Parse; kPrecondition if the share of the namespace is used up.
  Result<ParsedClassPtr> Parse(const std::string& namespace_name,
                               const std::shared_ptr<const SpcDialect>& dialect,
                               const SpcInput& input);
  // Returns the cached result; null if there is none.
  ParsedClassPtr Find(const std::shared_ptr<const SpcDialect>& dialect, const SpcInput& input);

 private:
  using Digest = std::array<std::uint8_t, 32>;
  struct Entry {
    std::string namespace_name;  // that parsed it
    std::weak_ptr<const SpcDialect>
        dialect;  // after a reload, a new dialect may have the same address
    ParsedClassPtr parsed;
  };
  // The result of a parsing in progress, for those who wait for it.
  using Parsing = std::optional<Result<ParsedClassPtr>>;

  static Digest DigestOf(const SpcDialect& dialect, const SpcInput& input);
  ParsedClassPtr Known(const std::shared_ptr<const SpcDialect>& dialect, const Digest& digest)
      NODEKEEP_REQUIRES(mutex_);
  Result<ParsedClassPtr> ParseNow(const std::string& namespace_name, const SpcDialect& dialect,
                                  const SpcInput& input, SharedResource::Grant share);
  void Keep(const std::string& namespace_name, const Digest& digest, Entry entry);
  FairTable<Digest, Entry>::Removed DropUnused() NODEKEEP_REQUIRES(mutex_);
  bool IsParsing(const std::string& namespace_name) const NODEKEEP_REQUIRES(mutex_);

  SharedResource& class_bytes_;

  Mutex mutex_;
  std::condition_variable_any parsed_;
  FairTable<Digest, Entry> known_ NODEKEEP_GUARDED_BY(mutex_){SIZE_MAX};  // bounded by the shares
  // By namespace too, because a refusal is one of the namespace.
  std::map<std::pair<std::string, Digest>, std::shared_ptr<Parsing>> parsing_
      NODEKEEP_GUARDED_BY(mutex_);
  std::uint64_t ended_ NODEKEEP_GUARDED_BY(mutex_) = 0;  // parsings so far
};

}  // namespace nodekeep

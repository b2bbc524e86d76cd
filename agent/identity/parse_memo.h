#pragma once

// Remembers what a dialect made of a mount request.
//
// The driver asks for the same volume every minute or two with the same parameters, and reading the
// YAML in them costs more than serving ten secrets from memory. Parse is pure, so its result may
// stand for the next equal request to the same provider. Errors are not remembered. Holds no
// secret: credentials among the parameters are no part of a ParsedMount (credential_parameters),
// and the token text does not take part; a pod whose tokens cannot be read is refused by PlanMount
// all the same.
//
// Thread-safe. Bounded; the least recently used goes first.

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "agent/base/result.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

class ParseMemo {
 public:
  explicit ParseMemo(std::size_t max_entries = 1024) : max_entries_(max_entries) {}

  // provider->Parse(input), or what it answered to an equal input before.
  Result<ParsedMount> Parse(const std::shared_ptr<Provider>& provider, const MountInput& input);
  // The remembered answer only; null when there is none.
  std::shared_ptr<const ParsedMount> Find(const std::shared_ptr<Provider>& provider,
                                          const MountInput& input);

 private:
  using Digest = std::array<std::uint8_t, 32>;
  struct Entry {
    Digest digest;
    std::weak_ptr<Provider> provider;  // a reload makes new ones, perhaps at the same address
    std::shared_ptr<const ParsedMount> mount;
  };

  static Digest DigestOf(const Provider& provider, const MountInput& input);
  std::shared_ptr<const ParsedMount> Find(const std::shared_ptr<Provider>& provider,
                                          const Digest& digest);

  const std::size_t max_entries_;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::list<Entry> least_recent_first_;
  std::map<Digest, std::list<Entry>::iterator> by_digest_;
};

}  // namespace nodekeep

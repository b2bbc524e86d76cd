#pragma once

// What there is: items as describe-item and list-items tell of them
// (docs/protocol/akeyless-api.md, "Items").

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "providers/akeyless/caller.h"
#include "providers/akeyless/item.h"

namespace nodekeep::akeyless {

struct Description {
  std::string name;  // the server's spelling
  std::string type;
  std::int64_t last_version = 0;
  std::string modified;
  std::string user_ttl;  // of a dynamic secret

  // Equal as long as nothing that the server tells of has changed.
  std::string Stamp() const;
};

// "/a/b" of "a/b": names are accepted both ways.
std::string WithSlash(std::string_view path);

// The kind of an item that is read by its type alone: static, certificate, rotated.
std::optional<ItemKind> ReadableKind(std::string_view type);

// Folders with far more items than are read from them: their items are described one by one.
// Thread-safe.
class CrowdedFolders {
 public:
  explicit CrowdedFolders(const Clock& clock) : clock_(clock) {}

  bool Has(const std::string& folder) const;
  void Add(const std::string& folder);

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, SteadyTime> until_;  // guarded by mutex_
};

// By path as it was asked for, an entry for each. Two and more items of one folder are looked up
// with one list-items, all others with describe-item, and so are those that a list does not show:
// only describe-item tells what is not there from what may not be seen. Errors begin with "can't
// describe item: <path>, error".
using Descriptions = std::map<std::string, Result<Description>>;
Descriptions Describe(const Caller& caller, CrowdedFolders& crowded,
                      const std::set<std::string>& paths);
// Of an item that is known to be there.
Result<Description> DescribeOne(const Caller& caller, const std::string& path);

// The items below `folder` that are read by their type alone, sorted by name. kNotFound when there
// is none, because what may not be listed is hidden, not refused; kTooLarge. Errors begin with
// "can't list folder: <folder>, error".
Result<std::vector<Description>> ListFolder(const Caller& caller, const std::string& folder);

}  // namespace nodekeep::akeyless

#pragma once

// Looks up items, their type, version and modification date, with describe-item and list-items
// (docs/protocol/akeyless-api.md, "Items").

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/mutex.h"
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
  bool disabled = false;  // as the item says itself; only a read tells for certain

  // Changes with the item's type, last version and modification date.
  std::string Stamp() const;
};

// `error`; where it says that the gateway has not found something, preceded by `secret "/a/b" does
// not exist`.
Error NotThere(const Error& error, std::string_view what, std::string_view path);

// "/a/b" for "a/b": both forms of a name are accepted.
std::string WithSlash(std::string_view path);

// The kind of an item whose type alone says how to read it (static, certificate, rotated); nullopt
// for other types.
std::optional<ItemKind> ReadableKind(std::string_view type);

// Folders that hold far more items than are read from them: listing them is wasteful, so their
// items are described one by one. Thread-safe.
class LargeFolders {
 public:
  explicit LargeFolders(const Clock& clock) : clock_(clock) {}

  bool Has(const std::string& folder) const;
  void Add(const std::string& folder);

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, SteadyTime> until_ NODEKEEP_GUARDED_BY(mutex_);
};

// Whether the token of a batch is refused. The API answers 401 both for a stale token and for a
// denied path, but a list hides what is denied. So the token counts as refused once a list and one
// more call were answered so, and no call was answered otherwise.
class TokenCheck {
 public:
  void SeeList(const Result<Json>& reply) { See(reply, lists_); }
  void SeeDescription(const Result<Json>& reply) { See(reply, descriptions_); }

  // The refusal, for what is then not sent with this token.
  const Error* refused() const {
    return !accepted_ && lists_ > 0 && lists_ + descriptions_ > 1 ? &*error_ : nullptr;
  }
  // One more call would tell.
  bool suspected() const { return !accepted_ && error_ && refused() == nullptr; }

 private:
  void See(const Result<Json>& reply, std::size_t& refusals);

  std::size_t lists_ = 0;
  std::size_t descriptions_ = 0;
  bool accepted_ = false;
  std::optional<Error> error_;
};

// An entry for each of the requested paths. Two or more items of one folder are looked up with one
// list-items call. All others, and those that the list does not contain, are looked up with
// describe-item, because only describe-item distinguishes a missing item from a denied one. Errors
// begin with "can't describe item: <path>, error".
using Descriptions = std::map<std::string, Result<Description>>;
Descriptions Describe(const Caller& caller, TokenCheck& check, LargeFolders& large_folders,
                      const std::set<std::string>& paths);
// Lists the folder of `path` for `check`.
void CheckToken(const Caller& caller, TokenCheck& check, const std::string& path);
// For an item that is known to exist.
Result<Description> DescribeOne(const Caller& caller, const std::string& path);

// The static, certificate and rotated items below `folder`, sorted by name. kNotFound when there
// are none, because items that may not be listed are hidden, not refused; kTooLarge. Errors begin
// with "can't list folder: <folder>, error".
Result<std::vector<Description>> ListFolder(const Caller& caller, TokenCheck& check,
                                            const std::string& folder);

}  // namespace nodekeep::akeyless

#include "agent/mount/parse_memo.h"

#include <string>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

// Length-prefixed, so that different inputs never produce the same bytes.
void AppendText(std::string& into, std::string_view text) {
  into += std::to_string(text.size());
  into += ':';
  into += text;
}

}  // namespace

ParseMemo::Digest ParseMemo::DigestOf(const SpcDialect& dialect, const SpcInput& input) {
  std::string key;
  AppendText(key, std::to_string(reinterpret_cast<std::uintptr_t>(&dialect)));
  AppendText(key, std::to_string(input.mode));
  for (const auto& [name, value] : input.parameters) {
    AppendText(key, name);
    AppendText(key, value);
  }
  return Sha256(key);
}

ParsedClassPtr ParseMemo::Find(const std::shared_ptr<const SpcDialect>& dialect,
                               const SpcInput& input) {
  return Find(dialect, DigestOf(*dialect, input));
}

ParsedClassPtr ParseMemo::Find(const std::shared_ptr<const SpcDialect>& dialect,
                               const Digest& digest) {
  MutexLock lock(mutex_);
  auto found = by_digest_.find(digest);
  if (found == by_digest_.end() || found->second->dialect.lock() != dialect) return nullptr;
  least_recent_first_.splice(least_recent_first_.end(), least_recent_first_, found->second);
  return found->second->parsed;
}

Result<ParsedClassPtr> ParseMemo::Parse(const std::shared_ptr<const SpcDialect>& dialect,
                                        const SpcInput& input) {
  const Digest digest = DigestOf(*dialect, input);
  if (ParsedClassPtr known = Find(dialect, digest)) return known;
  Result<ParsedMount> mount = dialect->Parse(input);
  if (!mount.ok()) return mount.error();
  const ParsedClassPtr parsed = MakeParsedClass(*std::move(mount));
  MutexLock lock(mutex_);
  if (auto former = by_digest_.find(digest); former != by_digest_.end()) {
    least_recent_first_.erase(former->second);
    by_digest_.erase(former);
  }
  by_digest_[digest] =
      least_recent_first_.insert(least_recent_first_.end(), {digest, dialect, parsed});
  if (by_digest_.size() > max_entries_) {
    by_digest_.erase(least_recent_first_.front().digest);
    least_recent_first_.pop_front();
  }
  return parsed;
}

}  // namespace nodekeep

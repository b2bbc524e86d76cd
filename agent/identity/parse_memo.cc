#include "agent/identity/parse_memo.h"

#include <string>

#include "agent/base/digest.h"

namespace nodekeep {
namespace {

// Every text with its length in front, so that no two inputs run together to the same bytes.
void AppendText(std::string& into, std::string_view text) {
  into += std::to_string(text.size());
  into += ':';
  into += text;
}

}  // namespace

ParseMemo::Digest ParseMemo::DigestOf(const Provider& provider, const MountInput& input) {
  std::string key;
  AppendText(key, std::to_string(reinterpret_cast<std::uintptr_t>(&provider)));
  AppendText(key, input.permission);
  AppendText(key, input.target_path);
  for (const auto& [name, value] : input.attributes) {
    AppendText(key, name);
    AppendText(key, value);
  }
  return Sha256(key);
}

std::shared_ptr<const ParsedMount> ParseMemo::Find(const std::shared_ptr<Provider>& provider,
                                                   const MountInput& input) {
  return Find(provider, DigestOf(*provider, input));
}

std::shared_ptr<const ParsedMount> ParseMemo::Find(const std::shared_ptr<Provider>& provider,
                                                   const Digest& digest) {
  std::unique_lock lock(mutex_);
  auto found = by_digest_.find(digest);
  if (found == by_digest_.end() || found->second->provider.lock() != provider) return nullptr;
  least_recent_first_.splice(least_recent_first_.end(), least_recent_first_, found->second);
  return found->second->mount;
}

Result<ParsedMount> ParseMemo::Parse(const std::shared_ptr<Provider>& provider,
                                     const MountInput& input) {
  const Digest digest = DigestOf(*provider, input);
  if (auto known = Find(provider, digest)) return ParsedMount(*known);
  Result<ParsedMount> parsed = provider->Parse(input);
  if (!parsed.ok()) return parsed;
  auto kept = std::make_shared<const ParsedMount>(*parsed);
  std::unique_lock lock(mutex_);
  if (auto former = by_digest_.find(digest); former != by_digest_.end()) {
    least_recent_first_.erase(former->second);
    by_digest_.erase(former);
  }
  by_digest_[digest] =
      least_recent_first_.insert(least_recent_first_.end(), {digest, provider, std::move(kept)});
  if (by_digest_.size() > max_entries_) {
    by_digest_.erase(least_recent_first_.front().digest);
    least_recent_first_.pop_front();
  }
  return parsed;
}

}  // namespace nodekeep

#include "agent/mount/parse_memo.h"

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/secrets/spc_reader.h"

namespace nodekeep {
namespace {

// What parsing takes: the YAML tree and the projections. Measured with classes of 250 KB: 30 bytes
// per byte for three lines per object, 45 to 54 for the shortest objects that are valid.
constexpr std::size_t kParseOverhead = 16 * 1024;
constexpr std::size_t kParsePerByte = 40;

Error Refused(const std::string& namespace_name) {
  return Error::Format(ErrorCode::kPrecondition,
                       "the classes that namespace \"{}\" mounts on this node need more memory "
                       "than one namespace may "
                       "use; shorten the parameters of its SecretProviderClasses",
                       namespace_name);
}

// Length-prefixed, so that different inputs never produce the same bytes.
void AppendText(std::string& into, std::string_view text) {
  into += std::to_string(text.size());
  into += ':';
  into += text;
}

// Those limits that all dialects have, before memory is reserved by size: the limit of certificates
// is the longest of parameters other than `objects`.
Status CheckSizes(const SpcInput& input) {
  std::vector<std::string_view> others;
  for (const auto& [name, value] : input.parameters) {
    if (name != "objects") others.push_back(name);
  }
  return CheckParameterSizes(input.parameters, others);
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
  const Digest digest = DigestOf(*dialect, input);
  MutexLock lock(mutex_);
  return Known(dialect, digest);
}

ParsedClassPtr ParseMemo::Known(const std::shared_ptr<const SpcDialect>& dialect,
                                const Digest& digest) {
  const Entry* entry = known_.Use(digest);
  return entry != nullptr && entry->dialect.lock() == dialect ? entry->parsed : nullptr;
}

Result<ParsedClassPtr> ParseMemo::Parse(const std::string& namespace_name,
                                        const std::shared_ptr<const SpcDialect>& dialect,
                                        const SpcInput& input) {
  if (Status sizes = CheckSizes(input); !sizes.ok()) return sizes.error();
  const Digest digest = DigestOf(*dialect, input);
  const std::pair key(namespace_name, digest);
  const std::size_t text = BytesOf(input);
  const std::size_t needed = kParseOverhead + kParsePerByte * text;
  std::optional<SharedResource::Grant> share;
  std::shared_ptr<Parsing> parsing;
  // Before `parsing` is entered, because it allocates.
  Result<ParsedClassPtr> result =
      Error(ErrorCode::kInternal,
            "parsing the class failed with an unexpected exception; see the agent's log");
  while (!share) {
    FairTable<Digest, Entry>::Removed dropped;  // destroyed without the lock
    MutexLock lock(mutex_);
    if (ParsedClassPtr known = Known(dialect, digest)) return known;
    if (const auto same = parsing_.find(key); same != parsing_.end()) {
      parsing = same->second;
      parsed_.wait(lock, [&] { return parsing->has_value(); });
      return **parsing;
    }
    if (class_bytes_.MayTake(namespace_name, needed)) {
      share = class_bytes_.TryTake(namespace_name, needed);
      if (share) parsing = parsing_[key] = std::make_shared<Parsing>();
    } else if (IsParsing(namespace_name)) {
      // What the others need for parsing becomes free.
      parsed_.wait(lock, [this, before = ended_] {
        mutex_.AssertHeld();
        return ended_ != before;
      });
    } else if (dropped = known_.EraseOldestOf(namespace_name);
               dropped.empty() && (dropped = DropUnused()).empty()) {
      lock.unlock();
      (void)class_bytes_.TryTake(namespace_name, needed);  // counts the refusal
      return Refused(namespace_name);
    }
  }
  {
    // Ends before `result` is moved to the caller.
    const OnExit over([&] {
      MutexLock lock(mutex_);
      *parsing = result;
      parsing_.erase(key);
      ++ended_;
      parsed_.notify_all();
    });
    result = ParseNow(namespace_name, *dialect, input, *std::move(share));
    if (result.ok()) Keep(namespace_name, digest, {namespace_name, dialect, *result});
  }
  return result;
}

// The cached classes of the namespace that holds most which no mount uses, and those of dialects
// from before a reload.
FairTable<ParseMemo::Digest, ParseMemo::Entry>::Removed ParseMemo::DropUnused() {
  const std::string largest = known_.LargestOwner();
  return known_.EraseIf([&](const Digest&, const Entry& entry) {
    return entry.dialect.expired() ||
           (entry.namespace_name == largest && entry.parsed.use_count() == 1);
  });
}

bool ParseMemo::IsParsing(const std::string& namespace_name) const {
  const auto first = parsing_.lower_bound({namespace_name, Digest()});
  return first != parsing_.end() && first->first.first == namespace_name;
}

Result<ParsedClassPtr> ParseMemo::ParseNow(const std::string& namespace_name,
                                           const SpcDialect& dialect, const SpcInput& input,
                                           SharedResource::Grant share) {
  Result<ParsedMount> mount = dialect.Parse(input);
  if (!mount.ok()) return mount.error();
  const std::size_t text = BytesOf(input);
  if (!share.Resize(MemoryOf(*mount, text))) return Refused(namespace_name);
  const auto objects = input.parameters.find("objects");  // not kept by the options
  const std::size_t options =
      objects == input.parameters.end() ? text : text - objects->second.size();
  return MakeParsedClass(*std::move(mount), options, std::move(share));
}

void ParseMemo::Keep(const std::string& namespace_name, const Digest& digest, Entry entry) {
  const std::size_t bytes = entry.parsed->share.amount();
  FairTable<Digest, Entry>::Removed former;  // destroyed without the lock
  MutexLock lock(mutex_);
  former = known_.Put(namespace_name, digest, std::move(entry), bytes);
}

}  // namespace nodekeep

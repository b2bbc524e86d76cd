#include "agent/mount/mount_ledger.h"

#include <algorithm>

#include "agent/base/mutex.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// Strings and nodes of a record, besides its texts.
constexpr std::size_t kRecordOverhead = 1024;
// An error text may quote what a backend sent.
constexpr std::size_t kMaxErrorText = 4096;

std::size_t SizeOf(const SecretRef& ref) {
  return sizeof(SecretRef) + ref.endpoint.size() + ref.path.size() + ref.version.size() +
         ref.request.size();
}

std::string KeyOf(const Identity& identity, const std::string& provider,
                  const std::string& target_path) {
  return identity.namespace_name + "/" + identity.PodName() + "/" + identity.PodUid() + " " +
         provider + " " + target_path;
}

}  // namespace

bool MountLedger::Record(const MountPlan& plan, const Result<ReadReport>& outcome, Duration took,
                         std::size_t content) {
  MountRecord record;
  const Identity& identity = plan.read->identity;
  record.provider = plan.read->route.provider;
  record.namespace_name = identity.namespace_name;
  record.pod = identity.PodName();
  record.pod_uid = identity.PodUid();
  record.service_account = identity.service_account;
  record.target_path = plan.target_path;
  std::size_t bytes = kRecordOverhead + 2 * record.target_path.size();
  for (const Projection& projection : plan.parsed->mount.projections) {
    const std::size_t size = sizeof(std::string) + projection.object.size();
    if (bytes + size > max_record_) break;
    bytes += size;
    record.objects.push_back(projection.object);
  }
  for (const PlannedRead& read : plan.parsed->reads) {
    const std::size_t size = SizeOf(*read.ref);
    if (bytes + size > max_record_) break;
    bytes += size;
    record.refs.push_back(*read.ref);
  }
  record.at = clock_.Wall();
  record.took = took;
  record.content = content;
  if (outcome.ok()) {
    record.report = *outcome;
    record.outcome = outcome->stale > 0 ? "stale" : "ok";
  } else {
    record.outcome = ErrorCodeName(outcome.error().code());
    record.error = Utf8Prefix(outcome.error().message(), kMaxErrorText);
    bytes += record.error.size();
  }

  const std::string key = KeyOf(identity, record.provider, record.target_path);
  MutexLock lock(mutex_);
  const MountRecord* former = records_.Find(key);
  record.served = outcome.ok() || (former != nullptr && former->served);
  const bool is_same = outcome.ok() && former != nullptr && former->error.empty() &&
                       former->report.stale == 0 && former->content == record.content;
  record.mounts = former != nullptr ? former->mounts + 1 : 1;
  record.number = next_number_++;
  records_.Put(identity.namespace_name, key, std::move(record), bytes);
  return is_same;
}

bool MountLedger::HasServed(const MountRequest& request) const {
  const std::string key = KeyOf(request.identity, request.provider, request.target_path);
  MutexLock lock(mutex_);
  const MountRecord* record = records_.Find(key);
  return record != nullptr && record->served;
}

std::vector<MountRecord> MountLedger::List() const {
  std::vector<MountRecord> list;
  {
    MutexLock lock(mutex_);
    records_.ForEach([&](const std::string&, const MountRecord& record, std::size_t) {
      list.push_back(record);
    });
  }
  std::sort(list.begin(), list.end(),
            [](const MountRecord& a, const MountRecord& b) { return a.number > b.number; });
  return list;
}

std::vector<SecretRef> MountLedger::RefsOfPod(const std::string& pod) const {
  std::vector<SecretRef> refs;
  MutexLock lock(mutex_);
  records_.ForEach([&](const std::string&, const MountRecord& record, std::size_t) {
    if (record.namespace_name + "/" + record.pod != pod) return;
    refs.insert(refs.end(), record.refs.begin(), record.refs.end());
  });
  return refs;
}

}  // namespace nodekeep

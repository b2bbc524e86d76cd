#include "agent/mount/mount_ledger.h"

#include <algorithm>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

std::size_t SizeOf(const MountRecord& record) {
  return record.refs.size() + record.objects.size();
}

}  // namespace

void MountLedger::Record(const MountPlan& plan, const Result<ReadReport>& outcome, Duration took) {
  MountRecord record;
  const Identity& identity = plan.read->identity;
  record.provider = plan.read->route.provider;
  record.namespace_name = identity.namespace_name;
  record.pod = identity.PodName();
  record.pod_uid = identity.PodUid();
  record.service_account = identity.service_account;
  record.target_path = plan.target_path;
  for (const Projection& projection : plan.parsed->mount.projections) {
    record.objects.push_back(projection.object);
  }
  for (const PlannedRead& read : plan.parsed->reads) record.refs.push_back(*read.ref);
  record.at = clock_.Wall();
  record.took = took;
  if (outcome.ok()) {
    record.report = *outcome;
    record.outcome = outcome->stale > 0 ? "stale" : "ok";
  } else {
    record.outcome = ErrorCodeName(outcome.error().code());
    record.error = outcome.error().message();
  }

  std::string key = record.namespace_name + "/" + record.pod + "/" + record.pod_uid + " " +
                    record.provider + " " + record.target_path;
  MutexLock lock(mutex_);
  MountRecord& place = records_[key];
  by_number_.erase(place.number);
  refs_ -= SizeOf(place);
  record.mounts = place.mounts + 1;
  record.number = next_number_++;
  refs_ += SizeOf(record);
  by_number_[record.number] = std::move(key);
  place = std::move(record);
  while (records_.size() > 1 && (records_.size() > max_records_ || refs_ > max_refs_)) {
    const auto oldest = records_.find(by_number_.begin()->second);
    refs_ -= SizeOf(oldest->second);
    records_.erase(oldest);
    by_number_.erase(by_number_.begin());
  }
}

std::vector<MountRecord> MountLedger::List() const {
  std::vector<MountRecord> list;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, record] : records_) list.push_back(record);
  }
  std::sort(list.begin(), list.end(),
            [](const MountRecord& a, const MountRecord& b) { return a.number > b.number; });
  return list;
}

std::vector<SecretRef> MountLedger::RefsOfPod(const std::string& pod) const {
  std::vector<SecretRef> refs;
  MutexLock lock(mutex_);
  for (const auto& [key, record] : records_) {
    if (record.namespace_name + "/" + record.pod != pod) continue;
    refs.insert(refs.end(), record.refs.begin(), record.refs.end());
  }
  return refs;
}

}  // namespace nodekeep

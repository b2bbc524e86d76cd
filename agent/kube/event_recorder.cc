#include "agent/kube/event_recorder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/base/json.h"
#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/base/utf8.h"
#include "agent/kube/resource.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxMessage = 1024;  // limit of events.k8s.io, also used by core/v1 clients
constexpr std::size_t kMaxNamePrefix = 200;
constexpr Duration kRetryDelay = std::chrono::seconds(10);

std::string CutAt(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  constexpr std::string_view kDots = "...";
  return std::string(Utf8Prefix(text, limit - kDots.size())) + std::string(kDots);
}

// Erases the least recently used entry if there are more than `limit`.
template <typename Map>
void Bound(Map& map, std::size_t limit) {
  if (map.size() <= limit) return;
  map.erase(std::min_element(map.begin(), map.end(), [](const auto& a, const auto& b) {
    return a.second.last < b.second.last;
  }));
}

std::string NamespaceOf(const ObjectReference& object) {
  return object.namespace_name.empty() ? "default" : object.namespace_name;
}

}  // namespace

EventRecorder::EventRecorder(KubeClient& kube, const Clock& clock, Rng& rng, Logger& log,
                             Options options)
    : kube_(kube),
      clock_(clock),
      rng_(rng),
      log_(log),
      options_(std::move(options)),
      thread_([this](std::stop_token stop) {
        RunGuarded("events", stop, clock_, options_.on_exception, [&] { Run(stop); });
      }) {}

void EventRecorder::Record(const ObjectReference& object, EventType type, std::string_view reason,
                           std::string_view message) {
  Key key{object, type, std::string(reason), CutAt(message, kMaxMessage)};
  const WallTime wall = clock_.Wall();
  const SteadyTime now = clock_.Now();
  MutexLock lock(mutex_);
  if (const auto known = waiting_.find(key); known != waiting_.end()) {
    ++known->second.count;
    known->second.last = wall;
    known->second.last_steady = now;
    return;
  }
  if (!Admit(object) || queue_.size() >= options_.max_queued) {
    ++dropped_;
    return;
  }
  waiting_.emplace(key, Occurrence{1, wall, wall, now});
  queue_.push_back(std::move(key));
  changed_.notify_all();
}

std::uint64_t EventRecorder::dropped() const {
  MutexLock lock(mutex_);
  return dropped_;
}

bool EventRecorder::Admit(const ObjectReference& object) {
  const SteadyTime now = clock_.Now();
  const double rate = 1 / std::chrono::duration<double>(options_.refill).count();
  TokenBucket::Options limit;
  limit.rate = limit.lowest_rate = rate;
  limit.burst = options_.burst;
  const auto entry = limits_.try_emplace(object, Limit{TokenBucket(limit, now), now}).first;
  entry->second.last = now;
  const bool admitted = entry->second.bucket.TryTake(now);
  Bound(limits_, options_.max_remembered);
  return admitted;
}

void EventRecorder::Run(std::stop_token stop) {
  const Context context(SteadyTime::max(), stop);
  while (true) {
    MutexLock lock(mutex_);
    const auto has_work = [this] {
      mutex_.AssertHeld();
      return !queue_.empty();
    };
    if (!clock_.WaitUntil(lock, changed_, stop, SteadyTime::max(), has_work)) return;
    if (stop.stop_requested()) return;
    const Key key = std::move(queue_.front());
    queue_.pop_front();
    const Occurrence occurrence = waiting_.at(key);
    waiting_.erase(key);
    lock.unlock();
    if (Status sent = Send(context, key, occurrence); !sent.ok()) {
      OnFailure(context, key, occurrence, sent.error());
    } else {
      is_failing_ = false;
    }
  }
}

Status EventRecorder::Send(const Context& context, const Key& key, const Occurrence& occurrence) {
  const OnThrow count([this] {
    MutexLock lock(mutex_);
    ++dropped_;
  });
  const auto known = sent_.find(key);
  if (known == sent_.end() || occurrence.last_steady - known->second.last > options_.window) {
    return Create(context, key, occurrence);
  }
  Json patch;
  patch["count"] = known->second.count + occurrence.count;
  patch["lastTimestamp"] = FormatTime(occurrence.last);
  Result<Json> patched = kube_.MergePatch(context, known->second.path, patch);
  // The server deletes Events after an hour or earlier.
  if (!patched.ok() && patched.error().code() == ErrorCode::kNotFound) {
    return Create(context, key, occurrence);
  }
  if (!patched.ok()) return patched.error();
  known->second.count += occurrence.count;
  known->second.last = occurrence.last_steady;
  return {};
}

Status EventRecorder::Create(const Context& context, const Key& key, const Occurrence& occurrence) {
  const ObjectReference& object = key.object;
  const std::string name =
      fmt::format("{}.{:x}{:04x}", object.name.substr(0, kMaxNamePrefix),
                  occurrence.first.time_since_epoch().count(), created_++ & 0xffff);
  Json metadata;
  metadata["name"] = name;
  metadata["namespace"] = NamespaceOf(object);
  Json involved;
  involved["apiVersion"] = object.api_version;
  involved["kind"] = object.kind;
  if (!object.namespace_name.empty()) involved["namespace"] = object.namespace_name;
  involved["name"] = object.name;
  involved["uid"] = object.uid;
  Json source;
  source["component"] = options_.component;
  source["host"] = options_.host;
  Json event;
  event["apiVersion"] = "v1";
  event["kind"] = "Event";
  event["metadata"] = std::move(metadata);
  event["involvedObject"] = std::move(involved);
  event["type"] = key.type == EventType::kWarning ? "Warning" : "Normal";
  event["reason"] = key.reason;
  event["message"] = key.message;
  event["source"] = std::move(source);
  event["reportingComponent"] = options_.component;
  event["reportingInstance"] = options_.host;
  event["firstTimestamp"] = FormatTime(occurrence.first);
  event["lastTimestamp"] = FormatTime(occurrence.last);
  event["count"] = occurrence.count;
  Result<Json> created =
      kube_.Create(context, kEventResource.CollectionPath(NamespaceOf(object)), event);
  // The name is unique to this process: a conflict means that an earlier attempt took effect before
  // its connection was cut.
  if (!created.ok() && created.error().code() != ErrorCode::kConflict) return created.error();
  sent_[key] = {kEventResource.ObjectPath(NamespaceOf(object), name), occurrence.count,
                occurrence.last_steady};
  Bound(sent_, options_.max_remembered);
  return {};
}

void EventRecorder::OnFailure(const Context& context, const Key& key, const Occurrence& occurrence,
                              const Error& error) {
  const bool is_transient = error.IsTransient();
  {
    MutexLock lock(mutex_);
    const auto [entry, is_new] = waiting_.try_emplace(key, occurrence);
    if (!is_new) {
      // It was recorded again meanwhile and is in the queue.
      entry->second.count += occurrence.count;
      entry->second.first = occurrence.first;
    } else if (is_transient && queue_.size() < options_.max_queued) {
      queue_.push_front(key);
    } else {
      waiting_.erase(entry);
      ++dropped_;
    }
  }
  if (!context.Check(clock_).ok()) return;
  if (!std::exchange(is_failing_, true)) {
    log_.Warn("cannot write an event", {{"error", error.message()}, {"reason", key.reason}});
  }
  if (!is_transient) return;
  const Duration delay = error.retry_after().value_or(kRetryDelay);
  [[maybe_unused]] const Status slept =
      Sleep(context, clock_, delay + std::chrono::duration_cast<Duration>(delay * rng_.Uniform()));
}

}  // namespace nodekeep

#include "agent/kube/informer.h"

#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"

namespace nodekeep {
namespace {

std::string MetadataText(const Json& object, std::string_view field) {
  return TextOf(Find(object, {"metadata", field})).value_or("");
}

}  // namespace

Informer::Informer(WatchLoop& loop, Options options, Handler handler)
    : loop_(loop),
      options_(std::move(options)),
      handler_(std::move(handler)),
      reflector_(loop.dependencies(), loop.waker(), options_.selection, *this) {
  loop_.Add(*this);
}

Informer::~Informer() { loop_.Remove(*this); }

bool Informer::synced() const {
  MutexLock lock(mutex_);
  return synced_;
}

Status Informer::AwaitSynced(const Context& context) const {
  const Clock& clock = loop_.dependencies().clock;
  MutexLock lock(mutex_);
  const bool reached = clock.WaitUntil(lock, changed_, context.stop(), context.deadline(), [this] {
    mutex_.AssertHeld();
    return synced_;
  });
  if (reached) return {};
  const Status over = context.Check(clock);
  const ErrorCode code = over.ok() ? ErrorCode::kDeadlineExceeded : over.error().code();
  return Error::Format(code, "wait for the list of {}: {}", options_.selection.path,
                       trouble_ ? trouble_->message() : "no response yet");
}

std::optional<Error> Informer::trouble() const {
  MutexLock lock(mutex_);
  return trouble_;
}

void Informer::OnListBegin() { listed_.clear(); }

void Informer::OnListed(Json object) {
  listed_.insert(Key{MetadataText(object, "namespace"), MetadataText(object, "name")});
  Store(object);
}

void Informer::OnListEnd() {
  std::vector<Key> gone;
  for (const auto& [key, entry] : known_) {
    if (!listed_.contains(key)) gone.push_back(key);
  }
  for (const Key& key : gone) Erase(key);
  listed_.clear();
  MutexLock lock(mutex_);
  synced_ = true;
  changed_.notify_all();
}

void Informer::OnChange(Json object, bool gone) {
  if (!gone) return Store(object);
  Erase(Key{MetadataText(object, "namespace"), MetadataText(object, "name")});
}

void Informer::OnTrouble(const std::optional<Error>& error) {
  bool is_new = false;
  {
    MutexLock lock(mutex_);
    is_new = trouble_.has_value() != error.has_value();
    trouble_ = error;
  }
  if (!is_new) return;
  Logger& log = loop_.dependencies().log;
  if (error) {
    log.Warn("cannot watch objects of the cluster", {{"error", error->message()}});
  } else {
    log.Info("watching objects of the cluster again", {{"path", options_.selection.path}});
  }
}

void Informer::Store(const Json& object) {
  const Key key{MetadataText(object, "namespace"), MetadataText(object, "name")};
  Entry entry{MetadataText(object, "uid"), MetadataText(object, "resourceVersion"), nullptr};
  std::shared_ptr<const Json> before;
  if (const auto found = known_.find(key); found != known_.end()) {
    const Entry& known = found->second;
    if (known.uid == entry.uid && known.resource_version == entry.resource_version) return;
    if (known.uid == entry.uid) before = known.object;
  }
  if (!before) Erase(key);
  entry.object = std::make_shared<const Json>(options_.keep ? options_.keep(object) : object);
  const bool is_same = before && GoJson(*before).Reveal() == GoJson(*entry.object).Reveal();
  if (is_same) entry.object = before;
  const std::shared_ptr<const Json> after = entry.object;
  known_.insert_or_assign(key, std::move(entry));
  if (!is_same && handler_) handler_({key.namespace_name, key.name, before, after});
}

void Informer::Erase(const Key& key) {
  const auto found = known_.find(key);
  if (found == known_.end()) return;
  const std::shared_ptr<const Json> before = std::move(found->second.object);
  known_.erase(found);
  if (handler_) handler_({key.namespace_name, key.name, before, nullptr});
}

}  // namespace nodekeep

#include "agent/kube/reflector.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// Of what has come and is not read yet. A page of ordinary objects is a few megabytes.
constexpr std::size_t kMaxUnread = 64u << 20;
// A watch that lived this long was a good one, even if nothing happened.
constexpr Duration kDecentLife = std::chrono::seconds(1);
constexpr Duration kGrace = std::chrono::seconds(30);
constexpr Duration kLeastDelay = std::chrono::milliseconds(10);

}  // namespace

// Filled on the network's thread, emptied on the loop's.
class Reflector::Inbox final : public HttpReceiver {
 public:
  struct Mail {
    bool begun = false;
    SecretBytes bytes;
    std::optional<Result<HttpResponse>> end;
  };

  explicit Inbox(std::shared_ptr<WatchLoop::Bell> bell) : bell_(std::move(bell)) {}

  void OnHead() override {
    {
      std::lock_guard lock(mutex_);
      mail_.begun = true;
    }
    bell_->Ring();
  }

  bool OnBytes(std::string_view bytes) override {
    {
      std::lock_guard lock(mutex_);
      if (mail_.bytes.size() + bytes.size() > kMaxUnread) return false;
      mail_.bytes.Append(bytes);
    }
    bell_->Ring();
    return true;
  }

  void OnEnd(Result<HttpResponse> result) override {
    {
      std::lock_guard lock(mutex_);
      mail_.end.emplace(std::move(result));
    }
    bell_->Ring();
  }

  Mail Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(mail_, Mail());
  }

 private:
  const std::shared_ptr<WatchLoop::Bell> bell_;
  std::mutex mutex_;
  Mail mail_;  // guarded by mutex_
};

Reflector::Reflector(const WatchParts& parts, std::shared_ptr<WatchLoop::Bell> bell,
                     KubeSelection selection, Target& target)
    : parts_(parts), bell_(std::move(bell)), selection_(std::move(selection)), target_(target) {}

Reflector::~Reflector() { stop_.request_stop(); }

SteadyTime Reflector::MoveOn(SteadyTime now) {
  const OnThrow start_over([&] { StartOver(now); });
  if (inbox_) Read();
  // A page that was read asks for the next one at once.
  while (!inbox_ && due_ <= now) {
    Send(now);
    if (inbox_) Read();
  }
  return inbox_ ? SteadyTime::max() : due_;
}

void Reflector::Send(SteadyTime now) {
  sent_ = now;
  sent_step_ = step_;
  made_progress_ = false;
  received_ = SecretBytes();
  if (step_ == Step::kList && continue_.empty()) target_.OnListBegin();
  const WatchPolicy& policy = parts_.policy;
  Duration timeout = policy.list_timeout;
  Duration silence = policy.list_timeout;
  KubeCall call;
  call.path = selection_.PathWithQuery();
  if (step_ == Step::kList) {
    AddQuery(call.path, "limit", std::to_string(policy.page_size));
    if (!continue_.empty()) AddQuery(call.path, "continue", continue_);
  } else {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
        policy.watch_for * (1 + parts_.rng.Uniform()));
    AddQuery(call.path, "watch", "true");
    AddQuery(call.path, "allowWatchBookmarks", "true");
    AddQuery(call.path, "resourceVersion", resource_version_);
    AddQuery(call.path, "timeoutSeconds", std::to_string(seconds.count()));
    timeout = seconds + kGrace;
    // Not at the same moment on all nodes.
    silence = std::chrono::duration_cast<Duration>(policy.longest_silence *
                                                   (1 + parts_.rng.Uniform() / 2));
  }
  Result<HttpRequest> request = MakeKubeRequest(parts_.connection, policy.user_agent, call);
  if (!request.ok()) return Failed(request.error(), now);
  request->timeout = timeout;
  request->longest_silence = silence;
  inbox_ = std::make_shared<Inbox>(bell_);
  stop_ = std::stop_source();
  parts_.http.Open(Context(SteadyTime::max(), stop_.get_token()), *std::move(request), inbox_);
}

void Reflector::Read() {
  Inbox::Mail mail = inbox_->Take();
  const SteadyTime now = parts_.clock.Now();  // not earlier than what came
  received_.Append(mail.bytes.Reveal());
  if (step_ == Step::kWatch) {
    if (mail.begun) TroubleOver();
    ReadEvents(now);
  }
  // An event may have ended the watch.
  if (!inbox_ || !mail.end) return;
  inbox_.reset();
  if (step_ == Step::kWatch) return WatchEnded(*mail.end, now);
  if (!mail.end->ok()) return Failed(mail.end->error(), now);
  HttpResponse& response = **mail.end;
  if (response.status / 100 == 2) response.body = std::exchange(received_, SecretBytes());
  ReadPage(response, now);
}

void Reflector::ReadPage(const HttpResponse& response, SteadyTime now) {
  Result<Json> page = ReadKubeAnswer(response, parts_.clock.Wall());
  if (!page.ok()) {
    // The rest of the list is forgotten (410), or the page's token is refused.
    if (!page.error().IsTransient()) Relist();
    return Failed(page.error(), now);
  }
  const std::optional<std::string> version = TextOf(Find(*page, {"metadata", "resourceVersion"}));
  // An empty list may have null for its items.
  Json items = Json::null();
  if (page->contains("items")) items = std::move(page->at("items"));
  if (!version || !(items.is_array() || items.is_null())) {
    Relist();
    return Failed(Error(ErrorCode::kInternal, "the answer is no list of objects"), now);
  }
  if (items.is_array()) {
    for (Json& item : items.array_range()) target_.OnListed(std::move(item));
  }
  continue_ = TextOf(Find(*page, {"metadata", "continue"})).value_or("");
  if (!continue_.empty()) return;
  resource_version_ = *version;
  step_ = Step::kWatch;
  target_.OnListEnd();
}

void Reflector::ReadEvents(SteadyTime now) {
  std::string_view unread = received_.Reveal();
  while (inbox_) {
    const std::size_t end = unread.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = unread.substr(0, end);
    unread.remove_prefix(end + 1);
    if (!line.empty() && !ReadEvent(line, now)) {
      stop_.request_stop();
      inbox_.reset();
    }
  }
  if (unread.size() == received_.size()) return;
  received_ = SecretBytes(unread);
}

bool Reflector::ReadEvent(std::string_view line, SteadyTime now) {
  Result<Json> event = ParseJson(line);
  const std::string type = event.ok() ? TextOf(Find(*event, {"type"})).value_or("") : "";
  if (!event.ok() || type.empty() || !event->contains("object")) {
    Relist();
    Failed(Error(ErrorCode::kInternal, "the watch brought what is no event"), now);
    return false;
  }
  Json& object = event->at("object");
  if (type == "ERROR") {
    const std::int64_t code = IntOf(Find(object, {"code"})).value_or(0);
    // Forgotten (410), or not accepted; a 429 or a 5xx may be taken up again.
    if (code / 100 == 4 && code != 429) Relist();
    Failed(Error::Format(ErrorCode::kTransient, "{} {}: {}", code,
                         TextOf(Find(object, {"reason"})).value_or(""),
                         TextOf(Find(object, {"message"})).value_or("no message")),
           now);
    return false;
  }
  const std::optional<std::string> version = TextOf(Find(object, {"metadata", "resourceVersion"}));
  if (type != "BOOKMARK") target_.OnChange(std::move(object), type == "DELETED");
  if (version) resource_version_ = *version;
  made_progress_ = true;
  return true;
}

void Reflector::WatchEnded(const Result<HttpResponse>& result, SteadyTime now) {
  if (made_progress_ || now - sent_ >= kDecentLife) failures_ = 0;
  if (!result.ok()) {
    if (made_progress_ || now - sent_ < parts_.policy.longest_silence) {
      return Failed(result.error(), now);
    }
    // No trouble yet: a server that has just started has no bookmarks for a kind of object before
    // it has seen a change of one.
    Relist();
    due_ = now + std::max(kLeastDelay, Backoff(parts_.policy.retry, 1, parts_.rng));
    return;
  }
  if (result->status / 100 != 2) {
    const Error error = ReadKubeAnswer(*result, parts_.clock.Wall()).error();
    if (!error.IsTransient()) Relist();
    return Failed(error, now);
  }
  if (now - sent_ >= kDecentLife) {
    due_ = now;  // its time was over, as agreed
  } else {
    Failed(Error(ErrorCode::kTransient, "the watch ended as soon as it began"), now);
  }
}

void Reflector::Relist() {
  step_ = Step::kList;
  continue_.clear();
}

void Reflector::StartOver(SteadyTime now) {
  stop_.request_stop();
  inbox_.reset();
  received_ = SecretBytes();
  Relist();
  ++failures_;
  due_ = now + std::max(kLeastDelay, Backoff(parts_.policy.retry, failures_, parts_.rng));
}

void Reflector::TroubleOver() {
  if (!std::exchange(in_trouble_, false)) return;
  target_.OnTrouble(std::nullopt);
}

void Reflector::Failed(const Error& error, SteadyTime now) {
  ++failures_;
  Duration delay = std::max(kLeastDelay, Backoff(parts_.policy.retry, failures_, parts_.rng));
  if (error.retry_after()) {
    delay = *error.retry_after() +
            std::chrono::duration_cast<Duration>(std::chrono::seconds(1) * parts_.rng.Uniform());
  }
  due_ = now + delay;
  in_trouble_ = true;
  target_.OnTrouble(error.Prepend("kubernetes: {} {}", sent_step_ == Step::kList ? "list" : "watch",
                                  selection_.path));
}

}  // namespace nodekeep

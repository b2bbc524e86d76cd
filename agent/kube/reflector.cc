#include "agent/kube/reflector.h"

#include <algorithm>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// Bytes received and not parsed yet. A page of ordinary objects is a few megabytes.
constexpr std::size_t kMaxUnread = 64u << 20;
// A watch that was open for this long counts as a success, even without an event.
constexpr Duration kMinWatchTime = std::chrono::seconds(1);
// Time after timeoutSeconds in which the server should end the watch itself.
constexpr Duration kGrace = std::chrono::seconds(30);
constexpr Duration kMinDelay = std::chrono::milliseconds(10);

}  // namespace

// Collects a response on the network thread for the loop's thread.
class Reflector::Receiver final : public HttpReceiver {
 public:
  struct Received {
    bool has_begun = false;
    SecretBytes bytes;
    std::optional<Result<HttpResponse>> end;
  };

  explicit Receiver(std::shared_ptr<WatchLoop::Waker> waker) : waker_(std::move(waker)) {}

  void OnHead() override {
    {
      MutexLock lock(mutex_);
      received_.has_begun = true;
    }
    waker_->Wake();
  }

  bool OnBytes(std::string_view bytes) override {
    {
      MutexLock lock(mutex_);
      if (received_.bytes.size() + bytes.size() > kMaxUnread) return false;
      received_.bytes.Append(bytes);
    }
    waker_->Wake();
    return true;
  }

  void OnEnd(Result<HttpResponse> result) override {
    {
      MutexLock lock(mutex_);
      received_.end.emplace(std::move(result));
    }
    waker_->Wake();
  }

  // Returns what was received since the last call.
  Received Drain() {
    MutexLock lock(mutex_);
    return std::exchange(received_, Received());
  }

 private:
  const std::shared_ptr<WatchLoop::Waker> waker_;
  Mutex mutex_;
  Received received_ NODEKEEP_GUARDED_BY(mutex_);
};

Reflector::Reflector(const WatchDependencies& dependencies, std::shared_ptr<WatchLoop::Waker> waker,
                     KubeSelection selection, Target& target)
    : dependencies_(dependencies),
      waker_(std::move(waker)),
      selection_(std::move(selection)),
      target_(target) {}

Reflector::~Reflector() { stop_.request_stop(); }

SteadyTime Reflector::Advance(SteadyTime now) {
  const OnThrow start_over([&] { StartOver(now); });
  if (receiver_) Read();
  // After one page, the next one is requested at once.
  while (!receiver_ && due_ <= now) {
    Send(now);
    if (receiver_) Read();
  }
  return receiver_ ? SteadyTime::max() : due_;
}

void Reflector::Send(SteadyTime now) {
  sent_ = now;
  sent_step_ = step_;
  made_progress_ = false;
  received_ = SecretBytes();
  if (step_ == Step::kList && continue_.empty()) target_.OnListBegin();
  const WatchPolicy& policy = dependencies_.policy;
  Duration timeout = policy.list_timeout;
  Duration silence = policy.list_timeout;
  KubeCall call;
  call.path = selection_.PathWithQuery();
  if (step_ == Step::kList) {
    AddQuery(call.path, "limit", std::to_string(policy.page_size));
    if (!continue_.empty()) AddQuery(call.path, "continue", continue_);
  } else {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
        policy.watch_for * (1 + dependencies_.rng.Uniform()));
    AddQuery(call.path, "watch", "true");
    AddQuery(call.path, "allowWatchBookmarks", "true");
    AddQuery(call.path, "resourceVersion", resource_version_);
    AddQuery(call.path, "timeoutSeconds", std::to_string(seconds.count()));
    timeout = seconds + kGrace;
    // With jitter, so that not all nodes list at the same time.
    silence = std::chrono::duration_cast<Duration>(policy.idle_timeout *
                                                   (1 + dependencies_.rng.Uniform() / 2));
  }
  Result<HttpRequest> request = MakeKubeRequest(dependencies_.connection, policy.user_agent, call);
  if (!request.ok()) return OnFailure(request.error(), now);
  request->timeout = timeout;
  request->idle_timeout = silence;
  receiver_ = std::make_shared<Receiver>(waker_);
  stop_ = std::stop_source();
  dependencies_.http.Open(Context(SteadyTime::max(), stop_.get_token()), *std::move(request),
                          receiver_);
}

void Reflector::Read() {
  Receiver::Received news = receiver_->Drain();
  const SteadyTime now = dependencies_.clock.Now();  // read after the data arrived
  received_.Append(news.bytes.Reveal());
  if (step_ == Step::kWatch) {
    if (news.has_begun) OnRecovery();
    ReadEvents(now);
  }
  // An event may have ended the watch.
  if (!receiver_ || !news.end) return;
  receiver_.reset();
  if (step_ == Step::kWatch) return OnWatchEnd(*news.end, now);
  if (!news.end->ok()) return OnFailure(news.end->error(), now);
  HttpResponse& response = **news.end;
  if (response.status / 100 == 2) response.body = std::exchange(received_, SecretBytes());
  ReadPage(response, now);
}

void Reflector::ReadPage(const HttpResponse& response, SteadyTime now) {
  Result<Json> page = ReadKubeAnswer(response, dependencies_.clock.Wall());
  if (!page.ok()) {
    // The version of the list has expired (410), or the continue token was rejected.
    if (!page.error().IsTransient()) Relist();
    return OnFailure(page.error(), now);
  }
  const std::optional<std::string> version = TextOf(Find(*page, {"metadata", "resourceVersion"}));
  // The items of an empty list may be null.
  Json items = Json::null();
  if (page->contains("items")) items = std::move(page->at("items"));
  if (!version || !(items.is_array() || items.is_null())) {
    Relist();
    return OnFailure(Error(ErrorCode::kInternal, "the response is not a list of objects"), now);
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
  while (receiver_) {
    const std::size_t end = unread.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = unread.substr(0, end);
    unread.remove_prefix(end + 1);
    if (!line.empty() && !ReadEvent(line, now)) {
      stop_.request_stop();
      receiver_.reset();
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
    OnFailure(Error(ErrorCode::kInternal, "malformed watch event"), now);
    return false;
  }
  Json& object = event->at("object");
  if (type == "ERROR") {
    const std::int64_t code = IntOf(Find(object, {"code"})).value_or(0);
    // The version has expired (410) or is not accepted. After a 429 or 5xx the watch continues.
    if (code / 100 == 4 && code != 429) Relist();
    OnFailure(Error::Format(ErrorCode::kTransient, "{} {}: {}", code,
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

void Reflector::OnWatchEnd(const Result<HttpResponse>& result, SteadyTime now) {
  if (made_progress_ || now - sent_ >= kMinWatchTime) failures_ = 0;
  if (!result.ok()) {
    if (made_progress_ || now - sent_ < dependencies_.policy.idle_timeout) {
      return OnFailure(result.error(), now);
    }
    // Not a failure: a server that has just started sends no bookmarks for a resource before the
    // first change of one of its objects.
    Relist();
    due_ = now + RetryDelay(1);
    return;
  }
  if (result->status / 100 != 2) {
    const Error error = ReadKubeAnswer(*result, dependencies_.clock.Wall()).error();
    if (!error.IsTransient()) Relist();
    return OnFailure(error, now);
  }
  if (now - sent_ >= kMinWatchTime) {
    due_ = now;  // it ended after timeoutSeconds
  } else {
    OnFailure(Error(ErrorCode::kTransient, "the server ended the watch immediately"), now);
  }
}

void Reflector::Relist() {
  step_ = Step::kList;
  continue_.clear();
}

Duration Reflector::RetryDelay(int failures) const {
  return std::max(kMinDelay, Backoff(dependencies_.policy.retry, failures, dependencies_.rng));
}

void Reflector::StartOver(SteadyTime now) {
  stop_.request_stop();
  receiver_.reset();
  received_ = SecretBytes();
  Relist();
  ++failures_;
  due_ = now + RetryDelay(failures_);
}

void Reflector::OnRecovery() {
  if (!std::exchange(in_trouble_, false)) return;
  target_.OnTrouble(std::nullopt);
}

void Reflector::OnFailure(const Error& error, SteadyTime now) {
  ++failures_;
  Duration delay = RetryDelay(failures_);
  if (error.retry_after()) {
    const auto jitter = std::chrono::seconds(1) * dependencies_.rng.Uniform();
    delay = *error.retry_after() + std::chrono::duration_cast<Duration>(jitter);
  }
  due_ = now + delay;
  in_trouble_ = true;
  target_.OnTrouble(error.Prepend("kubernetes: {} {}", sent_step_ == Step::kList ? "list" : "watch",
                                  selection_.path));
}

}  // namespace nodekeep

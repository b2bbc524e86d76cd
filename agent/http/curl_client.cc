#include "agent/http/curl_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "agent/base/duration.h"
#include "agent/base/mutex.h"
#include "agent/http/curl_transfer.h"

namespace nodekeep {
namespace {

constexpr std::string_view kThread = "http";
// Short, because all requests of the agent wait for the loop.
constexpr LoopPause kPause = {.first = std::chrono::milliseconds(100),
                              .longest = std::chrono::seconds(1)};
constexpr std::string_view kCallerLeft = "the caller has gone away";

// The requests of one SendAll, or the one of an Open, which has a receiver.
struct Batch {
  struct Call {
    std::size_t index = 0;
    std::unique_ptr<CurlTransfer> transfer;  // null once finished
    SteadyTime deadline;
    bool deadline_is_callers = false;
    SteadyTime started{};
    SteadyTime due{};  // the deadline, or sooner: when idle_timeout is over
  };

  // Written by the caller before Submit, then by the loop thread until `finished`.
  std::vector<Call> calls;
  std::vector<std::optional<Result<HttpResponse>>> answers;
  std::size_t unanswered = 0;

  std::shared_ptr<HttpReceiver> receiver;
  // For Open only. The loop thread resets `leave` before OnEnd.
  std::optional<std::stop_callback<std::function<void()>>> leave;
  std::atomic<bool> cancelled = false;

  Mutex mutex;
  std::condition_variable changed;
  bool finished NODEKEEP_GUARDED_BY(mutex) = false;
};

// Reads the files of each distinct TlsSettings once per SendAll.
class MaterialReader {
 public:
  Result<std::shared_ptr<const TlsMaterial>> Read(const std::shared_ptr<const TlsSettings>& tls) {
    if (!tls) return std::shared_ptr<const TlsMaterial>();
    std::shared_ptr<const TlsMaterial>& known = read_[tls.get()];
    if (!known) {
      Result<TlsMaterial> material = ReadTlsMaterial(*tls);
      if (!material.ok()) return material.error();
      known = std::make_shared<const TlsMaterial>(*std::move(material));
    }
    return known;
  }

 private:
  std::map<const TlsSettings*, std::shared_ptr<const TlsMaterial>> read_;
};

Result<std::unique_ptr<CurlTransfer>> PrepareTransfer(HttpRequest request,
                                                      const ProxyRules& proxies,
                                                      MaterialReader& materials,
                                                      std::optional<AnswerShare> share) {
  Result<std::shared_ptr<const TlsMaterial>> material = materials.Read(request.tls);
  if (!material.ok()) {
    Result<Origin> origin = ParseOrigin(request);
    if (!origin.ok()) return origin.error();
    return material.error().Prepend("TLS settings for {}", origin->text);
  }
  auto transfer = CurlTransfer::Prepare(std::move(request), *std::move(material), proxies);
  if (transfer.ok() && share) (*transfer)->SetShare(*std::move(share));
  return transfer;
}

std::shared_ptr<Batch> MakeBatch(const Context& context, std::vector<HttpRequest> requests,
                                 const ProxyRules& proxies, SharedResource* answer_bytes) {
  constexpr Duration kLongest = std::chrono::hours(24);  // keeps the sum below from overflowing
  const SteadyTime now = std::chrono::steady_clock::now();
  MaterialReader materials;
  auto batch = std::make_shared<Batch>();
  batch->answers.resize(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const SteadyTime timeout = now + std::min(requests[i].timeout, kLongest);
    std::optional<AnswerShare> share;
    if (answer_bytes != nullptr && !context.namespace_name().empty()) {
      share = AnswerShare{context.namespace_name(), answer_bytes};
    }
    auto transfer = PrepareTransfer(std::move(requests[i]), proxies, materials, std::move(share));
    if (!transfer.ok()) {
      batch->answers[i] = transfer.error();
      continue;
    }
    batch->calls.push_back({i, *std::move(transfer), std::min(timeout, context.deadline()),
                            context.deadline() < timeout});
  }
  batch->unanswered = batch->calls.size();
  return batch;
}

SteadyTime DueOf(const Batch::Call& call) {
  const Duration silence = call.transfer->idle_timeout();
  const SteadyTime received = call.transfer->last_received();
  if (silence >= std::chrono::ceil<Duration>(call.deadline - received)) return call.deadline;
  return received + silence;
}

bool HasReceived(const Batch::Call& call) { return call.transfer->last_received() > call.started; }

Error OverdueError(const Batch::Call& call) {
  if (call.due < call.deadline) {
    return Error::Format(ErrorCode::kTransient, "{}: nothing came for {}", call.transfer->Step(),
                         FormatDuration(call.transfer->idle_timeout()));
  }
  if (!call.deadline_is_callers) {
    return Error::Format(ErrorCode::kTransient, "{}: no answer within {}", call.transfer->Step(),
                         FormatDuration(call.transfer->timeout()));
  }
  return Error::Format(ErrorCode::kDeadlineExceeded,
                       "{}: the time allowed for this request is over", call.transfer->Step());
}

}  // namespace

// Run is called on the loop thread; Submit, Cancel and Stop on any thread.
class CurlClient::Loop {
 public:
  explicit Loop(Options options);
  ~Loop();

  // False once stopped: the batch is ignored.
  bool Submit(std::shared_ptr<Batch> batch);
  void Cancel(std::shared_ptr<Batch> batch);
  void Stop();
  // Runs until Stop. After an exception it may be called again; it then fails the requests that
  // were left unfinished first.
  void Run();

 private:
  struct Commands {
    std::vector<std::shared_ptr<Batch>> submitted;
    std::vector<std::shared_ptr<Batch>> cancelled;
    bool stop = false;
  };

  void Wake();
  Commands TakeCommands();

  void Start(const std::shared_ptr<Batch>& batch);
  void Finish(Batch::Call& call, Result<HttpResponse> result);
  void Drop(Batch& batch, ErrorCode code, std::string_view why);
  void DropAll(ErrorCode code, std::string_view why);
  // After an exception: fails all requests under way and recreates curl's state.
  void Reset();
  void DropOverdue();
  // Closes the connection of an overdue call if no other request received anything on it either.
  void CloseIfHung(const Batch::Call& call, SteadyTime now);
  void FinishCompleted();
  void CloseIdleConnections();
  void Sleep();
  void MakeMulti();

  const Options options_;
  const int wake_fd_;

  Mutex mutex_;
  Commands commands_ NODEKEEP_GUARDED_BY(mutex_);  // `stop` stays set

  // Loop thread only.
  bool in_order_ = true;                          // false inside Run
  std::vector<std::shared_ptr<Batch>> starting_;  // taken from commands_, not all running yet
  OpenSockets sockets_;
  CURLM* multi_ = nullptr;
  CURLSH* const share_;
  std::map<Batch::Call*, std::shared_ptr<Batch>> running_;
  std::set<std::pair<SteadyTime, Batch::Call*>> due_;  // of the running calls
  bool keeps_connections_ = false;
  std::optional<SteadyTime> idle_since_;
};

CurlClient::Loop::Loop(Options options)
    : options_(std::move(options)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      share_(curl_share_init()) {
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  MakeMulti();
}

CurlClient::Loop::~Loop() {
  curl_multi_cleanup(multi_);
  curl_share_cleanup(share_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

void CurlClient::Loop::MakeMulti() {
  multi_ = curl_multi_init();
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                    static_cast<long>(options_.max_connections_per_host));
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                    static_cast<long>(options_.max_connections));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_idle_connections));
}

bool CurlClient::Loop::Submit(std::shared_ptr<Batch> batch) {
  {
    MutexLock lock(mutex_);
    if (commands_.stop) return false;
    commands_.submitted.push_back(std::move(batch));
  }
  Wake();
  return true;
}

void CurlClient::Loop::Cancel(std::shared_ptr<Batch> batch) {
  {
    MutexLock lock(mutex_);
    commands_.cancelled.push_back(std::move(batch));
  }
  Wake();
}

void CurlClient::Loop::Stop() {
  {
    MutexLock lock(mutex_);
    commands_.stop = true;
  }
  Wake();
}

void CurlClient::Loop::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

CurlClient::Loop::Commands CurlClient::Loop::TakeCommands() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof count);
  MutexLock lock(mutex_);
  Commands commands;
  commands.submitted.swap(commands_.submitted);
  commands.cancelled.swap(commands_.cancelled);
  commands.stop = commands_.stop;
  return commands;
}

void CurlClient::Loop::Run() {
  if (!std::exchange(in_order_, false)) Reset();
  while (true) {
    Commands commands = TakeCommands();
    starting_ = std::move(commands.submitted);
    for (const std::shared_ptr<Batch>& batch : starting_) Start(batch);
    starting_.clear();
    for (const std::shared_ptr<Batch>& batch : commands.cancelled) {
      Drop(*batch, ErrorCode::kCancelled, kCallerLeft);
    }
    if (commands.stop) break;
    DropOverdue();
    int still_running = 0;
    curl_multi_perform(multi_, &still_running);
    FinishCompleted();
    CloseIdleConnections();
    Sleep();
  }
  DropAll(ErrorCode::kShuttingDown, "the agent is stopping");
  in_order_ = true;
}

void CurlClient::Loop::Reset() {
  for (const std::shared_ptr<Batch>& batch : starting_) {
    for (Batch::Call& call : batch->calls) {
      if (call.transfer) running_.emplace(&call, batch);
    }
  }
  DropAll(ErrorCode::kInternal, "unexpected exception; see the agent's log");
  starting_.clear();
  due_.clear();
  curl_multi_cleanup(multi_);
  MakeMulti();
}

void CurlClient::Loop::Start(const std::shared_ptr<Batch>& batch) {
  keeps_connections_ = true;
  idle_since_.reset();
  const CurlTransfer::Limits limits = {options_.connect_timeout, options_.idle_timeout};
  for (Batch::Call& call : batch->calls) {
    running_.emplace(&call, batch);
    Status started = call.transfer->Open(share_, limits, sockets_, &call);
    call.started = call.transfer->last_received();
    call.due = DueOf(call);
    due_.emplace(call.due, &call);
    if (started.ok() && curl_multi_add_handle(multi_, call.transfer->handle()) != CURLM_OK) {
      started = Error(ErrorCode::kInternal, "curl cannot take another request");
    }
    if (!started.ok()) Finish(call, started.error());
  }
  // Cancelled before it was started, when there was nothing to drop.
  if (batch->cancelled) Drop(*batch, ErrorCode::kCancelled, kCallerLeft);
}

void CurlClient::Loop::Finish(Batch::Call& call, Result<HttpResponse> result) {
  if (call.transfer->handle() != nullptr) {
    if (HasReceived(call))
      sockets_.MarkReceived(call.transfer->Connection(), call.transfer->last_received());
    curl_multi_remove_handle(multi_, call.transfer->handle());
  }
  call.transfer.reset();
  due_.erase({call.due, &call});
  const auto entry = running_.find(&call);
  const std::shared_ptr<Batch> batch = std::move(entry->second);
  running_.erase(entry);
  if (batch->receiver) {
    batch->leave.reset();
    batch->receiver->OnEnd(std::move(result));
    return;
  }
  batch->answers[call.index] = std::move(result);
  if (--batch->unanswered > 0) return;
  MutexLock lock(batch->mutex);
  batch->finished = true;
  batch->changed.notify_all();
}

void CurlClient::Loop::Drop(Batch& batch, ErrorCode code, std::string_view why) {
  for (Batch::Call& call : batch.calls) {
    if (!call.transfer || !running_.contains(&call)) continue;
    Finish(call, Error::Format(code, "{}: {}", call.transfer->Step(), why));
  }
}

void CurlClient::Loop::DropAll(ErrorCode code, std::string_view why) {
  while (!running_.empty()) {
    const std::shared_ptr<Batch> batch = running_.begin()->second;
    Drop(*batch, code, why);
  }
}

void CurlClient::Loop::DropOverdue() {
  const SteadyTime now = std::chrono::steady_clock::now();
  while (!due_.empty() && due_.begin()->first <= now) {
    Batch::Call& call = *due_.begin()->second;
    due_.erase(due_.begin());
    call.due = DueOf(call);
    if (call.due > now) {
      due_.emplace(call.due, &call);
      continue;
    }
    CloseIfHung(call, now);
    Finish(call, OverdueError(call));
  }
}

// Shutting down the socket is the only way to stop curl from reusing it: curl considers a shared
// connection alive as long as the kernel does, which is a quarter of an hour.
void CurlClient::Loop::CloseIfHung(const Batch::Call& call, SteadyTime now) {
  const SteadyTime silent_since = call.transfer->last_received();
  const std::string connection = call.transfer->Connection();
  if (connection.empty() || now - silent_since < options_.hung_after) return;
  for (const auto& [other, batch] : running_) {
    if (HasReceived(*other))
      sockets_.MarkReceived(other->transfer->Connection(), other->transfer->last_received());
  }
  if (!sockets_.ReceivedSince(connection, silent_since)) sockets_.ShutDown(connection);
}

void CurlClient::Loop::FinishCompleted() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    void* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    Batch::Call& call = *static_cast<Batch::Call*>(owner);
    if (const std::exception_ptr thrown = call.transfer->thrown()) {
      RunReported(kThread, options_.on_exception, [&] { std::rethrow_exception(thrown); });
    }
    Finish(call, call.transfer->Finish(code));
  }
}

// Curl closes idle connections only when it looks for one to reuse, which never happens in an idle
// agent. A new multi handle also frees the DNS cache and the parsed trust store.
void CurlClient::Loop::CloseIdleConnections() {
  if (!running_.empty() || !keeps_connections_) return;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (!idle_since_) idle_since_ = now;
  if (now < *idle_since_ + options_.idle_timeout) return;
  curl_multi_cleanup(multi_);
  MakeMulti();
  keeps_connections_ = false;
  idle_since_.reset();
}

void CurlClient::Loop::Sleep() {
  SteadyTime wake = std::chrono::steady_clock::now() + std::chrono::hours(1);
  if (!due_.empty()) wake = std::min(wake, due_.begin()->first);
  if (idle_since_) wake = std::min(wake, *idle_since_ + options_.idle_timeout);
  auto left = std::chrono::ceil<Duration>(wake - std::chrono::steady_clock::now());
  // Without a wake descriptor (none was left) commands cannot wake the loop, so poll for them.
  if (wake_fd_ < 0) left = std::min(left, Duration(10));
  curl_waitfd commands = {wake_fd_, CURL_WAIT_POLLIN, 0};
  curl_multi_poll(multi_, &commands, wake_fd_ < 0 ? 0 : 1,
                  static_cast<int>(std::max(left, Duration::zero()).count()), nullptr);
}

CurlClient::CurlClient(Options options) : proxies_(options.environment) {
  // Thread-safe in curl. No curl_global_cleanup: other clients of this process need the state too.
  [[maybe_unused]] static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  const ExceptionReporter report = options.on_exception;
  answer_bytes_ = options.answer_bytes;
  loop_ = std::make_shared<Loop>(std::move(options));
  // Signals are handled by the main thread, and a write to a closed connection must not raise
  // SIGPIPE. Curl's resolver threads inherit the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::jthread([loop = loop_, report](std::stop_token stop) {
    RunGuarded(
        kThread, stop, SystemClock(), report, [&] { loop->Run(); }, kPause);
    // If stopped during a pause: ends the requests that are still waiting.
    RunReported(kThread, report, [&] { loop->Run(); });
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

CurlClient::~CurlClient() {
  loop_->Stop();
  thread_.request_stop();
  thread_.join();
}

std::vector<Result<HttpResponse>> CurlClient::SendAll(const Context& context,
                                                      std::vector<HttpRequest> requests) {
  // Keeps the loop alive: the client may be destroyed before this call has returned.
  const std::shared_ptr<Loop> loop = loop_;
  const std::shared_ptr<Batch> batch =
      MakeBatch(context, std::move(requests), proxies_, answer_bytes_);
  if (batch->unanswered > 0 && loop->Submit(batch)) {
    const std::stop_callback leave(context.stop(), [&] { loop->Cancel(batch); });
    MutexLock lock(batch->mutex);
    batch->changed.wait(lock.native(), [&] {
      batch->mutex.AssertHeld();
      return batch->finished;
    });
  }
  std::vector<Result<HttpResponse>> results;
  results.reserve(batch->answers.size());
  for (std::optional<Result<HttpResponse>>& answer : batch->answers) {
    if (!answer) answer = Error(ErrorCode::kShuttingDown, "the agent is stopping");
    results.push_back(*std::move(answer));
  }
  return results;
}

void CurlClient::Open(const Context& context, HttpRequest request,
                      std::shared_ptr<HttpReceiver> receiver) {
  const std::shared_ptr<Loop> loop = loop_;
  std::vector<HttpRequest> one;
  one.push_back(std::move(request));
  const std::shared_ptr<Batch> batch = MakeBatch(context, std::move(one), proxies_, answer_bytes_);
  if (batch->unanswered == 0) {
    receiver->OnEnd(*std::move(batch->answers.front()));
    return;
  }
  batch->calls.front().transfer->SetReceiver(receiver.get());
  batch->receiver = receiver;
  batch->leave.emplace(context.stop(), [loop, weak = std::weak_ptr<Batch>(batch)] {
    const std::shared_ptr<Batch> left = weak.lock();
    if (!left) return;
    left->cancelled = true;
    loop->Cancel(left);
  });
  if (loop->Submit(batch)) return;
  batch->leave.reset();
  receiver->OnEnd(Error(ErrorCode::kShuttingDown, "the agent is stopping"));
}

}  // namespace nodekeep

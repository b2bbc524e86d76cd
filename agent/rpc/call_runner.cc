#include "agent/rpc/call_runner.h"

#include <algorithm>
#include <memory>
#include <stop_token>
#include <utility>

#include "agent/base/on_exit.h"

namespace nodekeep {
namespace {

// The client's deadline or `budget` from now, whichever comes first.
SteadyTime DeadlineOf(const grpc::CallbackServerContext& context, const Clock& clock,
                      Duration budget) {
  const SteadyTime own = clock.Now() + budget;
  const auto wall = context.deadline();  // time_point::max() without a deadline
  if (wall == std::chrono::system_clock::time_point::max()) return own;
  const auto left = std::chrono::duration_cast<Duration>(wall - std::chrono::system_clock::now());
  return std::min(own, clock.Now() + left);
}

}  // namespace

// One call. Owned by gRPC from the return of its handler on; deletes itself in OnDone.
class CallRunner::Reactor final : public grpc::ServerUnaryReactor {
 public:
  Reactor(CallRunner& runner, const grpc::CallbackServerContext& context,
          const std::string& namespace_name, Work work)
      : runner_(runner),
        call_(runner.tracker_.Begin()),
        work_(std::move(work)),
        context_(
            Context(DeadlineOf(context, runner.clock_, runner.options_.budget), stop_.get_token())
                .WithNamespace(namespace_name)),
        on_stop_(runner.tracker_.stop_token(), [this] { stop_.request_stop(); }) {}

  bool accepted() const { return call_.accepted(); }

  void Execute() {
    const OnThrow unanswered([this] { Finish(UnexpectedStatus()); });
    const Status done = work_(context_);
    Finish(done.ok() ? grpc::Status::OK : runner_.StatusOf(done.error()));
  }

 private:
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override {
    // Keeps the call in flight until this object is fully destroyed.
    const CallTracker::Call ended = std::move(call_);
    delete this;
  }

  CallRunner& runner_;
  CallTracker::Call call_;
  const Work work_;
  std::stop_source stop_;
  const Context context_;
  const std::stop_callback<std::function<void()>> on_stop_;
};

CallRunner::CallRunner(Options options, WorkerPool& pool, const Clock& clock)
    : options_(std::move(options)), pool_(pool), clock_(clock), tracker_(clock) {}

grpc::ServerUnaryReactor* CallRunner::Run(grpc::CallbackServerContext* context,
                                          const std::string& namespace_name, Work work) {
  auto call = std::make_unique<Reactor>(*this, *context, namespace_name, std::move(work));
  if (!call->accepted()) {
    call->Finish(StoppingStatus());
    return call.release();
  }
  if (Status posted = pool_.Post(namespace_name, [call = call.get()] { call->Execute(); });
      !posted.ok()) {
    call->Finish(options_.status_when_pool_refuses
                     ? options_.status_when_pool_refuses(posted.error())
                     : StatusOf(posted.error()));
  }
  return call.release();
}

grpc::Status CallRunner::StatusOf(const Error& error) const {
  const bool stopping = tracker_.stop_token().stop_requested();
  return stopping && MayComeFromStop(error.code()) ? StoppingStatus() : options_.status_of(error);
}

}  // namespace nodekeep

#pragma once

// Runs the unary calls of one service that have to wait on a pool, because gRPC's own threads must
// not wait.
//
// A call ends at its client's deadline or at the budget, whichever comes first. It is stopped when
// its client leaves or the tracker stops it, and it is answered exactly once:
//
//   its work ends             OK, or the status of its error
//   its work throws           INTERNAL; the pool reports the exception
//   it was not accepted       UNAVAILABLE
//   it was stopped            UNAVAILABLE, unless its error is one that stopping does not cause
//   the pool refuses it       the status of that error
//
// Thread-safe. Destruction waits for the calls in flight, so whatever work uses has to outlive the
// runner: make it the last member of the service. The server has to be shut down before.

#include <grpcpp/grpcpp.h>

#include <functional>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/worker_pool.h"
#include "agent/rpc/call_tracker.h"
#include "agent/rpc/status.h"

namespace nodekeep {

class CallRunner {
 public:
  // Fills the response of its call, unless it returns an error. Called at most once, on a thread of
  // the pool.
  using Work = std::function<Status(const Context&)>;
  // Thread-safe.
  using StatusMapping = std::function<grpc::Status(const Error&)>;

  struct Options {
    Duration budget;  // of one call, its wait for a thread included
    StatusMapping status_of = GrpcStatusOf;
    StatusMapping status_when_pool_refuses{};  // empty = as for an error of the work
  };

  CallRunner(Options options, WorkerPool& pool, const Clock& clock);

  // To be returned from the handler of the call. `work` may use request and response of the call.
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context, Work work);

  CallTracker& tracker() { return tracker_; }

 private:
  class Reactor;

  grpc::Status StatusOf(const Error& error) const;

  const Options options_;
  WorkerPool& pool_;
  const Clock& clock_;
  CallTracker tracker_;  // last: waits for the calls, which use the rest
};

}  // namespace nodekeep

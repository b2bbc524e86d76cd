#pragma once

// Runs the blocking unary calls of one service on a thread pool, because gRPC's own threads must
// not block.
//
// A call ends at its client's deadline or at the budget, whichever comes first. It is stopped when
// its client cancels or the tracker stops it. It gets exactly one status:
//
//   its work ends             OK, or the status of its error
//   its work throws           INTERNAL; the pool reports the exception
//   it was not accepted       UNAVAILABLE
//   it was stopped            UNAVAILABLE, unless its error is one that stopping does not cause
//   the pool refuses it       the status of that error
//
// Thread-safe. Destruction waits for the calls in flight, so everything that work uses must outlive
// the runner: make it the last member of the service. The server must be shut down before.

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/base/worker_pool.h"
#include "agent/rpc/call_tracker.h"
#include "agent/rpc/status.h"

namespace nodekeep {

class CallRunner {
 public:
  // Fills in the call's response or returns an error. Called at most once, on a pool thread.
  using Work = std::function<Status(const Context&)>;
  // Thread-safe.
  using StatusMapping = std::function<grpc::Status(const Error&)>;

  struct Options {
    Duration budget;  // of one call, including its wait for a thread
    StatusMapping status_of = GrpcStatusOf;
    StatusMapping status_when_pool_refuses{};  // empty = status_of
  };

  CallRunner(Options options, WorkerPool& pool, const Clock& clock);

  // The handler of the call must return the result. `work` may use the call's request and response.
  // `namespace_name`: whose share of the node the call uses (Context::namespace_name).
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context,
                                const std::string& namespace_name, Work work);

  CallTracker& tracker() { return tracker_; }

 private:
  class Reactor;

  grpc::Status StatusOf(const Error& error) const;

  const Options options_;
  WorkerPool& pool_;
  const Clock& clock_;
  CallTracker tracker_;  // last: waits for the calls, which use the other members
};

}  // namespace nodekeep

#pragma once

// Where our errors and deadlines meet gRPC's.

#include <grpcpp/grpcpp.h>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

// The gRPC code of an error, the one place where the taxonomy meets the wire. Final ones on backend
// outages (csi.md 1.8, 3.3); UNAVAILABLE only while this process stops.
grpc::StatusCode GrpcCodeOf(ErrorCode code);

// The code and the message, cut to what a header can carry.
grpc::Status WireStatusOf(const Error& error);

// The caller's deadline or `budget` from now, whichever comes first.
SteadyTime DeadlineOf(const grpc::CallbackServerContext& context, const Clock& clock,
                      Duration budget);

// The answer to a call that ended by an exception; what it was is for the log only.
grpc::Status UnexpectedStatus();

// Calls `handler` on a thread of gRPC. By itself gRPC would answer a call whose handler throws with
// UNIMPLEMENTED, by which clients conclude that we do not have the method, and say nothing.
template <typename Handler>
grpc::ServerUnaryReactor* Guarded(grpc::CallbackServerContext* context,
                                  const ExceptionReporter& report, Handler handler) {
  grpc::ServerUnaryReactor* reactor = nullptr;
  if (RunReported("grpc", report, [&] { reactor = handler(); })) return reactor;
  reactor = context->DefaultReactor();
  reactor->Finish(UnexpectedStatus());
  return reactor;
}

// Whether an error is that of the agent's end rather than of the call.
bool MayBeOfTheStop(ErrorCode code);

}  // namespace nodekeep

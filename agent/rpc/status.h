#pragma once

// Conversion between our errors and gRPC statuses, and the statuses of calls that did not end
// normally.
//
// Thread-safe: functions without state.

#include <grpcpp/grpcpp.h>

#include <string>

#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

// The gRPC code with the meaning of `code`. A service whose clients interpret codes differently
// needs its own mapping.
grpc::StatusCode GrpcCodeOf(ErrorCode code);

// The meaning of a code from a server or from gRPC itself: gRPC reports a message over the size
// limit as RESOURCE_EXHAUSTED.
ErrorCode ErrorCodeOf(grpc::StatusCode code);

// `message` is truncated to a length that every client accepts in a header.
grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message);

// A status with GrpcCodeOf(error.code()) and the message.
grpc::Status GrpcStatusOf(const Error& error);

// The status of a call that arrives, or is interrupted, while the agent stops: UNAVAILABLE, so that
// the client retries and reaches the next agent.
grpc::Status StoppingStatus();

// Whether a stop may have caused `code`; an interrupted call with such an error gets
// StoppingStatus(). False for decisions of a backend or a check.
bool MayComeFromStop(ErrorCode code);

// The status of a call that threw; the exception itself goes to the log only.
grpc::Status UnexpectedStatus();

// Finishes the call of `context` on the calling thread.
grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context, grpc::Status status);

// Calls `handler` on a gRPC thread and catches exceptions. Without this guard gRPC ends a call
// whose handler throws with UNIMPLEMENTED, as if the method did not exist, and logs nothing.
template <typename Handler>
grpc::ServerUnaryReactor* Guarded(grpc::CallbackServerContext* context,
                                  const ExceptionReporter& report, Handler handler) {
  grpc::ServerUnaryReactor* reactor = nullptr;
  if (RunReported("grpc", report, [&] { reactor = handler(); })) return reactor;
  return FinishNow(context, UnexpectedStatus());
}

}  // namespace nodekeep

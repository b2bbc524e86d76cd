#pragma once

// Errors of this process as gRPC statuses and back, and the answers to calls that did not end
// normally.
//
// Thread-safe: functions without state.

#include <grpcpp/grpcpp.h>

#include <string>

#include "agent/base/result.h"
#include "agent/base/thread_guard.h"

namespace nodekeep {

// The gRPC code with the meaning of `code`. A service whose clients act on codes in a way of their
// own has a mapping of its own.
grpc::StatusCode GrpcCodeOf(ErrorCode code);

// The meaning of a code that a server answered, or that gRPC made up for it: RESOURCE_EXHAUSTED is
// what gRPC says of a message over the size limit.
ErrorCode ErrorCodeOf(grpc::StatusCode code);

// `message` cut to what every client accepts in a header.
grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message);

// GrpcCodeOf and the message.
grpc::Status GrpcStatusOf(const Error& error);

// The answer to a call that arrives, or is interrupted, while the agent stops: UNAVAILABLE, so that
// the client asks again and reaches the next agent.
grpc::Status StoppingStatus();

// Whether an interrupted call may have ended with `code`, so that StoppingStatus() is its answer
// when the agent stops. False for what a backend or a check has decided.
bool MayComeFromStop(ErrorCode code);

// The answer to a call that ended by an exception; the exception itself is for the log only.
grpc::Status UnexpectedStatus();

// Answers `context` on the calling thread.
grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context, grpc::Status status);

// Calls `handler` on a thread of gRPC. Without this guard gRPC answers a call whose handler throws
// with UNIMPLEMENTED, from which clients conclude that the method does not exist, and logs nothing.
template <typename Handler>
grpc::ServerUnaryReactor* Guarded(grpc::CallbackServerContext* context,
                                  const ExceptionReporter& report, Handler handler) {
  grpc::ServerUnaryReactor* reactor = nullptr;
  if (RunReported("grpc", report, [&] { reactor = handler(); })) return reactor;
  return FinishNow(context, UnexpectedStatus());
}

}  // namespace nodekeep

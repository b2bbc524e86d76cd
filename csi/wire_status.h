#pragma once

// Where our errors and deadlines meet gRPC's.

#include <grpcpp/grpcpp.h>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace nodekeep {

// The gRPC code of an error, the one place where the taxonomy meets the wire. Final ones on backend
// outages (csi.md 1.8, 3.3); UNAVAILABLE only while this process stops.
grpc::StatusCode GrpcCodeOf(ErrorCode code);

// The code and the message, cut to what a header can carry.
grpc::Status WireStatusOf(const Error& error);

// The caller's deadline or `budget` from now, whichever comes first.
SteadyTime DeadlineOf(const grpc::CallbackServerContext& context, const Clock& clock,
                      Duration budget);

// Whether an error is that of the agent's end rather than of the call.
bool MayBeOfTheStop(ErrorCode code);

}  // namespace nodekeep

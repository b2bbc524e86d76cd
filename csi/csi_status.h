#pragma once

// Maps errors to the gRPC codes on which the CSI driver and kubelet act correctly.
//
// The driver (v1.6.0) can let a pod start with an empty volume when its first mount is answered
// with a code that is not final, such as UNAVAILABLE or DEADLINE_EXCEEDED; unverified: concluded
// from its code and kubelet's (docs/protocol/csi-provider.md, "Status codes of a first mount"). So
// the outage of a backend is FAILED_PRECONDITION. UNAVAILABLE is returned only while this process
// stops, when the retry reaches the next agent.

#include <grpcpp/grpcpp.h>

#include "agent/base/result.h"

namespace nodekeep {

grpc::StatusCode CsiCodeOf(ErrorCode code);

// CsiCodeOf and the message, truncated to what an HTTP/2 header can carry.
//
// Kubelet and the driver use the message as the format string of an Event, where "Team%20A" becomes
// "Team%!A(MISSING)". So each percent sign is written as \x25. Not as "%%", which their logs, and
// clients that do no formatting, would show.
grpc::Status CsiStatusOf(const Error& error);
// The same with a code of its own.
grpc::Status CsiStatus(grpc::StatusCode code, const Error& error);

}  // namespace nodekeep

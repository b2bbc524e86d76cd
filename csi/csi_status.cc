#include "csi/csi_status.h"

#include "agent/rpc/status.h"

namespace nodekeep {

grpc::StatusCode CsiCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kThrottled:
    case ErrorCode::kTransient:
    case ErrorCode::kConflict:
    case ErrorCode::kDeadlineExceeded: return grpc::StatusCode::FAILED_PRECONDITION;
    default: return GrpcCodeOf(code);
  }
}

grpc::Status CsiStatusOf(const Error& error) {
  return MakeStatus(CsiCodeOf(error.code()), error.message());
}

}  // namespace nodekeep

#include "csi/csi_status.h"

#include <string>
#include <string_view>

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

grpc::Status CsiStatusOf(const Error& error) { return CsiStatus(CsiCodeOf(error.code()), error); }

grpc::Status CsiStatus(grpc::StatusCode code, const Error& error) {
  constexpr std::string_view kPercent = "\\x25";
  std::string message;
  for (char c : error.message()) {
    if (c == '%') {
      message += kPercent;
    } else {
      message += c;
    }
  }
  return MakeStatus(code, message);
}

}  // namespace nodekeep

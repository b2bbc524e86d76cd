#include "agent/base/result.h"

namespace nodekeep {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kDenied: return "denied";
    case ErrorCode::kAuthExpired: return "auth_expired";
    case ErrorCode::kThrottled: return "throttled";
    case ErrorCode::kTransient: return "transient";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kInvalid: return "invalid";
    case ErrorCode::kPrecondition: return "precondition";
    case ErrorCode::kTooLarge: return "too_large";
    case ErrorCode::kDeadlineExceeded: return "deadline_exceeded";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kShuttingDown: return "shutting_down";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

}  // namespace nodekeep

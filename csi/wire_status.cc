#include "csi/wire_status.h"

#include <algorithm>
#include <string>

#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// A status travels as a header, percent-encoded, and some clients take 8 KiB of those at most.
constexpr std::size_t kMaxStatusBytes = 4096;

std::string Shortened(const std::string& message) {
  std::size_t end = 0;
  for (std::size_t sent = 0; end < message.size(); ++end) {
    const auto c = static_cast<unsigned char>(message[end]);
    sent += c >= 0x20 && c < 0x7f && c != '%' ? 1 : 3;
    if (sent > kMaxStatusBytes) break;
  }
  if (end == message.size()) return message;
  return std::string(Utf8Prefix(message, end)) + "...";
}

}  // namespace

grpc::StatusCode GrpcCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kDenied: return grpc::StatusCode::PERMISSION_DENIED;
    case ErrorCode::kAuthExpired: return grpc::StatusCode::UNAUTHENTICATED;
    case ErrorCode::kInvalid: return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kTooLarge: return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kThrottled:
    case ErrorCode::kTransient:
    case ErrorCode::kConflict:
    case ErrorCode::kPrecondition:
    case ErrorCode::kDeadlineExceeded: return grpc::StatusCode::FAILED_PRECONDITION;
    case ErrorCode::kCancelled: return grpc::StatusCode::CANCELLED;
    case ErrorCode::kShuttingDown: return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kInternal: return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::INTERNAL;
}

grpc::Status WireStatusOf(const Error& error) {
  return {GrpcCodeOf(error.code()), Shortened(error.message())};
}

grpc::Status UnexpectedStatus() {
  return {grpc::StatusCode::INTERNAL,
          "the request ended by an unexpected exception, which the agent's log has"};
}

SteadyTime DeadlineOf(const grpc::CallbackServerContext& context, const Clock& clock,
                      Duration budget) {
  const SteadyTime own = clock.Now() + budget;
  const auto wall = context.deadline();  // time_point::max() without a deadline
  if (wall == std::chrono::system_clock::time_point::max()) return own;
  const auto left = std::chrono::duration_cast<Duration>(wall - std::chrono::system_clock::now());
  return std::min(own, clock.Now() + left);
}

bool MayBeOfTheStop(ErrorCode code) {
  const grpc::StatusCode wire = GrpcCodeOf(code);
  return wire == grpc::StatusCode::CANCELLED || wire == grpc::StatusCode::FAILED_PRECONDITION;
}

}  // namespace nodekeep

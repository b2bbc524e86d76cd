#include "agent/rpc/status.h"

#include <utility>

#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// A status message is sent as a percent-encoded header, and some clients accept at most 8 KiB of
// headers.
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
    case ErrorCode::kThrottled: return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ErrorCode::kTransient: return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kConflict: return grpc::StatusCode::ABORTED;
    case ErrorCode::kInvalid:
    case ErrorCode::kTooLarge: return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kPrecondition: return grpc::StatusCode::FAILED_PRECONDITION;
    case ErrorCode::kDeadlineExceeded: return grpc::StatusCode::DEADLINE_EXCEEDED;
    case ErrorCode::kCancelled: return grpc::StatusCode::CANCELLED;
    case ErrorCode::kShuttingDown: return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kInternal: return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::INTERNAL;
}

ErrorCode ErrorCodeOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::NOT_FOUND: return ErrorCode::kNotFound;
    case grpc::StatusCode::PERMISSION_DENIED: return ErrorCode::kDenied;
    case grpc::StatusCode::UNAUTHENTICATED: return ErrorCode::kAuthExpired;
    case grpc::StatusCode::INVALID_ARGUMENT: return ErrorCode::kInvalid;
    case grpc::StatusCode::CANCELLED: return ErrorCode::kCancelled;
    case grpc::StatusCode::DEADLINE_EXCEEDED: return ErrorCode::kDeadlineExceeded;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return ErrorCode::kTooLarge;
    case grpc::StatusCode::UNAVAILABLE: return ErrorCode::kTransient;
    case grpc::StatusCode::FAILED_PRECONDITION: return ErrorCode::kPrecondition;
    default: return ErrorCode::kInternal;
  }
}

grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message) {
  return {code, Shortened(message)};
}

grpc::Status GrpcStatusOf(const Error& error) {
  return MakeStatus(GrpcCodeOf(error.code()), error.message());
}

grpc::Status StoppingStatus() { return {grpc::StatusCode::UNAVAILABLE, "the agent is stopping"}; }

bool MayComeFromStop(ErrorCode code) {
  switch (code) {
    case ErrorCode::kThrottled:
    case ErrorCode::kTransient:
    case ErrorCode::kConflict:
    case ErrorCode::kPrecondition:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled: return true;
    default: return false;
  }
}

grpc::Status UnexpectedStatus() {
  return {grpc::StatusCode::INTERNAL,
          "the request failed with an unexpected exception; see the agent's log"};
}

grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context, grpc::Status status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(std::move(status));
  return reactor;
}

}  // namespace nodekeep

#include "agent/base/result.h"

#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxMessage = 8192;
constexpr std::string_view kOmitted = " ... ";

}  // namespace

// The beginning says which step failed, the end why.
std::string Error::Shortened(std::string message) {
  if (message.size() <= kMaxMessage) return message;
  const std::string_view head = Utf8Prefix(message, kMaxMessage * 3 / 4);
  std::size_t tail = message.size() - (kMaxMessage / 4 - kOmitted.size());
  while (tail < message.size() && (static_cast<unsigned char>(message[tail]) & 0xC0) == 0x80)
    ++tail;
  return fmt::format("{}{}{}", head, kOmitted, std::string_view(message).substr(tail));
}

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

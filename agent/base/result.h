#pragma once

// Error handling: a call that can fail returns Result<T>, which holds a value or an Error.
//
// Errors are values. They are created where the failure is detected, and callers add context with
// Prepend; our code does not throw. `Status` is the Result of a call that has nothing to return.

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace nodekeep {

// The kind of failure. It decides what happens next: retry, log in again, serve the last good
// value, or report to the user.
enum class ErrorCode {
  kNotFound,          // the key, version or property does not exist; authoritative
  kDenied,            // a valid identity is not allowed; authoritative
  kAuthExpired,       // the credential was refused as stale; log in once more
  kThrottled,         // the backend limits requests; see Error::retry_after
  kTransient,         // connect, TLS handshake, timeout, 5xx: may work later
  kConflict,          // the object was changed concurrently
  kInvalid,           // the request itself is wrong; never retried
  kPrecondition,      // the object exists in a state that forbids the call (sealed, disabled)
  kTooLarge,          // over a stated size limit
  kDeadlineExceeded,  // the caller's deadline has passed
  kCancelled,         // the caller cancelled
  kShuttingDown,      // this process is stopping
  kInternal,          // a defect in this process
};

// The code's name as it appears in logs, metrics and status: "not_found", "denied", ...
std::string_view ErrorCodeName(ErrorCode code);

class Error {
 public:
  // `message`: lower case, no final period, names the ref and the step, says what to do. Errors are
  // kept (per volume, in caches of failures) and repeated (in logs, statuses and Events), so a
  // message over 8 KiB is shortened: its middle becomes " ... ".
  Error(ErrorCode code, std::string message)
      : code_(code), message_(Shortened(std::move(message))) {}

  template <typename... Args>
  static Error Format(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
    return Error(code, fmt::format(format, std::forward<Args>(args)...));
  }

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The delay requested by the backend (Retry-After), if any.
  const std::optional<std::chrono::milliseconds>& retry_after() const { return retry_after_; }
  Error WithRetryAfter(std::chrono::milliseconds delay) && {
    retry_after_ = delay;
    return std::move(*this);
  }

  // True when the failure may be caused by this request alone, for example by its TLS settings: it
  // must then not count against the server, which other requests share.
  bool of_request() const { return of_request_; }
  Error OfRequest() && {
    of_request_ = true;
    return std::move(*this);
  }

  // "<context>: <message>". Code, Retry-After and of_request are kept.
  template <typename... Args>
  Error Prepend(fmt::format_string<Args...> format, Args&&... args) const {
    Error error = *this;
    error.message_ = Shortened(fmt::format(format, std::forward<Args>(args)...) + ": " + message_);
    return error;
  }

  // True when the same call may succeed later without any change.
  bool IsTransient() const {
    return code_ == ErrorCode::kTransient || code_ == ErrorCode::kThrottled ||
           code_ == ErrorCode::kDeadlineExceeded;
  }
  // False when waiting may help, or when cancellation or shutdown was the cause.
  bool IsFinal() const {
    return !IsTransient() && code_ != ErrorCode::kCancelled && code_ != ErrorCode::kShuttingDown;
  }
  // The backend refused the credential or the access.
  bool IsDenial() const { return code_ == ErrorCode::kDenied || code_ == ErrorCode::kAuthExpired; }

 private:
  static std::string Shortened(std::string message);

  ErrorCode code_;
  std::string message_;
  std::optional<std::chrono::milliseconds> retry_after_;
  bool of_request_ = false;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition of the value accessors: ok(). Of error(): !ok().
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace nodekeep

#include "agent/base/context.h"

#include <algorithm>

#include "agent/base/mutex.h"

namespace nodekeep {

void LatestFailure::Set(const Error& error) {
  const MutexLock lock(mutex_);
  error_ = error;
}

std::optional<Error> LatestFailure::Get() const {
  const MutexLock lock(mutex_);
  return error_;
}

Context Context::WithDeadline(SteadyTime deadline) const {
  Context context = *this;
  context.deadline_ = std::min(deadline_, deadline);
  return context;
}

Context Context::WithStop(std::stop_token stop) const {
  Context context = *this;
  context.stop_ = std::move(stop);
  return context;
}

Context Context::WithNamespace(const std::string& namespace_name) const {
  Context context = *this;
  context.namespace_ =
      namespace_name.empty() ? nullptr : std::make_shared<const std::string>(namespace_name);
  return context;
}

const std::string& Context::namespace_name() const {
  static const std::string kNode;
  return namespace_ ? *namespace_ : kNode;
}

Context Context::WithField(const std::string& name, std::string value) const {
  auto fields = fields_ ? std::make_shared<std::map<std::string, std::string>>(*fields_)
                        : std::make_shared<std::map<std::string, std::string>>();
  (*fields)[name] = std::move(value);
  Context context = *this;
  context.fields_ = std::move(fields);
  return context;
}

const std::map<std::string, std::string>& Context::fields() const {
  static const std::map<std::string, std::string> kNone;
  return fields_ ? *fields_ : kNone;
}

Context Context::WithLatestFailure(std::shared_ptr<LatestFailure> failure) const {
  Context context = *this;
  context.failure_ = std::move(failure);
  return context;
}

void Context::ReportFailure(const Error& error) const {
  if (failure_) failure_->Set(error);
}

Status Context::Check(const Clock& clock) const {
  if (stop_.stop_requested()) return Error(ErrorCode::kCancelled, "the caller has gone away");
  if (clock.Now() >= deadline_) {
    return Error(ErrorCode::kDeadlineExceeded, "the time allowed for this request is over");
  }
  return {};
}

Duration Context::Remaining(const Clock& clock) const {
  if (deadline_ == SteadyTime::max()) return Duration::max();
  const auto left = std::chrono::duration_cast<Duration>(deadline_ - clock.Now());
  return std::max(left, Duration::zero());
}

Status Sleep(const Context& context, const Clock& clock, Duration duration) {
  Mutex mutex;
  std::condition_variable_any never;
  MutexLock lock(mutex);
  const SteadyTime now = clock.Now();
  // Compared before the addition, because now + Duration::max() overflows.
  const bool past_end = duration >= std::chrono::floor<Duration>(SteadyTime::max() - now);
  const SteadyTime wake = past_end ? SteadyTime::max() : now + duration;
  clock.WaitUntil(lock, never, context.stop(), std::min(wake, context.deadline()),
                  [] { return false; });
  return context.Check(clock);
}

}  // namespace nodekeep

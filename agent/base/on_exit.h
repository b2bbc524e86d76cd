#pragma once

// Scope guards.

#include <exception>
#include <utility>

namespace nodekeep {

// Runs `work` on every exit from the scope. `work` must not throw.
template <typename Work>
class [[nodiscard]] OnExit {
 public:
  explicit OnExit(Work work) : work_(std::move(work)) {}
  ~OnExit() { work_(); }
  OnExit(const OnExit&) = delete;
  OnExit& operator=(const OnExit&) = delete;

 private:
  const Work work_;
};

// Runs `work` only when the scope is left by an exception, to do the clean-up that the skipped
// steps would have done. `work` must not throw.
template <typename Work>
class [[nodiscard]] OnThrow {
 public:
  explicit OnThrow(Work work) : work_(std::move(work)) {}
  ~OnThrow() {
    if (std::uncaught_exceptions() > before_) work_();
  }
  OnThrow(const OnThrow&) = delete;
  OnThrow& operator=(const OnThrow&) = delete;

 private:
  const Work work_;
  const int before_ = std::uncaught_exceptions();
};

}  // namespace nodekeep

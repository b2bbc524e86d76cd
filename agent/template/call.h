#pragma once

// What a template function may use besides its arguments: limits, clock and randomness.

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/template/limits.h"
#include "agent/template/value.h"

namespace nodekeep {

// What a template can reach outside of its values. Every member is thread-safe.
struct TemplateEnvironment {
  const Clock& clock;
  // `size` bytes for keys, passwords, initialization vectors and random text.
  std::function<SecretBytes(std::size_t size)> random;
};

namespace go {

// The state of one execution that its functions share. Not thread-safe.
class Call {
 public:
  Call(const TemplateEnvironment& environment, const TemplateLimits& limits)
      : environment_(environment), limits_(limits) {}
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Takes `bytes` of the memory limit. The executor charges the result of every function; a
  // function charges before it makes something that may be much larger than its arguments, or
  // intermediate values of that size. Errors: kTooLarge.
  Status Charge(std::size_t bytes);
  // Takes `count` of the step limit: for work that grows faster than arguments and result. Errors:
  // kTooLarge.
  Status Step(std::uint64_t count = 1);
  // Before a derivation that is slow on purpose. Errors: kTooLarge.
  Status SlowStep();
  // Registers a map that is about to be changed; see value.h.
  void Track(std::shared_ptr<Map> map) { changed_maps_.push_back(std::move(map)); }

  const TemplateLimits& limits() const { return limits_; }
  WallTime now() const { return environment_.clock.Wall(); }
  SecretBytes Random(std::size_t size) const { return environment_.random(size); }

 private:
  const TemplateEnvironment& environment_;
  const TemplateLimits& limits_;
  std::size_t memory_ = 0;
  std::uint64_t steps_ = 0;
  int slow_calls_ = 0;
  std::vector<std::shared_ptr<Map>> changed_maps_;
};

}  // namespace go
}  // namespace nodekeep

// Templates: any text is parsed and executed within its limits, and gives the same answer again.

#include <chrono>
#include <cstdint>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/template/template.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fuzz/budget.h"
#include "tests/fuzz/require.h"

namespace nodekeep {
namespace {

go::Value Data() {
  go::Map inner = {{"n", go::Value()}, {"f", go::Value::Float(1.5)}};
  inner["l"] = go::Value::List({go::Value::Int(1), go::Value::Text("two"), go::Value()});
  return go::Value::MapOf({{"a", go::Value::Text("text")},
                           {"i", go::Value::Int(3)},
                           {"m", go::Value::MapOf(std::move(inner))}});
}

TemplateOptions SmallLimits() {
  TemplateOptions options;
  options.limits.output_bytes = 64u << 10;
  options.limits.steps = 20'000;
  options.limits.memory = 1u << 20;
  options.limits.depth = 100;
  options.limits.slow_calls = 0;
  return options;
}

void CheckTemplate(std::string_view text) {
  static const FakeClock clock;
  static const TemplateEnvironment environment{
      clock, [](std::size_t size) { return SecretBytes::OfSize(size); }};
  const Result<Template> parsed = Template::Parse("t", text, SmallLimits());
  if (!parsed.ok()) {
    Require(parsed.error().code() == ErrorCode::kInvalid ||
                parsed.error().code() == ErrorCode::kTooLarge,
            "a template that is refused is invalid or too large");
    return;
  }
  const Result<SecretBytes> first =
      Budget::Within([&] { return parsed->Execute(environment, Data()); });
  const Result<SecretBytes> second = parsed->Execute(environment, Data());
  Require(first.ok() == second.ok(), "answers are the same");
  if (first.ok()) {
    Require(first->Reveal() == second->Reveal(), "outputs are the same");
    Require(first->size() <= SmallLimits().limits.output_bytes, "the output is within its limit");
  }
  (void)parsed->ReadFields();
}

}  // namespace
}  // namespace nodekeep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  nodekeep::CheckTemplate({reinterpret_cast<const char*>(data), size});
  return 0;
}

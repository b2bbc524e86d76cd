#include "agent/template/function_reference.h"

#include <fmt/format.h>

#include <chrono>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/template/function.h"
#include "agent/template/template.h"

namespace nodekeep {
namespace {

class StoppedClock final : public Clock {
 public:
  explicit StoppedClock(std::int64_t seconds) : wall_(std::chrono::seconds(seconds)) {}

  SteadyTime Now() const override { return {}; }
  WallTime Wall() const override { return wall_; }
  bool WaitUntil(MutexLock&, std::condition_variable_any&, std::stop_token, SteadyTime,
                 const std::function<bool()>& ready) const override {
    return ready();
  }

 private:
  WallTime wall_;
};

// What `example` gives at a time and with random bytes that `seed` chooses.
Result<SecretBytes> OutputOf(std::string_view example, unsigned seed) {
  const StoppedClock clock(1'767'225'600 + 86'400'000LL * seed);
  unsigned state = seed;
  const TemplateEnvironment environment{.clock = clock, .random = [&state](std::size_t size) {
                                          SecretBytes bytes = SecretBytes::OfSize(size);
                                          for (std::size_t i = 0; i < size; ++i) {
                                            state = state * 1'664'525u + 1'013'904'223u;
                                            bytes.MutableData()[i] = static_cast<char>(state >> 24);
                                          }
                                          return bytes;
                                        }};
  const Result<Template> parsed = Template::Parse("example", example);
  if (!parsed.ok()) return parsed.error();
  return parsed->Execute(environment, go::Value::MapOf(go::Type::kStringMap, {}));
}

// In a fence that is longer than any inside.
std::string Block(std::string_view text) {
  std::string fence = "```";
  while (text.find(fence) != std::string_view::npos) fence += '`';
  return fmt::format("{0}\n{1}{2}{0}\n", fence, text, text.ends_with('\n') ? "" : "\n");
}

std::string Example(std::string_view example) {
  if (example.empty()) return "";
  std::string text = Block(example);
  const Result<SecretBytes> output = OutputOf(example, 1);
  if (!output.ok()) return text + "\nfails: " + output.error().message() + "\n";
  const Result<SecretBytes> again = OutputOf(example, 2);
  if (!again.ok() || again->Reveal() != output->Reveal()) {
    return text + "\ngives another text each time or day\n";
  }
  if (output->empty()) return text + "\ngives nothing\n";
  return text + "\ngives\n\n" + Block(output->Reveal());
}

std::string Section(const go::Function& function) {
  std::string text =
      fmt::format("### {}\n\n`{}({})`\n", function.name, function.name, function.parameters);
  if (!function.summary.empty()) text += fmt::format("\n{}\n", function.summary);
  const std::string example = Example(function.example);
  if (!example.empty()) text += "\n" + example;
  return text;
}

}  // namespace

std::string FunctionReference() {
  std::string text =
      "# Template functions\n\n"
      "Templates are Go's text/template with these functions, as in External Secrets. The value "
      "that is piped in is the last argument.\n\n"
      "The language itself has and, call, eq, ge, gt, html, index, js, le, len, lt, ne, not, or, "
      "print, printf, println and urlquery: https://pkg.go.dev/text/template.\n\n"
      "- A key that does not exist is an error, before `default` is asked: write "
      "`{{ index . \"key\" | default \"x\" }}`.\n"
      "- A key with a dash or a dot: `{{ index . \"api-key\" }}`.\n"
      "- `.` is a `map[string]string`, which functions with a parameter `map[string]any` (get, "
      "keys, "
      "dig) do not take; they are for the results of fromJson, fromYaml and dict.\n\n"
      "<!-- Written by `make generate` from the table that the engine uses; do not edit. -->\n";
  for (const go::FunctionGroup& group : go::FunctionGroups()) {
    if (group.functions.empty()) continue;
    text += fmt::format("\n## {}\n", group.title);
    for (const go::Function& function : group.functions) text += "\n" + Section(function);
  }
  return text;
}

}  // namespace nodekeep

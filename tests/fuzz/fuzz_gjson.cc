// gjson paths: any path and document give an answer within the budget, and the same one again. The
// input is the path, a line end, and the document.

#include <cstdint>
#include <string_view>

#include "agent/query/gjson.h"
#include "tests/fuzz/budget.h"
#include "tests/fuzz/require.h"

namespace nodekeep {
namespace {

void CheckPath(std::string_view path, std::string_view json) {
  const Result<GjsonResult> first = Budget::Within([&] { return GjsonGet(json, path); });
  if (!first.ok()) {
    Require(first.error().code() == ErrorCode::kTooLarge, "only a limit is an error");
    return;
  }
  Require(first->exists || (first->value.empty() && first->raw.empty()), "nothing has no text");
  const Result<GjsonResult> second = GjsonGet(json, path);
  Require(second.ok() && second->raw.Reveal() == first->raw.Reveal(), "answers are the same");
}

}  // namespace
}  // namespace nodekeep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\n');
  nodekeep::CheckPath(text.substr(0, end),
                      end == std::string_view::npos ? std::string_view() : text.substr(end + 1));
  return 0;
}

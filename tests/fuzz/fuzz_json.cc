// JSON reader and writer: an accepted value survives a write/read round trip, and error texts are
// short.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/go_text.h"
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "tests/fuzz/budget.h"
#include "tests/fuzz/require.h"

namespace nodekeep {
namespace {

int DepthOf(const Json& value) {
  int deepest = 0;
  if (value.is_object()) {
    for (const auto& member : value.object_range()) {
      deepest = std::max(deepest, DepthOf(member.value()));
    }
    return deepest + 1;
  }
  if (value.is_array()) {
    for (const Json& item : value.array_range()) deepest = std::max(deepest, DepthOf(item));
    return deepest + 1;
  }
  return 0;
}

void CheckGetters(const Json& value) {
  if (const auto text = TextOf(value)) {
    Require(IsText(value) && ScalarText(value) == text, "a text is also a scalar");
    Require(!IntOf(value) && !BoolOf(value), "a text is neither an integer nor a boolean");
  }
  if (const auto number = IntOf(value)) {
    Require(ScalarText(value) == std::to_string(*number) || *number == 0,
            "an integer keeps its text");
  }
  if (value.is_object()) {
    for (const auto& member : value.object_range()) {
      Require(Find(value, {member.key()}) == &member.value(), "a member is found by its key");
      CheckGetters(member.value());
    }
  }
  if (value.is_array()) {
    for (const Json& item : value.array_range()) CheckGetters(item);
  }
}

void CheckJson(std::string_view text) {
  const Result<Json> first = Budget::Within([&] { return ParseJson(text); });
  if (!first.ok()) {
    Require(first.error().code() == ErrorCode::kInvalid, "malformed text is kInvalid");
    Require(first.error().message().size() < 200, "an error text is short");
    return;
  }
  Require(DepthOf(*first) <= kMaxJsonDepth, "the depth limit holds");
  CheckGetters(*first);
  const SecretBytes written = GoJson(*first);
  Require(FindInvalidUtf8(written.Reveal()) == std::string_view::npos, "written text is UTF-8");
  const Result<Json> second = ParseJson(written.Reveal());
  if (!second.ok()) {
    // Without the spaces of the text, which allow for more values.
    Require(written.size() < text.size() &&
                second.error().message().find(" values, the most for ") != std::string::npos,
            "written text can be parsed");
    return;
  }
  // Not by operator==, which compares numbers as float64.
  Require(GoJson(*second).Reveal() == written.Reveal(), "the round trip keeps the value");
}

void CheckStringMap(std::string_view text) {
  const auto map = Budget::Within([&] { return ParseStringMap(text); });
  if (!map.ok()) return;
  const Result<Json> json = ParseJson(text);
  Require(json.ok() && (json->is_null() || json->size() == map->size()),
          "a string map is an object");
}

}  // namespace
}  // namespace nodekeep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  nodekeep::CheckJson(text);
  nodekeep::CheckStringMap(text);
  const auto permission = nodekeep::ParsePermission(text);
  if (permission.ok()) nodekeep::Require(nodekeep::ParseJson(text).ok(), "a permission is JSON");
  return 0;
}

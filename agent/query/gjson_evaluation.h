#pragma once

// The evaluation of one gjson path. Used by gjson.cc and gjson_modifiers.cc only.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/query/gjson.h"
#include "agent/query/gjson_path.h"

namespace nodekeep {

// A value found in JSON text. Views into the document or into texts kept by the evaluation.
struct GjsonValue {
  enum class Kind { kNull, kFalse, kNumber, kString, kTrue, kContainer };
  Kind kind = Kind::kNull;
  std::string_view raw{};   // "" and kNull: does not exist
  std::string_view text{};  // of a string
  double number = 0;

  bool Exists() const { return kind != Kind::kNull || !raw.empty(); }
  bool IsObject() const { return kind == Kind::kContainer && raw.starts_with('{'); }
  bool IsArray() const { return kind == Kind::kContainer && raw.starts_with('['); }
};

// Not thread-safe; used once. After a limit is exceeded every step returns at once with nothing.
class GjsonEvaluation {
 public:
  GjsonEvaluation(const GjsonLimits& limits, std::size_t document_bytes);

  GjsonValue Get(std::string_view json, std::string_view path);
  // The text of a value: GjsonResult::value.
  std::string_view TextOf(const GjsonValue& value);
  // The limit that was exceeded.
  const std::optional<Error>& exceeded() const { return exceeded_; }

 private:
  // The state of one search, passed on while it goes deeper into the text.
  struct Search {
    std::string_view json;
    GjsonValue found;
    std::optional<std::string_view> pipe;  // the path to apply to `found`
  };
  using Visit = std::function<void(const GjsonValue& key, const GjsonValue& value)>;

  // Counts an operation that reads or writes `bytes`. False: the limit is exceeded.
  bool Charge(std::uint64_t bytes);
  void Exceed(std::string_view what);
  bool Like(std::string_view text, std::string_view pattern);
  // Keeps a text until the end of the evaluation.
  std::string_view Keep(SecretBytes text);

  // The first value in `json`; a container is everything from its bracket on.
  GjsonValue Parse(std::string_view json);
  // Reads the value at or after `at`, skipping all that begins none; moves `at` behind it.
  std::optional<GjsonValue> Next(std::string_view json, std::size_t& at);
  // Reads the scalar that begins at `at`; nullopt: none begins there, or a string is not closed.
  std::optional<GjsonValue> Scalar(std::string_view json, std::size_t at);
  GjsonValue StringValue(std::string_view raw, std::string_view content, bool has_escape);
  // Members of an object, or elements of an array (without keys).
  void ForEach(const GjsonValue& value, const Visit& visit);

  // Search in the object or array whose content begins at `at`. They return the position behind
  // what was read and set `done` if the search has ended.
  std::size_t SearchObject(Search& search, std::size_t at, std::string_view path, bool& done);
  std::size_t SearchArray(Search& search, std::size_t at, std::string_view path, bool& done);
  // Reads one value of an object or array: enters it if `matches` and a path is left.
  std::size_t SearchValue(Search& search, std::size_t at, bool matches, const ObjectStep& step,
                          bool& done);
  GjsonValue Collect(Search& search, const std::vector<std::size_t>& starts, const ArrayStep& step);
  bool Matches(const ArrayQuery& query, GjsonValue value);
  bool MatchesText(const ArrayQuery& query, std::string_view text);
  GjsonValue EvaluateMultipath(std::string_view json, char open, const Multipath& multipath);

  std::string_view ApplyModifier(const ModifierCall& call, std::string_view json);
  std::string_view Reverse(std::string_view json);
  std::string_view Flatten(std::string_view json, bool deep);
  std::string_view Join(std::string_view json, bool preserve);
  std::string_view Keys(std::string_view json);
  std::string_view Values(std::string_view json);
  std::string_view Group(std::string_view json);
  std::string_view Dig(std::string_view json, std::string_view path);
  void DigInto(const GjsonValue& parent, std::string_view path, SecretBytes& out);
  std::string_view Pretty(std::string_view json, std::string_view options);
  // The Boolean member `name` of a modifier's argument.
  bool OptionOf(std::string_view argument, std::string_view name);

  const GjsonLimits& limits_;
  std::uint64_t work_left_;
  std::size_t memory_left_;
  int depth_ = 0;
  std::optional<Error> exceeded_;
  std::deque<SecretBytes> kept_;
};

// Value.Bool() of the original.
bool GjsonBool(const GjsonValue& value);

}  // namespace nodekeep

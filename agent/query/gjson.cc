#include "agent/query/gjson.h"

#include <string>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/go_json.h"
#include "agent/base/go_number.h"
#include "agent/query/gjson_evaluation.h"
#include "agent/query/lenient_json.h"
#include "agent/query/wildcard.h"

namespace nodekeep {
namespace {

using Kind = GjsonValue::Kind;

// strconv.ParseBool of a text in lower case.
std::optional<bool> BoolOf(std::string_view text) {
  const std::string lower = AsciiLower(text.substr(0, 6));
  if (lower == "1" || lower == "t" || lower == "true") return true;
  if (lower == "0" || lower == "f" || lower == "false") return false;
  return std::nullopt;
}

bool IsFalsy(const GjsonValue& value) {
  switch (value.kind) {
    case Kind::kNull:
    case Kind::kFalse: return true;
    case Kind::kString: return BoolOf(value.text) == false;
    case Kind::kNumber: return value.number == 0;
    default: return false;
  }
}

bool IsTruthy(const GjsonValue& value) {
  switch (value.kind) {
    case Kind::kTrue: return true;
    case Kind::kString: return BoolOf(value.text) == true;
    case Kind::kNumber: return value.number != 0;
    default: return false;
  }
}

template <typename T>
bool Compare(std::string_view op, const T& left, const T& right) {
  if (op == "=") return left == right;
  if (op == "!=") return left != right;
  if (op == "<") return left < right;
  if (op == "<=") return left <= right;
  if (op == ">") return left > right;
  return op == ">=" && left >= right;
}

// A comparison of true and false with the texts "true" and "false"; other texts are unequal to
// both.
bool CompareBool(std::string_view op, bool value, std::string_view text) {
  const std::string_view same = value ? "true" : "false";
  const std::string_view other = value ? "false" : "true";
  if (op == "=") return text == same;
  if (op == "!=") return text != same;
  if (op == (value ? ">" : "<")) return text == other;
  return op == (value ? ">=" : "<=");
}

// The index that a path part names: digits, counted as uint64 and wrapped as the original does.
std::optional<std::uint64_t> IndexOf(std::string_view part) {
  if (part.empty()) return std::nullopt;
  std::uint64_t index = 0;
  for (const char c : part) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return index;
}

}  // namespace

bool GjsonBool(const GjsonValue& value) { return IsTruthy(value); }

GjsonEvaluation::GjsonEvaluation(const GjsonLimits& limits, std::size_t document_bytes)
    : limits_(limits), work_left_(limits.work), memory_left_(limits.memory + 16 * document_bytes) {}

bool GjsonEvaluation::Charge(std::uint64_t bytes) {
  if (exceeded_) return false;
  if (bytes + 1 > work_left_) {
    Exceed("reads and writes more than the limit of bytes");
    return false;
  }
  work_left_ -= bytes + 1;
  return true;
}

void GjsonEvaluation::Exceed(std::string_view what) {
  if (!exceeded_) exceeded_ = Error::Format(ErrorCode::kTooLarge, "the path {}", what);
}

bool GjsonEvaluation::Like(std::string_view text, std::string_view pattern) {
  const bool matches = MatchesWildcard(text, pattern, work_left_);
  if (work_left_ == 0) Exceed("reads and writes more than the limit of bytes");
  return matches;
}

std::string_view GjsonEvaluation::Keep(SecretBytes text) {
  if (!Charge(text.size())) return {};
  if (text.size() > memory_left_) {
    Exceed("makes texts that are too large");
    return {};
  }
  memory_left_ -= text.size();
  return kept_.emplace_back(std::move(text)).Reveal();
}

std::string_view GjsonEvaluation::TextOf(const GjsonValue& value) {
  switch (value.kind) {
    case Kind::kNull: return "";
    case Kind::kFalse: return "false";
    case Kind::kTrue: return "true";
    case Kind::kString: return value.text;
    case Kind::kContainer: return value.raw;
    case Kind::kNumber: break;
  }
  const std::string_view digits = value.raw.substr(value.raw.starts_with('-') ? 1 : 0);
  if (digits.find_first_not_of("0123456789") == std::string_view::npos) return value.raw;
  return Keep(SecretBytes::MoveFrom(GoFloatWithoutExponent(value.number)));
}

GjsonValue GjsonEvaluation::StringValue(std::string_view raw, std::string_view content,
                                        bool has_escape) {
  GjsonValue value{.kind = Kind::kString, .raw = raw, .text = content};
  if (has_escape) {
    SecretBytes text;
    AppendUnescaped(content, text);
    value.text = Keep(std::move(text));
  }
  return value;
}

std::optional<GjsonValue> GjsonEvaluation::Scalar(std::string_view json, std::size_t at) {
  const char c = json[at];
  if (c == '"') {
    const JsonStringToken token = ScanJsonString(json, at);
    if (!token.is_closed) return std::nullopt;
    return StringValue(token.raw, token.content(), token.has_escape);
  }
  if (BeginsNumber(json, at)) {
    const std::string_view raw = ScanNumber(json, at);
    return GjsonValue{.kind = Kind::kNumber, .raw = raw, .number = LenientNumber(raw)};
  }
  if (c != 'n' && c != 't' && c != 'f') return std::nullopt;
  const Kind kind = c == 'n' ? Kind::kNull : c == 't' ? Kind::kTrue : Kind::kFalse;
  return GjsonValue{.kind = kind, .raw = ScanLiteral(json, at)};
}

GjsonValue GjsonEvaluation::Parse(std::string_view json) {
  std::size_t at = 0;
  while (at < json.size() && static_cast<unsigned char>(json[at]) <= ' ') ++at;
  if (at == json.size()) return {};
  if (json[at] == '{' || json[at] == '[') {
    return {.kind = Kind::kContainer, .raw = json.substr(at)};
  }
  if (json[at] == '"') {
    const JsonStringToken token = ScanJsonString(json, at);
    const std::string_view content = token.is_closed ? token.content() : token.raw.substr(1);
    return StringValue(token.raw, content, token.has_escape);
  }
  return Scalar(json, at).value_or(GjsonValue());
}

std::optional<GjsonValue> GjsonEvaluation::Next(std::string_view json, std::size_t& at) {
  for (; at < json.size(); ++at) {
    if (json[at] == '{' || json[at] == '[') {
      const JsonNestedToken token = ScanNested(json, at);
      at = token.end;
      return GjsonValue{.kind = Kind::kContainer, .raw = token.raw};
    }
    if (std::optional<GjsonValue> value = Scalar(json, at)) {
      at += value->raw.size();
      return value;
    }
    if (json[at] == '"') return std::nullopt;  // not closed
  }
  return std::nullopt;
}

void GjsonEvaluation::ForEach(const GjsonValue& value, const Visit& visit) {
  if (!value.Exists() || !Charge(value.raw.size())) return;
  if (value.kind != Kind::kContainer) {
    visit({}, value);
    return;
  }
  const std::string_view json = value.raw;
  const bool is_object = value.IsObject();
  for (std::size_t at = 1; at < json.size() && !exceeded_; ++at) {
    GjsonValue key;
    if (is_object) {
      if (json[at] != '"') continue;
      const JsonStringToken token = ScanJsonString(json, at);
      if (!token.is_closed) return;
      key = StringValue(token.raw, token.content(), token.has_escape);
      at = token.end;
    }
    const std::optional<GjsonValue> member = Next(json, at);
    if (!member) return;
    visit(key, *member);
  }
}

std::size_t GjsonEvaluation::SearchValue(Search& search, std::size_t at, bool matches,
                                         const ObjectStep& step, bool& done) {
  const std::string_view json = search.json;
  const bool is_container = json[at] == '{' || json[at] == '[';
  if (is_container && matches && step.next == PathNext::kPath) {
    if (depth_ >= limits_.depth) {
      Exceed("is nested too deeply");
      return json.size();
    }
    ++depth_;
    const std::size_t end = json[at] == '{' ? SearchObject(search, at + 1, step.rest, done)
                                            : SearchArray(search, at + 1, step.rest, done);
    --depth_;
    return end;
  }
  std::size_t end = at;
  std::optional<GjsonValue> value = Next(json, end);
  if (!value) {
    done = true;  // a string that is not closed
    return end;
  }
  if (matches && step.next != PathNext::kPath) {
    search.found = *value;
    done = true;
  }
  return end;
}

std::size_t GjsonEvaluation::SearchObject(Search& search, std::size_t at, std::string_view path,
                                          bool& done) {
  const std::string_view json = search.json;
  const ObjectStep step = ParseObjectStep(path);
  if (step.next == PathNext::kPipe) search.pipe = step.rest;
  while (at < json.size() && !exceeded_) {
    while (at < json.size() && json[at] != '"' && json[at] != '}') ++at;
    if (at == json.size()) return at;
    if (json[at] == '}') return at + 1;
    const JsonStringToken token = ScanJsonString(json, at);
    if (!token.is_closed) {
      done = true;
      return token.end;
    }
    SecretBytes unescaped;
    if (token.has_escape) AppendUnescaped(token.content(), unescaped);
    const std::string_view key = token.has_escape ? unescaped.Reveal() : token.content();
    const bool matches = step.is_wildcard ? Like(key, step.key) : key == step.key;
    at = token.end;
    while (at < json.size() && json[at] != '{' && json[at] != '[' && json[at] != '"' &&
           json[at] != 'n' && json[at] != 't' && json[at] != 'f' && !BeginsNumber(json, at)) {
      ++at;
    }
    if (at == json.size()) return at;
    at = SearchValue(search, at, matches, step, done);
    if (done) return at;
  }
  return at;
}

GjsonValue GjsonEvaluation::Collect(Search& search, const std::vector<std::size_t>& starts,
                                    const ArrayStep& step) {
  std::string_view path = step.collect;
  if (const std::optional<PipeSplit> split = SplitAtPipe(path)) {
    path = split->left;
    search.pipe = split->right;
  }
  SecretBytes all("[");
  for (std::size_t at : starts) {
    while (at < search.json.size() &&
           std::string_view(" \t\r\n").find(search.json[at]) != std::string_view::npos) {
      ++at;
    }
    if (at >= search.json.size() || search.json[at] == ']') continue;
    const std::optional<GjsonValue> element = Next(search.json, at);
    if (!element) continue;
    const GjsonValue value = Get(element->raw, path);
    if (!value.Exists()) continue;
    if (all.size() > 1) all.Append(",");
    all.Append(value.raw);
    if (!Charge(value.raw.size())) return {};
  }
  all.Append("]");
  return {.kind = Kind::kContainer, .raw = Keep(std::move(all))};
}

std::size_t GjsonEvaluation::SearchArray(Search& search, std::size_t at, std::string_view path,
                                         bool& done) {
  using StepKind = ArrayStep::Kind;
  const std::string_view json = search.json;
  const ArrayStep step = ParseArrayStep(path);
  const bool has_path = step.next == PathNext::kPath;
  if (step.next == PathNext::kPipe) search.pipe = step.rest;
  const std::optional<std::uint64_t> index =
      step.kind == StepKind::kIndex ? IndexOf(step.part) : std::nullopt;
  const ObjectStep inside{.key = "", .next = step.next, .rest = step.rest};

  std::string_view query_rest = step.rest;
  SecretBytes matches;  // of #(...)#
  // Adds a value to the matches; returns whether the search ends with it.
  const auto query = [&](const GjsonValue& value) {
    GjsonValue tested = value;
    if (value.kind == Kind::kContainer) {
      tested = Get(value.raw, step.query.path);
    } else if (!step.query.path.empty()) {
      return false;
    }
    if (step.query.all && matches.empty()) matches.Append("[");
    if (!Matches(step.query, tested)) return false;
    GjsonValue result = value;
    if (has_path) {
      if (const std::optional<PipeSplit> split = SplitAtPipe(query_rest)) {
        query_rest = split->left;
        search.pipe = split->right;
      }
      result = Get(value.raw, query_rest);
    }
    if (!step.query.all) {
      search.found = result;
      return true;
    }
    if (!result.raw.empty()) {
      if (matches.size() > 1) matches.Append(",");
      matches.Append(result.raw);
      Charge(result.raw.size());
    }
    return false;
  };

  std::uint64_t count = 0;
  std::vector<std::size_t> starts;  // of #.path
  while (!exceeded_) {
    if (step.kind == StepKind::kCollect) starts.push_back(at);
    while (at < json.size() && json[at] != ']' && json[at] != '{' && json[at] != '[' &&
           json[at] != '"' && json[at] != 'n' && json[at] != 't' && json[at] != 'f' &&
           !BeginsNumber(json, at)) {
      ++at;
    }
    if (at > json.size()) return at;  // inside of a string: not even the end of an array
    if (at == json.size() || json[at] == ']') break;
    if (step.kind == StepKind::kQuery) {
      const std::optional<GjsonValue> value = Next(json, at);
      if (!value) {
        done = true;
        return at;
      }
      if (query(*value)) {
        done = true;
        return at;
      }
    } else {
      at = SearchValue(search, at, index == count, inside, done);
      if (done) return at;
    }
    ++count;
  }
  if (exceeded_) return json.size();
  if (step.kind == StepKind::kCollect) {
    search.found = Collect(search, starts, step);
    done = true;
  } else if (step.kind == StepKind::kLength) {
    const std::string_view digits = Keep(SecretBytes(std::to_string(count)));
    search.found = {.kind = Kind::kNumber, .raw = digits, .number = static_cast<double>(count)};
    done = true;
  } else if (step.query.all && !search.found.Exists()) {
    matches.Append(matches.empty() ? "[]" : "]");
    search.found = {.kind = Kind::kContainer, .raw = Keep(std::move(matches))};
  }
  return at + 1;
}

bool GjsonEvaluation::MatchesText(const ArrayQuery& query, std::string_view text) {
  if (query.op == "%") return Like(text, query.value);
  if (query.op == "!%") return !Like(text, query.value);
  return Compare<std::string_view>(query.op, text, query.value);
}

bool GjsonEvaluation::Matches(const ArrayQuery& query, GjsonValue value) {
  std::string_view wanted = query.value;
  if (wanted.starts_with('~')) {
    const std::string_view property = wanted.substr(1);
    std::optional<bool> has;
    if (property == "*") has = value.Exists();
    if (property == "null") has = value.kind == Kind::kNull;
    if (property == "true") has = IsTruthy(value);
    if (property == "false") has = IsFalsy(value);
    if (!has) return false;
    wanted = "true";
    value = {.kind = *has ? Kind::kTrue : Kind::kFalse};
  }
  if (!value.Exists()) return false;
  if (query.op.empty()) return true;
  switch (value.kind) {
    case Kind::kString: return MatchesText(query, value.text);
    case Kind::kNumber: return Compare(query.op, value.number, LenientNumber(wanted));
    case Kind::kTrue: return CompareBool(query.op, true, wanted);
    case Kind::kFalse: return CompareBool(query.op, false, wanted);
    default: return false;
  }
}

GjsonValue GjsonEvaluation::EvaluateMultipath(std::string_view json, char open,
                                              const Multipath& multipath) {
  SecretBytes all(std::string_view(&open, 1));
  for (const SubPath& member : multipath.members) {
    const GjsonValue value = Get(json, member.path);
    if (!value.Exists()) continue;
    if (all.size() > 1) all.Append(",");
    if (open == '{') {
      if (member.name.starts_with('"') && IsValidJson(member.name)) {
        all.Append(member.name);
      } else {
        AppendGoJsonString(member.name.empty() ? NameOfPath(member.path) : member.name, all);
      }
      all.Append(":");
    }
    all.Append(value.raw);
    if (!Charge(value.raw.size())) return {};
  }
  all.Append(open == '{' ? "}" : "]");
  return {.kind = Kind::kContainer, .raw = Keep(std::move(all))};
}

GjsonValue GjsonEvaluation::Get(std::string_view json, std::string_view path) {
  if (!Charge(json.size())) return {};
  if (depth_ >= limits_.depth) {
    Exceed("is nested too deeply");
    return {};
  }
  ++depth_;
  const auto evaluate = [&]() -> GjsonValue {
    if (path.size() > 1 && (path[0] == '@' || path[0] == '!')) {
      std::optional<StaticValue> result;  // what is left to apply, and to what
      if (path[0] == '!') {
        result = ParseStaticValue(path);
      } else if (const std::optional<ModifierCall> call = ParseModifier(path)) {
        result = StaticValue{ApplyModifier(*call, json), call->rest};
      }
      if (result) {
        const bool has_path = result->rest.starts_with('|') || result->rest.starts_with('.');
        return has_path ? Get(result->json, result->rest.substr(1)) : Parse(result->json);
      }
    }
    if (path.size() > 1 && (path[0] == '[' || path[0] == '{')) {
      const char open = path[0];
      const std::optional<Multipath> multipath = ParseMultipath(path);
      // What follows a multipath that is none is the path, as in the original.
      path = multipath ? multipath->rest : std::string_view();
      if (multipath && (path.empty() || path[0] == '|' || path[0] == '.')) {
        const GjsonValue value = EvaluateMultipath(json, open, *multipath);
        return path.empty() ? value : Get(value.raw, path.substr(1));
      }
    }
    Search search{.json = json, .found = {}, .pipe = std::nullopt};
    bool done = false;
    if (path.starts_with("..")) {
      SearchArray(search, 0, path.substr(2), done);  // JSON lines
    } else if (const std::size_t at = json.find_first_of("{["); at != std::string_view::npos) {
      if (json[at] == '{') {
        SearchObject(search, at + 1, path, done);
      } else {
        SearchArray(search, at + 1, path, done);
      }
    }
    return search.pipe ? Get(search.found.raw, *search.pipe) : search.found;
  };
  const GjsonValue value = evaluate();
  --depth_;
  return exceeded_ ? GjsonValue() : value;
}

Result<GjsonResult> GjsonGet(std::string_view json, std::string_view path,
                             const GjsonLimits& limits) {
  if (path.size() > limits.path_bytes) {
    return Error::Format(ErrorCode::kTooLarge, "the path has {} bytes; the limit is {}",
                         path.size(), limits.path_bytes);
  }
  GjsonEvaluation evaluation(limits, json.size());
  const GjsonValue value = evaluation.Get(json, path);
  const std::string_view text = evaluation.TextOf(value);
  if (evaluation.exceeded()) return *evaluation.exceeded();
  GjsonResult result;
  result.exists = value.Exists();
  result.value = SecretBytes(text);
  result.raw = SecretBytes(value.raw);
  return result;
}

}  // namespace nodekeep

#include "agent/query/gjson_path.h"

#include <algorithm>

#include "agent/base/ascii.h"
#include "agent/base/secret_bytes.h"
#include "agent/query/lenient_json.h"

namespace nodekeep {
namespace {

constexpr std::string_view kModifiers[] = {"pretty",  "ugly",  "reverse", "this",   "flatten",
                                           "join",    "valid", "keys",    "values", "tostr",
                                           "fromstr", "group", "dig"};

std::string_view From(std::string_view text, std::size_t at) {
  return at < text.size() ? text.substr(at) : std::string_view();
}

// Whether what follows a dot applies to the whole result, as after a pipe.
bool BeginsPipe(std::string_view path) {
  if (path.empty()) return false;
  if (path[0] == '@') return IsModifierName(path.substr(1, path.find_first_of(".|:", 1) - 1));
  return path[0] == '[' || path[0] == '{';
}

struct Rest {
  PathNext next = PathNext::kNothing;
  std::string_view rest;
};

// What follows the separator at `at`, a dot or a pipe.
Rest RestAfter(std::string_view path, std::size_t at) {
  const std::string_view rest = path.substr(at + 1);
  const bool is_pipe = path[at] == '|' || BeginsPipe(rest);
  return {is_pipe ? PathNext::kPipe : PathNext::kPath, rest};
}

// Position after a quoted text that begins at `at`, or the end; escapes are skipped. Sets
// `has_escape` if there is one.
std::size_t SkipQuoted(std::string_view text, std::size_t at, bool& has_escape) {
  std::size_t i = at + 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\') {
      has_escape = true;
      ++i;
    }
  }
  return i;
}

// Position of the bracket that closes a query; the end if there is none. Sets where its operator
// begins (0 = none) and whether a quoted text in it has an escape.
std::size_t ScanQuery(std::string_view text, std::size_t& operator_at, bool& has_escape) {
  std::size_t depth = 1;
  for (std::size_t i = 2; i < text.size(); ++i) {
    const char c = text[i];
    if (depth == 1 && operator_at == 0 && std::string_view("!=<>%").find(c) != std::string::npos) {
      operator_at = i;
    } else if (c == '\\') {
      ++i;
    } else if (c == '[' || c == '(') {
      ++depth;
    } else if (c == ']' || c == ')') {
      if (--depth == 0) return i;
    } else if (c == '"') {
      i = SkipQuoted(text, i, has_escape);
    }
  }
  return text.size();
}

std::size_t OperatorLength(std::string_view condition) {
  const std::string_view two = condition.substr(0, 2);
  if (two == "!=" || two == "!%" || two == "<=" || two == ">=") return 2;
  return condition.size() == 1 || condition[0] != '!' ? 1 : 0;
}

// Parses "#(...)" at the start of `text` into `query`. Returns its length; 0: it is not closed.
std::size_t ParseQuery(std::string_view text, ArrayQuery& query) {
  std::size_t operator_at = 0;
  bool has_escape = false;
  const std::size_t close = ScanQuery(text, operator_at, has_escape);
  if (close >= text.size()) return 0;
  if (operator_at == 0) {
    query.path = TrimmedOfControls(text.substr(2, close - 2));
    return close + 1;
  }
  query.path = TrimmedOfControls(text.substr(2, operator_at - 2));
  std::string_view condition = TrimmedOfControls(text.substr(operator_at, close - operator_at));
  if (condition.starts_with("==")) condition.remove_prefix(1);
  query.op = condition.substr(0, OperatorLength(condition));
  const std::string_view value = TrimmedOfControls(condition.substr(query.op.size()));
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') {
    query.value = value;
  } else if (has_escape) {
    SecretBytes unescaped;
    AppendUnescaped(value.substr(1, value.size() - 2), unescaped);
    query.value = unescaped.Reveal();
  } else {
    query.value = value.substr(1, value.size() - 2);
  }
  return close + 1;
}

// Position after a query whose '#' is at `at`, for the search of a pipe: only brackets of its own
// kind count.
std::size_t SkipQuery(std::string_view path, std::size_t at) {
  const char open = path[at + 1];
  const char close = open == '[' ? ']' : ')';
  std::size_t depth = 1;
  std::size_t i = at + 2;
  for (; i < path.size(); ++i) {
    bool ignored = false;
    if (path[i] == '\\') {
      ++i;
    } else if (path[i] == open) {
      ++depth;
    } else if (path[i] == close) {
      if (--depth == 0) break;
    } else if (path[i] == '"') {
      i = SkipQuoted(path, i, ignored);
    }
  }
  return i;
}

}  // namespace

bool IsModifierName(std::string_view name) {
  return std::find(std::begin(kModifiers), std::end(kModifiers), name) != std::end(kModifiers);
}

ObjectStep ParseObjectStep(std::string_view path) {
  ObjectStep step;
  // After the first escape, a wildcard keeps its meaning only where it is not escaped, but the part
  // is matched without its escapes: "a\*b*" matches as "a*b*".
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '|' || c == '.') {
      const Rest rest = RestAfter(path, i);
      step.next = rest.next;
      step.rest = rest.rest;
      return step;
    }
    if (c == '\\') {
      if (++i < path.size()) step.key += path[i];
      continue;
    }
    step.is_wildcard = step.is_wildcard || c == '*' || c == '?';
    step.key += c;
  }
  return step;
}

ArrayStep ParseArrayStep(std::string_view path) {
  ArrayStep step;
  bool has_hash = false;
  bool has_query = false;
  bool collects = false;
  std::size_t i = 0;
  for (; i < path.size() && path[i] != '|' && path[i] != '.'; ++i) {
    if (path[i] != '#') continue;
    has_hash = true;
    if (i != 0 || path.size() == 1) continue;
    if (path[1] == '.') {
      collects = true;
      step.collect = path.substr(2);
    } else if (path[1] == '[' || path[1] == '(') {
      has_query = true;
      const std::size_t length = ParseQuery(path, step.query);
      if (length == 0) {
        i = path.size();
        break;
      }
      i = length - 1;
      step.query.all = i + 1 < path.size() && path[i + 1] == '#';
    }
  }
  step.part = path.substr(0, i);
  if (i < path.size() && (path[i] == '|' || !has_hash)) {
    const Rest rest = RestAfter(path, i);
    step.next = rest.next;
    step.rest = rest.rest;
  } else if (i < path.size()) {
    step.next = PathNext::kPath;
    step.rest = path.substr(i + 1);
  }
  if (has_query) {
    step.kind = ArrayStep::Kind::kQuery;
  } else if (has_hash && step.part == "#") {
    step.kind = collects ? ArrayStep::Kind::kCollect : ArrayStep::Kind::kLength;
  } else if (has_hash) {
    step.kind = ArrayStep::Kind::kNothing;
  }
  return step;
}

std::optional<PipeSplit> SplitAtPipe(std::string_view path) {
  if (path.find('|') == std::string_view::npos) return std::nullopt;
  if (path[0] == '{') {
    // The original looks for the end of the multipath from its second character on.
    if (path.size() < 2) return std::nullopt;
    const std::size_t length = ScanNestedOrString(path.substr(1)).size() + 1;
    if (length < path.size() && path[length] == '|') {
      return PipeSplit{path.substr(0, length), path.substr(length + 1)};
    }
    return std::nullopt;
  }
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') {
      ++i;
    } else if (path[i] == '|') {
      return PipeSplit{path.substr(0, i), path.substr(i + 1)};
    } else if (path[i] == '.') {
      if (i + 1 == path.size()) return std::nullopt;
      if (path[i + 1] != '#') continue;
      i += 2;
      if (i == path.size()) return std::nullopt;
      if (path[i] == '[' || path[i] == '(') i = SkipQuery(path, i - 1);
    }
  }
  return std::nullopt;
}

std::optional<Multipath> ParseMultipath(std::string_view path) {
  Multipath multipath;
  std::size_t depth = 1;
  std::size_t start = 1;
  std::size_t colon = 0;     // of the current member, 0 = none
  bool in_modifier = false;  // a colon then belongs to the modifier's argument
  const auto add_member = [&](std::size_t end) {
    SubPath member;
    if (colon != 0) member.name = path.substr(start, colon - start);
    const std::size_t from = colon == 0 ? start : colon + 1;
    member.path = path.substr(from, end - from);
    multipath.members.push_back(member);
    colon = 0;
    in_modifier = false;
    start = end + 1;
  };
  for (std::size_t i = 1; i < path.size(); ++i) {
    bool ignored = false;
    switch (path[i]) {
      case '\\': ++i; break;
      case '@': in_modifier = in_modifier || path[i - 1] == '.' || path[i - 1] == '|'; break;
      case ':':
        if (!in_modifier && colon == 0 && depth == 1) colon = i;
        break;
      case ',':
        if (depth == 1) add_member(i);
        break;
      case '"': i = SkipQuoted(path, i, ignored); break;
      case '[':
      case '(':
      case '{': ++depth; break;
      case ']':
      case ')':
      case '}':
        if (--depth > 0) break;
        add_member(i);
        multipath.rest = path.substr(i + 1);
        return multipath;
      default: break;
    }
  }
  return std::nullopt;
}

std::string_view NameOfPath(std::string_view path) {
  std::string_view last = path;
  for (std::size_t i = path.size(); i-- > 0;) {
    if (path[i] != '|' && path[i] != '.') continue;
    if (i > 0 && path[i - 1] == '\\') continue;
    last = path.substr(i + 1);
    break;
  }
  const bool is_simple = std::none_of(last.begin(), last.end(), [](char c) {
    // Bytes of other characters than ASCII are allowed.
    return static_cast<unsigned char>(c) < ' ' ||
           std::string_view("[]{}()#|!").find(c) != std::string_view::npos;
  });
  return is_simple ? last : std::string_view("_");
}

std::optional<ModifierCall> ParseModifier(std::string_view path) {
  ModifierCall call;
  const std::size_t end = path.find_first_of(":|.", 1);
  call.name = path.substr(1, end == std::string_view::npos ? end : end - 1);
  if (!IsModifierName(call.name)) return std::nullopt;
  if (end == std::string_view::npos) return call;
  if (path[end] != ':') {
    call.rest = path.substr(end);
    return call;
  }
  const std::string_view text = From(path, end + 1);
  if (text.empty()) return call;
  std::size_t length = 0;
  if (text[0] == '{' || text[0] == '[' || text[0] == '"') {
    length = ScanNestedOrString(text).size();
  } else {
    for (; length < text.size() && text[length] != '|'; ++length) {
      if (std::string_view("{[\"(").find(text[length]) != std::string_view::npos) {
        length += ScanNestedOrString(text.substr(length)).size() - 1;
      }
    }
    length = std::min(length, text.size());
  }
  call.argument = text.substr(0, length);
  call.rest = text.substr(length);
  return call;
}

std::optional<StaticValue> ParseStaticValue(std::string_view path) {
  const std::string_view text = path.substr(1);
  if (!text.empty() && std::string_view("{[\"+-0123456789").find(text[0]) != std::string::npos) {
    // The original treats every first character as an opening bracket, so only containers end
    // before the path does.
    const std::string_view json = ScanNested(text, 0).raw;
    return StaticValue{json, text.substr(json.size())};
  }
  const std::size_t end = text.find_first_of("|.");
  const std::string_view name = text.substr(0, end);
  const std::string lower = AsciiLower(name);
  for (const std::string_view known : {"true", "false", "null", "nan", "inf"}) {
    if (lower == known) return StaticValue{name, From(text, end)};
  }
  return std::nullopt;
}

}  // namespace nodekeep

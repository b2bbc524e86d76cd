#include "agent/query/value_text.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "agent/base/go_json.h"
#include "agent/base/go_number.h"
#include "agent/base/utf8.h"
#include "agent/query/lenient_json.h"

namespace nodekeep {
namespace {

Result<double> FloatOf(const std::string& literal) {
  const std::optional<double> number = ParseGoFloat(literal);
  if (!number || !std::isfinite(*number)) {
    return Error::Format(ErrorCode::kInvalid,
                         "json: cannot unmarshal number {} into Go value of type float64", literal);
  }
  return *number;
}

class Writer {
 public:
  Writer(JsonNumbers numbers, HtmlInJson html, std::size_t max_bytes)
      : numbers_(numbers), html_(html), max_bytes_(max_bytes) {}

  // Nesting is bounded by those who make the value: ParseJson, or an expression's length.
  Status Write(const Json& value) {
    if (out_.size() > max_bytes_) {
      return Error::Format(ErrorCode::kTooLarge, "the JSON is larger than {} bytes", max_bytes_);
    }
    if (value.is_object()) return WriteObject(value);
    if (value.is_array()) return WriteArray(value);
    if (value.is_null()) {
      out_.Append("null");
      return {};
    }
    if (value.is_number()) return WriteNumber(*ScalarText(value));
    if (value.is_bool()) {
      out_.Append(value.as_bool() ? "true" : "false");
      return {};
    }
    WriteString(value.as_string_view());
    return {};
  }

  SecretBytes Take() { return std::move(out_); }

 private:
  Status WriteObject(const Json& value) {
    std::string_view separator = "{";
    for (const auto& member : value.object_range()) {
      out_.Append(separator);
      WriteString(member.key());
      out_.Append(":");
      if (Status written = Write(member.value()); !written.ok()) return written;
      separator = ",";
    }
    out_.Append(value.empty() ? "{}" : "}");
    return {};
  }

  Status WriteArray(const Json& value) {
    std::string_view separator = "[";
    for (const Json& item : value.array_range()) {
      out_.Append(separator);
      if (Status written = Write(item); !written.ok()) return written;
      separator = ",";
    }
    out_.Append(value.empty() ? "[]" : "]");
    return {};
  }

  Status WriteNumber(const std::string& literal) {
    if (numbers_ == JsonNumbers::kLiteral) {
      out_.Append(literal);
      return {};
    }
    const Result<double> number = FloatOf(literal);
    if (!number.ok()) return number.error();
    out_.Append(GoJsonNumber(*number));
    return {};
  }

  void WriteString(std::string_view text) {
    if (html_ == HtmlInJson::kEscaped) {
      AppendGoJsonString(text, out_);
      return;
    }
    out_.Append("\"");
    for (;;) {
      const std::size_t at = text.find_first_of("<>&");
      SecretBytes quoted;
      AppendGoJsonString(text.substr(0, at), quoted);
      out_.Append(quoted.Reveal().substr(1, quoted.size() - 2));
      if (at == std::string_view::npos) break;
      out_.Append(text.substr(at, 1));
      text.remove_prefix(at + 1);
    }
    out_.Append("\"");
  }

  JsonNumbers numbers_;
  HtmlInJson html_;
  std::size_t max_bytes_;
  SecretBytes out_;
};

std::string_view JsonKindOf(std::string_view text) {
  switch (text.front()) {
    case '[': return "array";
    case '"': return "string";
    case 't':
    case 'f': return "bool";
    default: return "number";
  }
}

// The text of a quoted string; invalid UTF-8 becomes U+FFFD.
SecretBytes Unquoted(const JsonStringToken& token) {
  SecretBytes text;
  AppendUnescaped(token.content(), text);
  if (FindInvalidUtf8(text.Reveal()) == std::string_view::npos) return text;
  return SecretBytes::MoveFrom(ReplaceInvalidUtf8(text.Reveal()));
}

void SkipSpace(std::string_view text, std::size_t& at) {
  at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
}

// The value at `at`, which is moved behind it. Precondition: valid JSON.
SecretBytes MemberValue(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  if (text[at] == '"') {
    const JsonStringToken token = ScanJsonString(text, at);
    at = token.end;
    return Unquoted(token);
  }
  if (text[at] == '{' || text[at] == '[') {
    at = ScanNested(text, at).end;
  } else {
    at = text.find_first_of(" \t\r\n,}]", at);
  }
  const std::string_view raw = text.substr(begin, at - begin);
  return SecretBytes(raw == "null" ? "" : raw);
}

// Precondition: `text` is valid JSON, and an object.
SecretMap MembersOf(std::string_view text) {
  SecretMap members;
  std::size_t at = 1;
  SkipSpace(text, at);
  while (text[at] != '}') {
    const JsonStringToken key = ScanJsonString(text, at);
    at = text.find(':', key.end) + 1;
    SkipSpace(text, at);
    const SecretBytes name = Unquoted(key);
    members.insert_or_assign(std::string(name.Reveal()), MemberValue(text, at));
    SkipSpace(text, at);
    if (text[at] == ',') ++at;
    SkipSpace(text, at);
  }
  return members;
}

}  // namespace

Result<SecretBytes> ValueText(const Json& value, JsonNumbers numbers) {
  if (value.is_null()) return SecretBytes();
  if (value.is_number()) {
    const std::string literal = *ScalarText(value);
    if (numbers == JsonNumbers::kLiteral) return SecretBytes(literal);
    const Result<double> number = FloatOf(literal);
    if (!number.ok()) return number.error();
    return SecretBytes(GoFloatWithoutExponent(*number));
  }
  if (value.is_string()) return SecretBytes(std::string_view(value.as_string_view()));
  return CompactJson(value, numbers, HtmlInJson::kEscaped);
}

Result<SecretBytes> CompactJson(const Json& value, JsonNumbers numbers, HtmlInJson html,
                                std::size_t max_bytes) {
  Writer writer(numbers, html, max_bytes);
  if (Status written = writer.Write(value); !written.ok()) return written.error();
  SecretBytes json = writer.Take();
  if (json.size() <= max_bytes) return json;
  return Error::Format(ErrorCode::kTooLarge, "the JSON is larger than {} bytes", max_bytes);
}

Result<SecretMap> JsonToMap(std::string_view text) {
  if (!IsValidJson(text)) {
    // Its error says what is wrong; it also refuses some valid texts, which are not parsed here.
    const Result<Json> parsed = ParseJson(text);
    return parsed.ok() ? Error(ErrorCode::kInvalid, "invalid JSON") : parsed.error();
  }
  std::size_t at = 0;
  SkipSpace(text, at);
  text.remove_prefix(at);
  if (text.front() == '{') return MembersOf(text);
  if (text.front() == 'n') return SecretMap();
  return Error::Format(ErrorCode::kInvalid,
                       "json: cannot unmarshal {} into Go value of type map[string]json.RawMessage",
                       JsonKindOf(text));
}

}  // namespace nodekeep

#include "agent/base/json.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>
#include <vector>

#include "agent/base/go_json.h"
#include "agent/base/go_text.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

// Builds the value from the parse events of `source`. jsoncons' own decoder keeps the first of
// duplicate keys, and loses the signs of -0 and 1e+5.
class Builder final : public jsoncons::json_visitor {
 public:
  explicit Builder(std::string_view source)
      : source_(source), values_left_(MaxJsonValues(source.size()) + 1) {}

  Json Take() { return std::move(result_); }
  bool has_too_many_values() const { return values_left_ == 0; }

 private:
  struct Frame {
    bool is_object = false;
    std::string key;
    std::vector<std::pair<std::string, Json>> members;
    Json array{jsoncons::json_array_arg};
  };

  // False: no further value is allowed; parsing then stops.
  bool Pay(std::error_code& ec) {
    if (--values_left_ > 0) return true;
    ec = jsoncons::json_errc::source_error;
    return false;
  }

  void Add(Json value) {
    if (frames_.empty()) {
      result_ = std::move(value);
    } else if (Frame& frame = frames_.back(); frame.is_object) {
      frame.members.emplace_back(std::move(frame.key), std::move(value));
    } else {
      frame.array.push_back(std::move(value));
    }
  }

  static Json ObjectOf(std::vector<std::pair<std::string, Json>> members) {
    std::stable_sort(members.begin(), members.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json object(jsoncons::json_object_arg);
    object.reserve(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i + 1 < members.size() && members[i + 1].first == members[i].first) continue;
      object.insert_or_assign(object.object_range().end(), members[i].first,
                              std::move(members[i].second));
    }
    return object;
  }

  bool Open(bool is_object, std::error_code& ec) {
    if (!Pay(ec)) return false;
    frames_.emplace_back();
    frames_.back().is_object = is_object;
    return true;
  }

  bool Scalar(Json value, std::error_code& ec) {
    if (!Pay(ec)) return false;
    Add(std::move(value));
    return true;
  }

  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    Add(frame.is_object ? ObjectOf(std::move(frame.members)) : std::move(frame.array));
  }

  void visit_flush() override {}
  bool visit_begin_object(jsoncons::semantic_tag, const jsoncons::ser_context&,
                          std::error_code& ec) override {
    return Open(true, ec);
  }
  bool visit_end_object(const jsoncons::ser_context&, std::error_code&) override {
    Close();
    return true;
  }
  bool visit_begin_array(jsoncons::semantic_tag, const jsoncons::ser_context&,
                         std::error_code& ec) override {
    return Open(false, ec);
  }
  bool visit_end_array(const jsoncons::ser_context&, std::error_code&) override {
    Close();
    return true;
  }
  bool visit_key(const string_view_type& name, const jsoncons::ser_context&,
                 std::error_code&) override {
    frames_.back().key.assign(name.data(), name.size());
    return true;
  }
  bool visit_null(jsoncons::semantic_tag, const jsoncons::ser_context&,
                  std::error_code& ec) override {
    return Scalar(Json::null(), ec);
  }
  bool visit_string(const string_view_type& value, jsoncons::semantic_tag tag,
                    const jsoncons::ser_context& context, std::error_code& ec) override {
    if (tag == jsoncons::semantic_tag::none) return Scalar(Json(value), ec);
    const std::string_view rest = source_.substr(context.begin_position());
    return Scalar(Json(rest.substr(0, rest.find_first_not_of("+-.0123456789Ee")), tag), ec);
  }
  bool visit_byte_string(const jsoncons::byte_string_view&, jsoncons::semantic_tag,
                         const jsoncons::ser_context&, std::error_code& ec) override {
    ec = jsoncons::json_errc::invalid_value;  // JSON text has none
    return false;
  }
  bool visit_uint64(std::uint64_t value, jsoncons::semantic_tag, const jsoncons::ser_context&,
                    std::error_code& ec) override {
    return Scalar(Json(value), ec);
  }
  bool visit_int64(std::int64_t value, jsoncons::semantic_tag, const jsoncons::ser_context&,
                   std::error_code& ec) override {
    // The parser calls this only for numbers with a minus sign.
    return Scalar(value == 0 ? Json("-0", jsoncons::semantic_tag::bigint) : Json(value), ec);
  }
  bool visit_half(std::uint16_t, jsoncons::semantic_tag, const jsoncons::ser_context&,
                  std::error_code& ec) override {
    ec = jsoncons::json_errc::invalid_value;  // JSON text has none
    return false;
  }
  bool visit_double(double value, jsoncons::semantic_tag, const jsoncons::ser_context&,
                    std::error_code& ec) override {
    return Scalar(Json(value), ec);
  }
  bool visit_bool(bool value, jsoncons::semantic_tag, const jsoncons::ser_context&,
                  std::error_code& ec) override {
    return Scalar(Json(value), ec);
  }

  const std::string_view source_;
  std::size_t values_left_;  // one more than may follow
  std::vector<Frame> frames_;
  Json result_;
};

Error ParseFailure(const std::error_code& code, std::size_t line, std::size_t column) {
  if (code == jsoncons::json_errc::unexpected_eof) {
    return Error(ErrorCode::kInvalid, "unexpected end of JSON input");
  }
  if (code == jsoncons::json_errc::max_nesting_depth_exceeded) {
    return Error::Format(ErrorCode::kInvalid, "line {}, column {}: nested deeper than {} levels",
                         line, column, kMaxJsonDepth);
  }
  std::string reason = code.message();
  if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z' && !reason.starts_with("JSON") &&
      !reason.starts_with("UTF")) {
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  }
  if (reason.ends_with('.')) reason.pop_back();
  return Error::Format(ErrorCode::kInvalid, "line {}, column {}: {}", line, column, reason);
}

Result<Json> Parse(std::string_view text) {
  jsoncons::json_options options;
  options.lossless_number(true).allow_comments(false).allow_trailing_comma(false).max_nesting_depth(
      kMaxJsonDepth);
  jsoncons::json_parser parser(options, jsoncons::strict_json_parsing());
  Builder builder(text);
  std::error_code failure;
  parser.update(text.data(), text.size());
  parser.parse_some(builder, failure);
  if (!failure) parser.finish_parse(builder, failure);
  if (!failure) parser.check_done(failure);
  if (builder.has_too_many_values()) {
    return Error::Format(ErrorCode::kInvalid,
                         "line {}, column {}: more than {} values, the most for {} bytes",
                         parser.line(), parser.column(), MaxJsonValues(text.size()), text.size());
  }
  if (failure) return ParseFailure(failure, parser.line(), parser.column());
  return builder.Take();
}

bool IsTaggedNumber(const Json& value) {
  return value.is_string() && value.tag() != jsoncons::semantic_tag::none && value.is_number();
}

void Write(const Json& value, SecretBytes& out) {
  if (value.is_object()) {
    std::string_view separator = "{";
    for (const auto& member : value.object_range()) {
      out.Append(separator);
      separator = ",";
      AppendGoJsonString(member.key(), out);
      out.Append(":");
      Write(member.value(), out);
    }
    out.Append(value.empty() ? "{}" : "}");
  } else if (value.is_array()) {
    std::string_view separator = "[";
    for (const Json& item : value.array_range()) {
      out.Append(separator);
      separator = ",";
      Write(item, out);
    }
    out.Append(value.empty() ? "[]" : "]");
  } else if (IsText(value)) {
    AppendGoJsonString(value.as_string_view(), out);
  } else if (IsTaggedNumber(value)) {
    out.Append(value.as_string_view());
  } else if (value.is_double()) {
    out.Append(GoJsonNumber(value.as_double()));
  } else {
    out.Append(value.as_string());  // null, booleans and whole numbers
  }
}

std::string_view GoTypeName(const Json& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_bool()) return "bool";
  if (value.is_number()) return "number";
  return "string";
}

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  try {
    if (FindInvalidUtf8(text) == std::string_view::npos) return Parse(text);
    return Parse(ReplaceInvalidUtf8(text));
  } catch (const std::exception&) {
    // The exception's text is omitted, because it may quote the input.
    return Error(ErrorCode::kInternal, "the JSON parser gave up");
  }
}

SecretBytes GoJson(const Json& value) {
  SecretBytes out;
  Write(value, out);
  return out;
}

const Json* Find(const Json& value, std::initializer_list<std::string_view> path) {
  const Json* at = &value;
  for (std::string_view step : path) {
    if (at->is_object()) {
      const auto member = at->find(step);
      if (member == at->object_range().end()) return nullptr;
      at = &member->value();
      continue;
    }
    std::size_t index = 0;
    const auto [end, failure] = std::from_chars(step.data(), step.data() + step.size(), index);
    const bool is_index = failure == std::errc() && end == step.data() + step.size();
    if (!at->is_array() || !is_index || index >= at->size()) return nullptr;
    at = &at->at(index);
  }
  return at;
}

bool IsText(const Json& value) { return value.is_string() && !value.is_number(); }

std::optional<std::string> TextOf(const Json* value) {
  if (value == nullptr || !IsText(*value)) return std::nullopt;
  return value->as_string();
}

std::optional<std::string> ScalarText(const Json* value) {
  if (value == nullptr || value->is_null() || value->is_array() || value->is_object()) {
    return std::nullopt;
  }
  if (value->is_double()) return GoJsonNumber(value->as_double());
  return value->as_string();
}

std::optional<std::int64_t> IntOf(const Json* value) {
  if (value == nullptr) return std::nullopt;
  if (!value->is_string() && value->is_int64()) return value->as<std::int64_t>();
  if (IsTaggedNumber(*value) && value->as_string_view() == "-0") return 0;
  return std::nullopt;
}

std::optional<bool> BoolOf(const Json* value) {
  if (value == nullptr || !value->is_bool()) return std::nullopt;
  return value->as_bool();
}

Result<std::map<std::string, std::string>> ParseStringMap(std::string_view text) {
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.error();
  std::map<std::string, std::string> map;
  if (json->is_null()) return map;
  if (!json->is_object()) {
    return Error::Format(
        ErrorCode::kInvalid,
        "json: cannot unmarshal {} into Go value of type map[string]string: use an object",
        GoTypeName(*json));
  }
  for (const auto& member : json->object_range()) {
    const Json& value = member.value();
    if (!IsText(value) && !value.is_null()) {
      return Error::Format(ErrorCode::kInvalid,
                           "json: cannot unmarshal {} into Go value of type string: key {} must "
                           "have a string",
                           GoTypeName(value), GoQuote(member.key()));
    }
    map.emplace(member.key(), value.is_null() ? std::string() : value.as_string());
  }
  return map;
}

}  // namespace nodekeep

#include "agent/query/jmespath.h"

#include <cmath>
#include <exception>
#include <jsoncons_ext/jmespath/jmespath.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "agent/base/go_number.h"
#include "agent/base/json.h"
#include "agent/query/jmespath_expression.h"
#include "agent/query/value_text.h"

namespace nodekeep {
namespace {

using Parameters = jsoncons::span<const jsoncons::jmespath::parameter<Json>>;
using EvaluationContext = jsoncons::jmespath::eval_context<Json>;
using Functions = jsoncons::jmespath::custom_functions<Json>;

// The function around the whole expression: the value that jsoncons returns is a copy, which may be
// far larger than what it shares with the document.
constexpr char kResultFunction[] = "nodekeep_result";

// Numbers as float64, as Go's decoder reads them. Nesting is bounded by ParseJson. False: a number
// is out of range.
bool NumbersToFloats(Json& value) {
  if (value.is_object()) {
    for (auto& member : value.object_range()) {
      if (!NumbersToFloats(member.value())) return false;
    }
    return true;
  }
  if (value.is_array()) {
    for (Json& item : value.array_range()) {
      if (!NumbersToFloats(item)) return false;
    }
    return true;
  }
  if (!value.is_number()) return true;
  const std::optional<double> number = ParseGoFloat(*ScalarText(value));
  if (!number || !std::isfinite(*number)) return false;
  value = Json(*number);
  return true;
}

class Evaluation {
 public:
  explicit Evaluation(const JmespathLimits& limits) : limits_(limits) {}

  Result<JmespathResult> Run(const Json& document, const std::string& expression) {
    Functions functions;
    functions.register_function(
        kResultFunction, 1, [this](Parameters parameters, EvaluationContext&, std::error_code& ec) {
          return Take(parameters, ec);
        });
    functions.register_function(std::string(kJmespathToString), 1,
                                [this](Parameters parameters, EvaluationContext&,
                                       std::error_code& ec) { return ToString(parameters, ec); });
    functions.register_function(std::string(kJmespathAbs), 1,
                                [](Parameters parameters, EvaluationContext&, std::error_code& ec) {
                                  return Abs(parameters, ec);
                                });
    std::error_code ec;
    // The line end closes what would be a comment in other dialects.
    const auto compiled = jsoncons::jmespath::make_expression<Json>(
        std::string(kResultFunction) + "(" + expression + "\n)", functions, ec);
    if (!ec) compiled.evaluate(document, ec);
    if (too_large_) return *too_large_;
    if (ec) return Error(ErrorCode::kInvalid, ec.message());
    return std::move(result_);
  }

 private:
  static Json Refuse(std::error_code& ec) {
    ec = jsoncons::jmespath::jmespath_errc::invalid_type;
    return Json::null();
  }

  Json Take(Parameters parameters, std::error_code& ec) {
    if (!parameters[0].is_value()) return Refuse(ec);
    const Json& value = parameters[0].value();
    if (value.is_null()) return Json::null();
    if (!IsText(value)) {
      result_.kind = JmespathResult::Kind::kOther;
      return Json::null();
    }
    if (value.as_string_view().size() > limits_.text_bytes) return Exceed(ec);
    result_.kind = JmespathResult::Kind::kText;
    result_.text = SecretBytes(std::string_view(value.as_string_view()));
    return Json::null();
  }

  Json ToString(Parameters parameters, std::error_code& ec) {
    if (!parameters[0].is_value()) return Refuse(ec);
    const Json& value = parameters[0].value();
    if (IsText(value)) return value;
    const Result<SecretBytes> text =
        CompactJson(value, JsonNumbers::kFloat, HtmlInJson::kEscaped, limits_.text_bytes);
    if (!text.ok()) return Exceed(ec);
    return Json(text->Reveal());
  }

  // That of jsoncons overflows for the least int64, which a literal may be.
  static Json Abs(Parameters parameters, std::error_code& ec) {
    if (!parameters[0].is_value() || !parameters[0].value().is_number()) return Refuse(ec);
    return Json(std::fabs(parameters[0].value().as<double>()));
  }

  Json Exceed(std::error_code& ec) {
    too_large_ = Error::Format(ErrorCode::kTooLarge, "the result is larger than {} bytes",
                               limits_.text_bytes);
    return Refuse(ec);
  }

  const JmespathLimits& limits_;
  JmespathResult result_;
  std::optional<Error> too_large_;
};

}  // namespace

Result<JmespathResult> JmespathSearch(std::string_view json, std::string_view expression,
                                      const JmespathLimits& limits) {
  if (json.size() > limits.document_bytes) {
    return Error::Format(ErrorCode::kTooLarge, "the document has {} bytes; the limit is {}",
                         json.size(), limits.document_bytes);
  }
  const Result<std::string> checked = CheckedJmespath(expression, json.size(), limits);
  if (!checked.ok()) return checked.error();
  Result<Json> document = ParseJson(json);
  if (!document.ok()) return document.error();
  if (!NumbersToFloats(*document)) {
    return Error(ErrorCode::kInvalid, "a number of the document is out of the range of float64");
  }
  try {
    return Evaluation(limits).Run(*document, *checked);
  } catch (const std::exception& failure) {
    return Error(ErrorCode::kInvalid, failure.what());
  }
}

}  // namespace nodekeep

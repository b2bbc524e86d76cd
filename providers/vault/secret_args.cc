#include "providers/vault/secret_args.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/base/go_json.h"

namespace nodekeep::vault {
namespace {

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string_view WithoutSign(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return text;
}

// Digits, or a base prefix followed by anything: YamlInt decides.
bool LooksLikeInteger(std::string_view text) {
  text = WithoutSign(text);
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) == 0) return false;
  if (text.size() > 2 && text.front() == '0' && std::isalpha(static_cast<unsigned char>(text[1]))) {
    return std::string_view("xXoObB").find(text[1]) != std::string_view::npos;
  }
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0 || c == '_'; });
}

// yaml.v3: [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool LooksLikeFloat(std::string_view text) {
  text = WithoutSign(text);
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    if (!AllDigits(WithoutSign(text.substr(exponent + 1)))) return false;
    text = text.substr(0, exponent);
  }
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return AllDigits(text);
  const std::string_view whole = text.substr(0, dot), fraction = text.substr(dot + 1);
  if (whole.empty()) return AllDigits(fraction);
  return AllDigits(whole) && (fraction.empty() || AllDigits(fraction));
}

bool IsInfinityOrNan(std::string_view text) {
  text = WithoutSign(text);
  return text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" ||
         text == ".NAN";
}

// yaml.v3 reads a bare date as a time, and encoding/json writes times in full. Other time formats
// keep their spelling.
bool IsDate(std::string_view text, std::string& full) {
  const std::size_t first = text.find('-');
  const std::size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
  if (first != 4 || second == std::string_view::npos) return false;
  const std::string_view month = text.substr(5, second - 5), day = text.substr(second + 1);
  if (!AllDigits(text.substr(0, 4)) || !AllDigits(month) || month.size() > 2 || !AllDigits(day) ||
      day.size() > 2) {
    return false;
  }
  const std::chrono::year_month_day date{
      std::chrono::year(std::atoi(std::string(text.substr(0, 4)).c_str())),
      std::chrono::month(static_cast<unsigned>(std::atoi(std::string(month).c_str()))),
      std::chrono::day(static_cast<unsigned>(std::atoi(std::string(day).c_str())))};
  if (!date.ok()) return false;
  full = fmt::format("{}-{:0>2}-{:0>2}T00:00:00Z", text.substr(0, 4), month, day);
  return true;
}

Result<Json> JsonOfScalar(const YamlNode& node) {
  const std::string& text = node.text;
  if (node.quoted) return Json(text);
  if (text == "true" || text == "True" || text == "TRUE") return Json(true);
  if (text == "false" || text == "False" || text == "FALSE") return Json(false);
  if (LooksLikeInteger(text)) {
    if (Result<std::int64_t> value = YamlInt(node); value.ok()) return Json(*value);
  }
  if (LooksLikeFloat(text)) return ParseJson(GoJsonNumber(std::strtod(text.c_str(), nullptr)));
  if (IsInfinityOrNan(text)) {
    return YamlError(node, "a JSON body cannot hold " + text + "; put it in quotes for a text");
  }
  std::string full;
  return IsDate(text, full) ? Json(full) : Json(text);
}

}  // namespace

Result<Json> JsonOfYaml(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return Json::null();
    case YamlNode::Kind::kScalar:
      return JsonOfScalar(node);
    case YamlNode::Kind::kSequence: {
      Json list(jsoncons::json_array_arg);
      for (const YamlNode& item : node.items) {
        Result<Json> value = JsonOfYaml(item);
        if (!value.ok()) return value.error();
        list.push_back(*std::move(value));
      }
      return list;
    }
    case YamlNode::Kind::kMapping: {
      Json object(jsoncons::json_object_arg);
      for (const auto& [key, item] : node.entries) {
        Result<Json> value = JsonOfYaml(item);
        if (!value.ok()) return value.error();
        object.insert_or_assign(key.text, *std::move(value));
      }
      return object;
    }
  }
  return Json::null();
}

}  // namespace nodekeep::vault

#include "agent/app/render.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cctype>

#include "agent/base/go_json.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Whether every YAML parser reads the unquoted scalar as this string.
bool IsPlainScalar(std::string_view text) {
  if (text.empty() || text.back() == ':') return false;
  const bool starts_well = std::isalpha(static_cast<unsigned char>(text.front())) != 0 ||
                           text.front() == '/' || text.front() == '_';
  if (!starts_well) return false;
  for (char c : text) {
    const bool safe = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                      std::string_view("/_.-@+=").find(c) != std::string_view::npos || c == ':';
    if (!safe) return false;
  }
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) return false;
  }
  return true;
}

// A duration or a size: digits first, a unit last, so that YAML does not read it as a number.
bool IsQuantity(std::string_view text) {
  const bool shape = std::all_of(text.begin(), text.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0 || c == '.'; });
  if (!shape || text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) == 0) {
    return false;
  }
  return std::string_view("smhBi").find(text.back()) != std::string_view::npos &&
         !text.starts_with("0x");
}

std::string ScalarAsYaml(const Json& value) {
  if (IsText(value)) return YamlScalar(value.as_string_view());
  return std::string(GoJson(value).Reveal());
}

void WriteYaml(const Json& value, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  if (value.is_object()) {
    for (const auto& member : value.object_range()) {
      out += margin + YamlScalar(member.key()) + ":";
      const Json& inner = member.value();
      if ((inner.is_object() || inner.is_array()) && !inner.empty()) {
        out += "\n";
        WriteYaml(inner, indent + 2, out);
      } else {
        out += " " + ScalarAsYaml(inner) + "\n";
      }
    }
    return;
  }
  for (const Json& item : value.array_range()) {
    if ((item.is_object() || item.is_array()) && !item.empty()) {
      std::string block;
      WriteYaml(item, indent + 2, block);
      block[indent] = '-';
      out += block;
    } else {
      out += margin + "- " + ScalarAsYaml(item) + "\n";
    }
  }
}

void WritePretty(const Json& value, std::size_t indent, std::string& out) {
  const bool nested = (value.is_object() || value.is_array()) && !value.empty();
  if (!nested) {
    out += std::string(GoJson(value).Reveal());
    return;
  }
  const std::string margin(indent + 2, ' ');
  std::string separator = value.is_object() ? "{\n" : "[\n";
  const auto next = [&] {
    out += separator + margin;
    separator = ",\n";
  };
  if (value.is_object()) {
    for (const auto& member : value.object_range()) {
      next();
      out += GoJsonString(member.key()) + ": ";
      WritePretty(member.value(), indent + 2, out);
    }
  } else {
    for (const Json& item : value.array_range()) {
      next();
      WritePretty(item, indent + 2, out);
    }
  }
  out += "\n" + std::string(indent, ' ') + (value.is_object() ? "}" : "]");
}

Json FieldAsJson(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.has_presence() && !reflection.HasField(message, &field)) return Json::null();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: return Json(reflection.GetBool(message, &field));
    case FieldDescriptor::CPPTYPE_INT32: return Json(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64: return Json(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32: return Json(reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64: return Json(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE: return Json(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_STRING: return Json(reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageAsJson(reflection.GetMessage(message, &field));
    default: return Json::null();
  }
}

Json RepeatedAsJson(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  Json list(jsoncons::json_array_arg);
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      list.push_back(MessageAsJson(reflection.GetRepeatedMessage(message, &field, i)));
    } else {
      list.push_back(Json(reflection.GetRepeatedString(message, &field, i)));
    }
  }
  return list;
}

}  // namespace

std::string YamlScalar(std::string_view text) {
  return IsPlainScalar(text) || IsQuantity(text) ? std::string(text) : GoJsonString(text);
}

std::string JsonAsYaml(const Json& value) {
  if ((!value.is_object() && !value.is_array()) || value.empty()) return ScalarAsYaml(value) + "\n";
  std::string text;
  WriteYaml(value, 0, text);
  return text;
}

std::string PrettyJson(const Json& value) {
  std::string text;
  WritePretty(value, 0, text);
  return text + "\n";
}

Json JsonTexts(const std::vector<std::string>& texts) {
  Json list(jsoncons::json_array_arg);
  for (const std::string& text : texts) list.push_back(Json(text));
  return list;
}

Json MessageAsJson(const Message& message) {
  Json json(jsoncons::json_object_arg);
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    json[field.json_name()] =
        field.is_repeated() ? RepeatedAsJson(message, field) : FieldAsJson(message, field);
  }
  return json;
}

std::string Printable(std::string_view text) {
  std::string printable = ReplaceInvalidUtf8(text);
  for (char& c : printable) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return printable;
}

std::string TextTable::Text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Printable(row[i]).size());
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{:<{}}", Printable(row[i]), widths[i] + 2);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace nodekeep

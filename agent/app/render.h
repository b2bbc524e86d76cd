#pragma once

// Output formats of the command line: JSON, YAML and aligned columns.

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json.h"

namespace google::protobuf {
class Message;
}

namespace nodekeep {

// A YAML scalar that parses as exactly this text, quoted if necessary.
std::string YamlScalar(std::string_view text);
// Block style, two spaces a level.
std::string JsonAsYaml(const Json& value);
// Indented by two spaces, with a final newline.
std::string PrettyJson(const Json& value);

Json JsonTexts(const std::vector<std::string>& texts);

// Every field by its lowerCamelCase name; numbers as numbers, `optional` ones that are absent null.
Json MessageAsJson(const google::protobuf::Message& message);

// Columns as wide as their widest cell, two spaces apart. Control characters become `?`: cells may
// contain untrusted text, which must not control the terminal.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// One line of text with control characters replaced.
std::string Printable(std::string_view text);

}  // namespace nodekeep

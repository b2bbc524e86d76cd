// Says how the YAML reader reads a text, for tests/integration/test_yaml.py: one line of JSON for
// each file named, in the form of tests/tools/yaml-oracle. Texts are written in base64.
//
//   {"documents":[NODE...]} or {"error":"..."}
//   NODE: null or {"kind":"scalar|list|map","line":L,"column":C,"text":T,"quoted":true,"int":I,
//                  "bool":B,"items":[NODE...],"entries":[{"key":T,"value":NODE}...]}

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/base/yaml.h"

namespace nodekeep {
namespace {

Json Described(const YamlNode& node) {
  if (node.IsNull()) return Json::null();
  Json described(jsoncons::json_object_arg);
  described["kind"] = node.IsScalar() ? "scalar" : node.IsSequence() ? "list" : "map";
  described["line"] = node.line;
  described["column"] = node.column;
  if (!node.text.empty()) described["text"] = Base64Encode(node.text);
  if (node.quoted) described["quoted"] = true;
  if (const Result<std::int64_t> number = YamlInt(node); number.ok()) described["int"] = *number;
  if (const Result<bool> truth = YamlBool(node); truth.ok()) described["bool"] = *truth;
  Json items(jsoncons::json_array_arg);
  for (const YamlNode& item : node.items) items.push_back(Described(item));
  if (!items.empty()) described["items"] = std::move(items);
  Json entries(jsoncons::json_array_arg);
  for (const auto& [key, value] : node.entries) {
    Json entry(jsoncons::json_object_arg);
    entry["key"] = Base64Encode(key.text);
    entry["value"] = Described(value);
    entries.push_back(std::move(entry));
  }
  if (!entries.empty()) described["entries"] = std::move(entries);
  return described;
}

Json Read(std::string_view text) {
  Json said(jsoncons::json_object_arg);
  const Result<std::vector<YamlNode>> documents = ParseYamlDocuments(text);
  if (!documents.ok()) {
    said["error"] = documents.error().message();
    return said;
  }
  Json described(jsoncons::json_array_arg);
  for (const YamlNode& document : *documents) described.push_back(Described(document));
  said["documents"] = std::move(described);
  return said;
}

}  // namespace
}  // namespace nodekeep

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    if (!file) {
      std::fprintf(stderr, "%s: cannot be read\n", argv[i]);
      return 1;
    }
    std::printf("%s\n", std::string(nodekeep::GoJson(nodekeep::Read(text)).Reveal()).c_str());
  }
  return 0;
}

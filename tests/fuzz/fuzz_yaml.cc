// YAML reader: limits hold, keys are unique, and an accepted tree survives a round trip through
// flow YAML.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/utf8.h"
#include "agent/base/yaml.h"
#include "tests/fuzz/budget.h"
#include "tests/fuzz/require.h"

namespace nodekeep {
namespace {

std::size_t CheckTree(const YamlNode& node, int depth) {
  Require(depth <= kMaxYamlDepth, "the depth limit holds");
  Require(node.line >= 1 && node.column >= 1, "every node has a line and a column");
  Require(node.items.empty() || node.IsSequence(), "only sequences have items");
  Require(node.entries.empty() || node.IsMapping(), "only mappings have entries");
  std::size_t count = 1;
  for (const YamlNode& item : node.items) count += CheckTree(item, depth + 1);
  std::set<std::string_view> keys;
  for (const auto& [key, value] : node.entries) {
    Require(key.IsScalar() || key.IsNull(), "keys are scalars");
    Require(keys.insert(key.text).second, "keys are unique");
    if (key.IsScalar()) Require(node.Find(key.text) == &value, "a value is found by its key");
    count += 1 + CheckTree(value, depth + 1);
  }
  Require(YamlText(node).ok() == (node.IsScalar() || node.IsNull()), "scalars and nulls are texts");
  if (YamlInt(node).ok()) Require(node.IsScalar() && !node.quoted, "numbers are not quoted");
  if (YamlBool(node).ok()) Require(node.IsScalar(), "booleans are scalars");
  return count;
}

// The character that `text`, its UTF-8, is.
std::uint32_t CodePoint(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  std::uint32_t point = text.size() == 1 ? lead : lead & (0x7Fu >> text.size());
  for (char c : text.substr(1)) point = (point << 6) | (static_cast<unsigned char>(c) & 0x3Fu);
  return point;
}

// Characters beyond ASCII are escaped, since some of them are line breaks.
void WriteScalar(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const std::string_view character =
        text.substr(0, std::max<std::size_t>(Utf8SequenceLength(text), 1));
    const char c = text[0];
    if (character.size() > 1 || (c >= 0 && (c < 0x20 || c == 0x7F || c == '"' || c == '\\'))) {
      out += fmt::format("\\U{:08x}", CodePoint(character));
    } else {
      out += c;
    }
    text.remove_prefix(character.size());
  }
  out += '"';
}

void Write(const YamlNode& node, std::string& out) {
  if (node.IsNull()) out += '~';
  if (node.IsScalar()) WriteScalar(node.text, out);
  if (node.IsSequence()) {
    out += '[';
    for (const YamlNode& item : node.items) {
      Write(item, out);
      out += ",\n";
    }
    out += ']';
  }
  if (node.IsMapping()) {
    out += '{';
    for (const auto& [key, value] : node.entries) {
      out += "? ";
      Write(key, out);
      out += "\n: ";
      Write(value, out);
      out += ",\n";
    }
    out += '}';
  }
}

bool Same(const YamlNode& a, const YamlNode& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size() ||
      a.entries.size() != b.entries.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!Same(a.items[i], b.items[i])) return false;
  }
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    if (!Same(a.entries[i].key, b.entries[i].key) ||
        !Same(a.entries[i].value, b.entries[i].value)) {
      return false;
    }
  }
  return true;
}

void CheckWrittenAgain(const YamlNode& node) {
  std::string text;
  Write(node, text);
  // !!binary may hold bytes that YAML text cannot.
  if (text.size() > kMaxYamlBytes / 2 || FindInvalidUtf8(text) != std::string::npos) return;
  const Result<YamlNode> again = ParseYaml(text);
  Require(again.ok(), "written text can be parsed");
  Require(Same(node, *again), "the round trip keeps the tree");
}

void CheckError(const Error& error) {
  Require(error.code() == ErrorCode::kInvalid || error.code() == ErrorCode::kTooLarge,
          "malformed text is kInvalid or kTooLarge");
  Require(error.message().size() < 300, "an error text is short");
  Require(FindInvalidUtf8(error.message()) == std::string_view::npos, "an error text is UTF-8");
}

}  // namespace
}  // namespace nodekeep

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodekeep;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<YamlNode> first = Budget::Within([&] { return ParseYaml(text); });
  const Result<std::vector<YamlNode>> all =
      Budget::Within([&] { return ParseYamlDocuments(text); });
  if (!first.ok()) {
    CheckError(first.error());
    Require(!all.ok(), "an invalid first document is an error of the whole text");
    return 0;
  }
  Require(CheckTree(*first, 0) <= kMaxYamlNodes, "the node limit holds");
  CheckWrittenAgain(*first);
  if (!all.ok()) {
    CheckError(all.error());
    return 0;
  }
  std::size_t count = 0;
  for (const YamlNode& document : *all) count += CheckTree(document, 0);
  Require(count <= kMaxYamlNodes, "the node limit holds over all documents");
  Require(all->empty() ? first->IsNull() : Same(all->front(), *first),
          "ParseYaml returns the first document");
  return 0;
}

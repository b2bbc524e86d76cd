#include "agent/base/yaml.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "agent/base/codecs.h"
#include "agent/base/go_text.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

Error ErrorAt(int line, int column, std::string_view message) {
  return Error::Format(ErrorCode::kInvalid, "line {}, column {}: {}", line, column, message);
}

// How much one call of ours may still produce.
struct Budget {
  std::size_t nodes = kMaxYamlNodes;
  std::size_t bytes = kMaxYamlBytes;
};

// A node as written: children and aliases by index into the list of all nodes of the document, so
// that an anchored subtree is stored once however often it is named.
struct RawNode {
  YamlNode::Kind kind = YamlNode::Kind::kNull;
  bool is_alias = false;
  bool is_open = false;   // its end has not been read yet
  bool is_block = false;  // a collection by indentation, not by brackets
  bool quoted = false;
  int line = 1;
  int column = 1;
  std::size_t offset = 0;  // of line and column in the document's text
  std::string text;
  std::vector<std::size_t> children;  // a mapping's: key, value, key, value...
};

// The words of yaml.v3.
constexpr std::string_view kNoColon = "could not find expected ':'";

// Without the anchors and tags that stand in front of a node.
std::string_view WithoutProperties(std::string_view text) {
  while (text.starts_with('&') || text.starts_with('!')) {
    text.remove_prefix(std::min(text.find_first_of(" \t\n"), text.size()));
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
  }
  return text;
}

// Length of the quoted text that `text` begins with.
std::size_t QuotedLength(std::string_view text) {
  const char quote = text[0];
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      const bool doubled = quote == '\'' && text.substr(i + 1).starts_with('\'');
      if (!doubled) return i + 1;
      ++i;
    }
  }
  return text.size();
}

// Whether the key that begins at `offset` is written as one: with a colon behind it, or with a
// question mark in front.
bool IsWrittenAsKey(std::string_view text, std::size_t offset) {
  const std::size_t before = text.find_last_not_of(" \t\n", offset == 0 ? 0 : offset - 1);
  if (offset > 0 && before != std::string_view::npos && text[before] == '?') return true;
  std::string_view rest = WithoutProperties(text.substr(offset));
  if (rest.starts_with('"') || rest.starts_with('\'')) {
    rest.remove_prefix(QuotedLength(rest));
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    return rest.starts_with(':');
  }
  rest = rest.substr(0, rest.find('\n'));
  rest = rest.substr(0, rest.find(" #"));
  return rest.ends_with(':') || rest.find(": ") != std::string_view::npos ||
         rest.find(":\t") != std::string_view::npos;
}

// Collects the events of one document, the source text of which is `text`. yaml-cpp cannot be told
// to stop, so that after the first problem the remaining events are let pass.
class Collector final : public YAML::EventHandler {
 public:
  Collector(std::string_view text, int first_line) : text_(text), first_line_(first_line) {}

  std::vector<RawNode> TakeNodes() { return std::move(nodes_); }
  const std::optional<Error>& problem() const { return problem_; }

 private:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Report(mark, "unexpected text after the end of the document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, anchor, YamlNode::Kind::kNull);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (problem_) return;
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end()) return Report(mark, "the referenced anchor is not defined");
    if (nodes_[target->second].is_open) return Report(mark, "an anchor's value contains itself");
    if (RawNode* node = Add(mark, 0, nodes_[target->second].kind)) {
      node->is_alias = true;
      node->children.push_back(target->second);
    }
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag == std::string(kTagPrefix) + "null") return OnNull(mark, anchor);
    if (value.empty() && IsOpeningQuoteAtEnd(mark)) {
      return Report(mark, "a quoted text is not closed");
    }
    RawNode* node = Add(mark, anchor, YamlNode::Kind::kScalar);
    if (node == nullptr) return;
    node->text = value;
    // "!" is yaml-cpp's word for quoted and block scalars, "?" for plain ones.
    node->quoted = tag == "!" || tag == std::string(kTagPrefix) + "str";
    if (tag == std::string(kTagPrefix) + "binary") {
      const Result<SecretBytes> bytes = Base64Decode(value);
      if (!bytes.ok()) return Report(mark, "!!binary value contains invalid base64 data");
      node->text = bytes->Reveal();
      node->quoted = true;
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(mark, anchor, YamlNode::Kind::kSequence, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(mark, anchor, YamlNode::Kind::kMapping, style);
  }
  void OnMapEnd() override { Close(); }

  // yaml-cpp takes an opening quote that is the last character of all as an empty text. The mark is
  // where an anchor or tag in front of it begins.
  bool IsOpeningQuoteAtEnd(const YAML::Mark& mark) const {
    const std::string_view rest =
        WithoutProperties(text_.substr(static_cast<std::size_t>(mark.pos)));
    return rest == "\"" || rest == "'";
  }

  void Report(const YAML::Mark& mark, std::string_view message) {
    if (!problem_) problem_ = ErrorAt(mark.line + first_line_, mark.column + 1, message);
  }

  // The key that waits for its value, of a mapping by indentation.
  const RawNode* WaitingKey() const {
    if (open_.empty()) return nullptr;
    const RawNode& parent = nodes_[open_.back()];
    const bool waits = parent.kind == YamlNode::Kind::kMapping && parent.children.size() % 2 == 1;
    return waits && parent.is_block ? &nodes_[parent.children.back()] : nullptr;
  }

  // yaml-cpp takes some lines without colon as keys without value, and what stands below a key, no
  // further in than the key itself, as its value, which YAML allows for lists only.
  void CheckKey(const YAML::Mark& mark, YamlNode::Kind kind, bool is_block) {
    const RawNode* const key = WaitingKey();
    if (key == nullptr) return;
    if (kind == YamlNode::Kind::kNull) {
      if (key->kind == YamlNode::Kind::kScalar && !key->is_alias &&
          !IsWrittenAsKey(text_, key->offset)) {
        problem_ = ErrorAt(key->line, key->column, kNoColon);
      }
    } else if (kind != YamlNode::Kind::kSequence || !is_block) {
      const int indentation = std::min(nodes_[open_.back()].column, key->column);
      if (mark.line + first_line_ > key->line && mark.column + 1 <= indentation) {
        Report(mark, kNoColon);
      }
    }
  }

  // Null once there is a problem.
  RawNode* Add(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind,
               bool is_block = false) {
    if (!problem_) CheckKey(mark, kind, is_block);
    if (problem_) return nullptr;
    if (nodes_.size() >= kMaxYamlNodes) {
      Report(mark, fmt::format("the text has more than {} nodes", kMaxYamlNodes));
      return nullptr;
    }
    const std::size_t index = nodes_.size();
    if (!open_.empty()) nodes_[open_.back()].children.push_back(index);
    if (anchor != 0) anchors_[anchor] = index;
    RawNode& node = nodes_.emplace_back();
    node.kind = kind;
    node.is_block = is_block;
    node.line = mark.line + first_line_;
    node.column = mark.column + 1;
    node.offset = static_cast<std::size_t>(mark.pos);
    return &node;
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind,
            YAML::EmitterStyle::value style) {
    if (open_.size() >= kMaxYamlDepth) {
      Report(mark, fmt::format("nested deeper than {} levels", kMaxYamlDepth));
    }
    RawNode* node = Add(mark, anchor, kind, style == YAML::EmitterStyle::Block);
    if (node == nullptr) return;
    node->is_open = true;
    open_.push_back(nodes_.size() - 1);
  }

  void Close() {
    if (problem_) return;
    nodes_[open_.back()].is_open = false;
    open_.pop_back();
  }

  const std::string_view text_;
  const int first_line_;
  int documents_ = 0;
  std::vector<RawNode> nodes_;
  std::vector<std::size_t> open_;
  std::unordered_map<YAML::anchor_t, std::size_t> anchors_;
  std::optional<Error> problem_;
};

// Turns the nodes as written into the tree: aliases expanded, merges done, keys checked.
class Expander {
 public:
  Expander(const std::vector<RawNode>& nodes, Budget& budget) : nodes_(nodes), budget_(budget) {}

  Result<YamlNode> Expand(std::size_t index, int depth) {
    const RawNode* raw = &nodes_[index];
    const RawNode& named = *raw;
    while (raw->is_alias) raw = &nodes_[raw->children[0]];
    if (depth > kMaxYamlDepth) {
      return ErrorAt(named.line, named.column,
                     fmt::format("expands to more than {} levels", kMaxYamlDepth));
    }
    if (Status paid = Pay(named, raw->text.size()); !paid.ok()) return paid.error();
    YamlNode node;
    node.kind = raw->kind;
    node.text = raw->text;
    node.quoted = raw->quoted;
    node.line = raw->line;
    node.column = raw->column;
    Status filled;
    if (node.IsSequence()) filled = FillSequence(*raw, depth, node);
    if (node.IsMapping()) filled = FillMapping(*raw, depth, node);
    if (!filled.ok()) return filled.error();
    return node;
  }

 private:
  Status Pay(const RawNode& node, std::size_t bytes) {
    if (budget_.nodes == 0) {
      return ErrorAt(node.line, node.column,
                     fmt::format("expands to more than {} nodes", kMaxYamlNodes));
    }
    if (budget_.bytes < bytes) {
      return ErrorAt(node.line, node.column,
                     fmt::format("expands to more than {} bytes", kMaxYamlBytes));
    }
    --budget_.nodes;
    budget_.bytes -= bytes;
    return {};
  }

  Status FillSequence(const RawNode& raw, int depth, YamlNode& node) {
    node.items.reserve(raw.children.size());
    for (std::size_t child : raw.children) {
      Result<YamlNode> item = Expand(child, depth + 1);
      if (!item.ok()) return item.error();
      node.items.push_back(*std::move(item));
    }
    return {};
  }

  Status FillMapping(const RawNode& raw, int depth, YamlNode& node) {
    std::unordered_map<std::string, int> lines;  // of the keys seen
    std::optional<YamlNode> merged;
    for (std::size_t i = 0; i + 1 < raw.children.size(); i += 2) {
      Result<YamlNode> key = Expand(raw.children[i], depth + 1);
      if (!key.ok()) return key.error();
      if (!key->IsScalar() && !key->IsNull()) return YamlError(*key, "a key must be a scalar");
      const auto [seen, is_new] = lines.emplace(key->text, key->line);
      if (!is_new) {
        return YamlError(*key, fmt::format("mapping key {} already defined at line {}",
                                           GoQuote(key->text), seen->second));
      }
      Result<YamlNode> value = Expand(raw.children[i + 1], depth + 1);
      if (!value.ok()) return value.error();
      if (key->text == "<<" && !key->quoted) {
        merged = *std::move(value);
      } else {
        node.entries.emplace_back(*std::move(key), *std::move(value));
      }
    }
    return merged ? Merge(*std::move(merged), node) : Status();
  }

  // Keys of `node` win over merged ones, earlier sources over later ones.
  static Status Merge(YamlNode merged, YamlNode& node) {
    std::vector<YamlNode> sources;
    if (merged.IsSequence()) {
      sources = std::move(merged.items);
    } else {
      sources.push_back(std::move(merged));
    }
    std::unordered_set<std::string> keys;
    for (const auto& [key, value] : node.entries) keys.insert(key.text);
    for (YamlNode& source : sources) {
      if (!source.IsMapping()) {
        return YamlError(source, "map merge requires map or sequence of maps as the value");
      }
      for (YamlEntry& entry : source.entries) {
        if (keys.insert(entry.key.text).second) node.entries.push_back(std::move(entry));
      }
    }
    return {};
  }

  const std::vector<RawNode>& nodes_;
  Budget& budget_;
};

// "---" or "..." at the start of a line and followed by nothing else of a word.
bool IsMarker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == marker.size() || line[marker.size()] == ' ' ||
                                      line[marker.size()] == '\t');
}

bool IsBlankOrComment(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first == std::string_view::npos || line[first] == '#';
}

// yaml-cpp takes a quoted text that reaches the end of its input as complete if the last line is
// blank. At an end marker it does not.
std::string WithEndMarker(std::string_view text) {
  const std::size_t last_line = text.rfind('\n') + 1;
  if (text.find_first_not_of(" \t", last_line) != std::string_view::npos) return std::string(text);
  return std::string(text.substr(0, last_line)) + "...\n";
}

// yaml-cpp's words, cut where some versions go on to quote the input.
std::string ReasonOf(const YAML::Exception& failure) {
  if (failure.msg.starts_with("illegal document indicator in scalar") ||
      failure.msg.starts_with("illegal EOF in scalar")) {
    return "a quoted text is not closed";
  }
  if (failure.msg == "end of map not found") return std::string(kNoColon);
  for (std::string_view quoting :
       {"the referenced anchor is not defined", "unknown escape character"}) {
    if (failure.msg.starts_with(quoting)) return std::string(quoting);
  }
  return failure.msg;
}

struct Document {
  std::string_view text;
  int first_line;
};

// One document's text, `first_line` being the number of its first line.
Result<std::vector<RawNode>> ReadNodes(const std::string& text, int first_line) {
  Collector collector(text, first_line);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(collector) && !collector.problem()) {
    }
  } catch (const YAML::Exception& failure) {
    if (collector.problem()) return *collector.problem();
    if (failure.mark.is_null()) return ErrorAt(first_line, 1, ReasonOf(failure));
    return ErrorAt(failure.mark.line + first_line, failure.mark.column + 1, ReasonOf(failure));
  } catch (const std::exception&) {
    // Its text is left out: it may quote the input.
    return Error(ErrorCode::kInternal, "the YAML parser gave up");
  }
  if (collector.problem()) return *collector.problem();
  return collector.TakeNodes();
}

Result<YamlNode> ParseDocument(const Document& document, Budget& budget) {
  const Result<std::vector<RawNode>> nodes =
      ReadNodes(WithEndMarker(document.text), document.first_line);
  if (!nodes.ok()) return nodes.error();
  if (nodes->empty()) return YamlNode();
  return Expander(*nodes, budget).Expand(0, 0);
}

// Takes the next document off the front of `text`. Markers stand at the start of a line wherever
// they occur, in block and quoted scalars too, so that looking at lines is exact. yaml-cpp itself
// takes whatever follows a complete value as a new document and so loses text without a word.
std::optional<Document> TakeDocument(std::string_view& text, int& line_number) {
  std::size_t start = 0;
  int first_line = line_number;
  bool has_content = false;
  bool has_directive = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const std::size_t next = std::min(end + 1, text.size());
    const bool is_end = IsMarker(line, "...");
    if (has_content && (is_end || IsMarker(line, "---"))) {
      const Document document{text.substr(start, at - start), first_line};
      line_number += is_end ? 1 : 0;
      text.remove_prefix(is_end ? next : at);
      return document;
    }
    ++line_number;
    at = next;
    if (is_end) {
      start = next;
      first_line = line_number;
    } else if (line.starts_with('%')) {
      has_directive = true;
    } else if (!IsBlankOrComment(line)) {
      has_content = true;
    }
  }
  const Document document{text.substr(start), first_line};
  text = {};
  if (!has_content && !has_directive) return std::nullopt;
  return document;
}

// What yaml.v3 refuses before it looks at structure.
Status CheckBytes(std::string_view text) {
  if (text.size() > kMaxYamlBytes) {
    return Error::Format(ErrorCode::kTooLarge, "the YAML text is larger than {} bytes",
                         kMaxYamlBytes);
  }
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const int column = static_cast<int>(i - line_start) + 1;
    const std::size_t length = Utf8SequenceLength(text.substr(i));
    if (length == 0) return ErrorAt(line, column, "invalid UTF-8");
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      return ErrorAt(line, column, "control characters are not allowed");
    }
    i += length;
    if (byte == '\n') {
      ++line;
      line_start = i;
    }
  }
  return {};
}

// YAML reads every kind of line break as \n; yaml-cpp 0.7 does not know a lone \r.
std::string WithPlainLineBreaks(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      plain += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      plain += '\n';
    }
  }
  return plain;
}

// `visit` takes a document's node and answers whether to go on.
template <typename Visit>
Status ForEachDocument(std::string_view text, const Visit& visit) {
  if (Status bytes = CheckBytes(text); !bytes.ok()) return bytes;
  const std::string plain = WithPlainLineBreaks(text);
  std::string_view rest = plain;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  Budget budget;
  int line = 1;
  while (const std::optional<Document> document = TakeDocument(rest, line)) {
    Result<YamlNode> node = ParseDocument(*document, budget);
    if (!node.ok()) return node.error();
    if (!visit(*std::move(node))) break;
  }
  return {};
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name.IsScalar() && name.text == key) return &value;
  }
  return nullptr;
}

Result<YamlNode> ParseYaml(std::string_view text) {
  YamlNode first;
  const Status status = ForEachDocument(text, [&](YamlNode node) {
    first = std::move(node);
    return false;
  });
  if (!status.ok()) return status.error();
  return first;
}

Result<std::vector<YamlNode>> ParseYamlDocuments(std::string_view text) {
  std::vector<YamlNode> documents;
  const Status status = ForEachDocument(text, [&](YamlNode node) {
    documents.push_back(std::move(node));
    return true;
  });
  if (!status.ok()) return status.error();
  return documents;
}

Error YamlError(const YamlNode& node, std::string_view message) {
  return ErrorAt(node.line, node.column, message);
}

}  // namespace nodekeep

#include "agent/base/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "agent/base/codecs.h"
#include "agent/base/go_text.h"

namespace nodekeep {
namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

// libyaml compares each %TAG directive with all before it.
constexpr std::size_t kMaxTagDirectives = 100;

Error ErrorAt(std::size_t line, std::size_t column, std::string_view message) {
  return Error::Format(ErrorCode::kInvalid, "line {}, column {}: {}", line, column, message);
}

template <std::size_t N>
bool IsOneOf(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool IsNullText(std::string_view text) {
  constexpr std::array<std::string_view, 5> kNulls = {"", "~", "null", "Null", "NULL"};
  return IsOneOf(text, kNulls);
}

// libyaml's events of one text, made into trees document by document: aliases expanded, merges
// done, keys checked. Counts nodes and bytes over all documents.
class Reader {
 public:
  explicit Reader(std::string_view text, const YamlOptions& options = {})
      : text_(text), options_(options) {
    is_ready_ = yaml_parser_initialize(&parser_) != 0;
    if (!is_ready_) return;
    // Given, so that a byte order mark cannot choose UTF-16; the mark of UTF-8 is taken off here.
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    // It aborts on a null pointer, which an empty string_view may hold.
    const char* const start = text_.empty() ? "" : text_.data();
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(start),
                                 text_.size());
  }
  ~Reader() { yaml_parser_delete(&parser_); }

  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Moves to the next document. False: there is none.
  Result<bool> FindDocument() {
    if (!is_ready_) return Error(ErrorCode::kInternal, "no memory for a YAML parser");
    events_.clear();
    anchors_.clear();
    while (true) {
      const Result<Event> event = ReadEvent();
      if (!event.ok()) return event.error();
      if (event->type == YAML_DOCUMENT_START_EVENT) return true;
      // None comes after an error.
      if (event->type == YAML_STREAM_END_EVENT || event->type == YAML_NO_EVENT) return false;
    }
  }

  // The document that FindDocument has found, to its end.
  Result<YamlNode> ReadDocument() {
    std::size_t at = 0;
    Result<YamlNode> node = ReadNode(at, 0);
    if (!node.ok()) return node;
    const Result<Event> end = ReadEvent();
    if (!end.ok()) return end.error();
    return node;
  }

  // Whether the document read last ends in "...".
  bool has_end_marker() const { return has_end_marker_; }

 private:
  struct Event {
    yaml_event_type_t type = YAML_NO_EVENT;
    YamlNode node;           // of a collection: without its content
    std::size_t target = 0;  // of an alias: which event has the anchor
    bool is_open = false;    // a collection that is being read
  };

  // Deletes the event on each way out.
  using RawEvent = std::unique_ptr<yaml_event_t, decltype(&yaml_event_delete)>;

  static std::string_view View(const unsigned char* text) {
    return text == nullptr ? "" : reinterpret_cast<const char*>(text);
  }

  static std::size_t CountCharacters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
  }

  Error ErrorAtOffset(std::size_t offset, std::string_view message) const {
    const std::string_view before = text_.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    return ErrorAt(static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1,
                   CountCharacters(before.substr(line_start)) + 1, message);
  }

  // What libyaml found wrong, in its words, which are those of yaml.v3 too.
  Error Problem() const {
    if (parser_.problem == nullptr) return Error(ErrorCode::kInternal, "the YAML parser gave up");
    const std::string_view problem = parser_.problem;
    if (parser_.error == YAML_READER_ERROR) {
      const bool is_control = problem.starts_with("control characters");
      return ErrorAtOffset(parser_.problem_offset, is_control ? problem : "invalid UTF-8");
    }
    const std::string_view context = parser_.context == nullptr ? "" : parser_.context;
    const std::string message = fmt::format("{}{}{}", problem, context.empty() ? "" : " ", context);
    // The parser notices a missing colon or quote later than where it has to be written.
    const bool is_noticed_late =
        context == "while scanning a simple key" || context == "while scanning a quoted scalar";
    const yaml_mark_t& mark = is_noticed_late ? parser_.context_mark : parser_.problem_mark;
    if (mark.index < CountCharacters(text_)) {
      return ErrorAt(mark.line + 1, mark.column + 1, message);
    }
    // For the parser the end of the text is on a line of its own.
    return ErrorAtOffset(text_.find_last_not_of(" \t\r\n") + 1, message);
  }

  Result<Event> ReadEvent() {
    yaml_event_t parsed;
    if (yaml_parser_parse(&parser_, &parsed) == 0) return Problem();
    const RawEvent raw(&parsed, &yaml_event_delete);
    Event event;
    event.type = raw->type;
    event.node.line = static_cast<int>(raw->start_mark.line) + 1;
    event.node.column = static_cast<int>(raw->start_mark.column) + 1;
    const unsigned char* anchor = nullptr;
    const unsigned char* tag = nullptr;
    switch (raw->type) {
      case YAML_ALIAS_EVENT: {
        const auto target = anchors_.find(std::string(View(raw->data.alias.anchor)));
        if (target == anchors_.end()) {
          return YamlError(event.node, "the referenced anchor is not defined");
        }
        event.target = target->second;
        break;
      }
      case YAML_SCALAR_EVENT:
        if (Status read = ReadScalar(raw->data.scalar, event.node); !read.ok()) return read.error();
        anchor = raw->data.scalar.anchor;
        tag = raw->data.scalar.tag;
        break;
      case YAML_SEQUENCE_START_EVENT:
        event.node.kind = YamlNode::Kind::kSequence;
        anchor = raw->data.sequence_start.anchor;
        tag = raw->data.sequence_start.tag;
        break;
      case YAML_MAPPING_START_EVENT:
        event.node.kind = YamlNode::Kind::kMapping;
        anchor = raw->data.mapping_start.anchor;
        tag = raw->data.mapping_start.tag;
        break;
      case YAML_DOCUMENT_END_EVENT: has_end_marker_ = raw->data.document_end.implicit == 0; break;
      default: break;
    }
    if (anchor != nullptr) anchors_[std::string(View(anchor))] = events_.size();
    // A %TAG directive lets a few bytes stand for many.
    if (Status paid = PayBytes(event.node, View(tag).size()); !paid.ok()) return paid.error();
    return event;
  }

  static Status ReadScalar(const decltype(yaml_event_t::data.scalar)& scalar, YamlNode& node) {
    // Tags under which yaml.v3 looks at the spelling even of quoted text.
    constexpr std::array<std::string_view, 6> kSpelled = {"null",  "bool",      "int",
                                                          "float", "timestamp", "merge"};
    node.kind = YamlNode::Kind::kScalar;
    node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    std::string_view tag = View(scalar.tag);
    const bool is_untagged = tag.empty() || tag == "!";
    const bool is_core = tag.starts_with(kTagPrefix);
    if (is_core) tag.remove_prefix(kTagPrefix.size());
    node.quoted =
        is_untagged ? scalar.style != YAML_PLAIN_SCALAR_STYLE : !is_core || !IsOneOf(tag, kSpelled);
    if (is_core && tag == "binary") {
      const Result<SecretBytes> bytes = Base64Decode(node.text);
      if (!bytes.ok()) return YamlError(node, "!!binary value contains invalid base64 data");
      node.text = bytes->Reveal();
    }
    const bool is_null_tag = is_core && tag == "null";
    if (is_null_tag || (is_untagged && !node.quoted)) {
      if (IsNullText(node.text)) {
        node.kind = YamlNode::Kind::kNull;
        node.text.clear();
      } else if (is_null_tag) {
        return YamlError(node, "!!null value is not null");
      }
    }
    return {};
  }

  // The event at `index`, which is one of those read so far or the next one.
  Result<Event*> EventAt(std::size_t index) {
    if (index == events_.size()) {
      Result<Event> event = ReadEvent();
      if (!event.ok()) return event.error();
      events_.push_back(*std::move(event));
    }
    return &events_[index];
  }

  // Whether the collection ends at `at`, which then moves behind its end.
  Result<bool> Ends(std::size_t& at) {
    const Result<Event*> event = EventAt(at);
    if (!event.ok()) return event.error();
    const bool ends =
        (*event)->type == YAML_SEQUENCE_END_EVENT || (*event)->type == YAML_MAPPING_END_EVENT;
    if (ends) ++at;
    return ends;
  }

  // The node whose events begin at `at`, which moves behind them. An alias reads the events of its
  // anchor once more.
  Result<YamlNode> ReadNode(std::size_t& at, int depth) {
    const Result<Event*> named = EventAt(at);
    if (!named.ok()) return named.error();
    ++at;
    const bool is_alias = (*named)->type == YAML_ALIAS_EVENT;
    Event& event = is_alias ? events_[(*named)->target] : **named;
    std::size_t behind_anchor = (*named)->target + 1;
    std::size_t& next = is_alias ? behind_anchor : at;
    if (event.is_open) return YamlError((*named)->node, "an anchor's value contains itself");
    if (Status paid = Pay((*named)->node, event.node, depth); !paid.ok()) return paid.error();
    YamlNode node = event.node;
    event.is_open = true;
    Status filled;
    if (node.IsSequence()) filled = FillSequence(next, depth, node);
    if (node.IsMapping()) filled = FillMapping(next, depth, node);
    event.is_open = false;
    if (!filled.ok()) return filled.error();
    return node;
  }

  Status Pay(const YamlNode& named, const YamlNode& node, int depth) {
    if (depth >= kMaxYamlDepth && (node.IsSequence() || node.IsMapping())) {
      return YamlError(named, fmt::format("nested deeper than {} levels", kMaxYamlDepth));
    }
    if (nodes_left_ == 0) {
      return YamlError(named, fmt::format("expands to more than {} nodes", kMaxYamlNodes));
    }
    --nodes_left_;
    return PayBytes(named, node.text.size());
  }

  Status PayBytes(const YamlNode& named, std::size_t bytes) {
    if (bytes_left_ < bytes) {
      return YamlError(named, fmt::format("expands to more than {} bytes", kMaxYamlBytes));
    }
    bytes_left_ -= bytes;
    return {};
  }

  Status FillSequence(std::size_t& at, int depth, YamlNode& node) {
    while (true) {
      const Result<bool> ends = Ends(at);
      if (!ends.ok()) return ends.error();
      if (*ends) return {};
      Result<YamlNode> item = ReadNode(at, depth + 1);
      if (!item.ok()) return item.error();
      node.items.push_back(*std::move(item));
    }
  }

  // Puts `entry` in the place of an entry with the same key, or at the end.
  static void Replace(YamlEntry entry, std::unordered_map<std::string, std::size_t>& places,
                      YamlNode& node) {
    const auto [place, is_new] = places.emplace(entry.key.text, node.entries.size());
    if (is_new) {
      node.entries.push_back(std::move(entry));
    } else {
      node.entries[place->second] = std::move(entry);
    }
  }

  // By the rules of yaml.v2.
  Status FillLastWins(std::size_t& at, int depth, YamlNode& node) {
    std::unordered_map<std::string, std::size_t> places;  // of the keys in `node`
    while (true) {
      const Result<bool> ends = Ends(at);
      if (!ends.ok()) return ends.error();
      if (*ends) return {};
      Result<YamlNode> key = ReadNode(at, depth + 1);
      if (!key.ok()) return key.error();
      if (!key->IsScalar() && !key->IsNull()) return YamlError(*key, "a key must be a scalar");
      Result<YamlNode> value = ReadNode(at, depth + 1);
      if (!value.ok()) return value.error();
      if (key->text != "<<" || key->quoted) {
        Replace({*std::move(key), *std::move(value)}, places, node);
        continue;
      }
      std::vector<YamlNode> sources;
      if (value->IsSequence()) {
        sources = std::move(value->items);
      } else {
        sources.push_back(*std::move(value));
      }
      for (auto source = sources.rbegin(); source != sources.rend(); ++source) {
        if (!source->IsMapping()) return YamlError(*source, kMergesNoMap);
        for (YamlEntry& entry : source->entries) Replace(std::move(entry), places, node);
      }
    }
  }

  Status FillMapping(std::size_t& at, int depth, YamlNode& node) {
    if (options_.last_key_wins) return FillLastWins(at, depth, node);
    std::unordered_map<std::string, int> lines;  // of the keys seen
    std::optional<YamlNode> merged;
    while (true) {
      const Result<bool> ends = Ends(at);
      if (!ends.ok()) return ends.error();
      if (*ends) return merged ? Merge(*std::move(merged), node) : Status();
      Result<YamlNode> key = ReadNode(at, depth + 1);
      if (!key.ok()) return key.error();
      if (!key->IsScalar() && !key->IsNull()) return YamlError(*key, "a key must be a scalar");
      const auto [seen, is_new] = lines.emplace(key->text, key->line);
      if (!is_new) {
        return YamlError(*key, fmt::format("mapping key {} already defined at line {}",
                                           GoQuote(key->text), seen->second));
      }
      const Result<Event*> first = EventAt(at);
      if (!first.ok()) return first.error();
      const bool is_alias = (*first)->type == YAML_ALIAS_EVENT;
      Result<YamlNode> value = ReadNode(at, depth + 1);
      if (!value.ok()) return value.error();
      if (key->text == "<<" && !key->quoted) {
        if (is_alias && !value->IsMapping()) return YamlError((*first)->node, kMergesNoMap);
        merged = *std::move(value);
      } else {
        node.entries.emplace_back(*std::move(key), *std::move(value));
      }
    }
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
      if (!source.IsMapping()) return YamlError(source, kMergesNoMap);
      for (YamlEntry& entry : source.entries) {
        if (keys.insert(entry.key.text).second) node.entries.push_back(std::move(entry));
      }
    }
    return {};
  }

  static constexpr std::string_view kMergesNoMap =
      "map merge requires map or sequence of maps as the value";

  std::string_view text_;
  YamlOptions options_;
  yaml_parser_t parser_ = {};
  bool is_ready_ = false;
  bool has_end_marker_ = false;
  std::size_t nodes_left_ = kMaxYamlNodes;
  std::size_t bytes_left_ = kMaxYamlBytes;
  // Of the document at hand; a deque keeps them in place while it grows.
  std::deque<Event> events_;
  std::unordered_map<std::string, std::size_t> anchors_;
};

Status CheckLimits(std::string_view text) {
  if (text.size() > kMaxYamlBytes) {
    return Error::Format(ErrorCode::kTooLarge, "the YAML text is larger than {} bytes",
                         kMaxYamlBytes);
  }
  std::size_t directives = 0;
  for (std::size_t at = text.find("%TAG"); at != text.npos; at = text.find("%TAG", at + 1)) {
    // A line begins after a control byte or the last byte of a line break beyond ASCII.
    const bool begins_line = at == 0 || static_cast<signed char>(text[at - 1]) < ' ';
    if (begins_line && ++directives > kMaxTagDirectives) {
      return Error::Format(ErrorCode::kTooLarge, "the YAML text has more than {} %TAG directives",
                           kMaxTagDirectives);
    }
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

Result<YamlNode> ParseYaml(std::string_view text, const YamlOptions& options) {
  if (Status limits = CheckLimits(text); !limits.ok()) return limits.error();
  Reader reader(text, options);
  const Result<bool> found = reader.FindDocument();
  if (!found.ok()) return found.error();
  if (!*found) return YamlNode();
  Result<YamlNode> first = reader.ReadDocument();
  if (!first.ok() || reader.has_end_marker()) return first;
  // Text after the value that does not begin a document is found only here.
  const Result<bool> another = reader.FindDocument();
  if (!another.ok()) return another.error();
  return first;
}

Result<std::vector<YamlNode>> ParseYamlDocuments(std::string_view text) {
  if (Status limits = CheckLimits(text); !limits.ok()) return limits.error();
  Reader reader(text);
  std::vector<YamlNode> documents;
  while (true) {
    const Result<bool> found = reader.FindDocument();
    if (!found.ok()) return found.error();
    if (!*found) return documents;
    Result<YamlNode> document = reader.ReadDocument();
    if (!document.ok()) return document.error();
    documents.push_back(*std::move(document));
  }
}

Error YamlError(const YamlNode& node, std::string_view message) {
  return ErrorAt(static_cast<std::size_t>(node.line), static_cast<std::size_t>(node.column),
                 message);
}

}  // namespace nodekeep

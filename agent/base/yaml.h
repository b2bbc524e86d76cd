#pragma once

// A strict YAML reader with the rules of Go's yaml.v3, which upstream's manifests are written for.
//
// The parser is libyaml. yaml.v3 is a port of it, with the same grammar and error texts;
// tests/integration/test_yaml.py compares the two readers and lists the differences.
//
// Scalars keep their spelling (0755, 1.0). Duplicate keys, keys that are not scalars, text after
// the root node of a document, NUL and other control characters and invalid UTF-8 are errors.
// Anchors and aliases are expanded, merge keys (`<<`) merged: the reader sees a plain tree. Error
// texts begin with "line L, column C: " and quote keys, never values.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace nodekeep {

inline constexpr std::size_t kMaxYamlBytes = 4 << 20;  // of text; of scalars and tags, expanded
inline constexpr std::size_t kMaxYamlNodes = 100'000;  // once expanded, all documents together
inline constexpr int kMaxYamlDepth = 64;

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  // Scalars: the literal spelling, without quotes; of !!binary the decoded bytes. Keys are kNull or
  // kScalar.
  std::string text;
  // Written in quotes, as a block scalar or with a tag of its own, such as !!str: a string whatever
  // it looks like.
  bool quoted = false;
  // Where it is written, counted from 1; for an alias, where the anchor is.
  int line = 1;
  int column = 1;
  std::vector<YamlNode> items;     // kSequence
  std::vector<YamlEntry> entries;  // kMapping: as written, then what was merged

  // The value of `key`; null if this is no mapping or has no such key.
  const YamlNode* Find(std::string_view key) const;

  bool IsNull() const { return kind == Kind::kNull; }
  bool IsScalar() const { return kind == Kind::kScalar; }
  bool IsSequence() const { return kind == Kind::kSequence; }
  bool IsMapping() const { return kind == Kind::kMapping; }
};

struct YamlEntry {
  YamlEntry(YamlNode k, YamlNode v) : key(std::move(k)), value(std::move(v)) {}

  YamlNode key;
  YamlNode value;
};

struct YamlOptions {
  // As yaml.v2: of duplicate keys the last wins, and a merge key replaces what was written before
  // it.
  bool last_key_wins = false;
};

// The first document; text without one is a null node. Later documents and what follows "..." are
// not parsed.
Result<YamlNode> ParseYaml(std::string_view text, const YamlOptions& options = {});
// All documents; text without one gives none.
Result<std::vector<YamlNode>> ParseYamlDocuments(std::string_view text);

// Any scalar in its literal spelling; null is "".
Result<std::string> YamlText(const YamlNode& node);
// Decimal, 0o644, 0644 (octal), 0x, 0b, with sign and underscores; also 1e3 and 420.0. Quoted text
// and null are refused.
Result<std::int64_t> YamlInt(const YamlNode& node);
// true True TRUE and the opposites; also y, yes, on, n, no, off in the cases of YAML 1.1.
Result<bool> YamlBool(const YamlNode& node);

// "line L, column C: <message>", kInvalid: for what a caller finds wrong with a node.
Error YamlError(const YamlNode& node, std::string_view message);

}  // namespace nodekeep

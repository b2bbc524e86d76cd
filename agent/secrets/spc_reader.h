#pragma once

// Parsing shared by all SecretProviderClass dialects: parameters, the list under `objects` and its
// entries, path conflicts, misspelt reserved keys, warnings, and the TLS settings of a class.
//
// No I/O. Not thread-safe. Objects refer to the parameters and YAML nodes that they read, which
// must outlive them. Errors are kInvalid (kTooLarge for YAML over its limits) and name the
// parameter, or the position and the object in the list. Error texts used by one dialect only
// belong to that dialect.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/yaml.h"
#include "agent/http/http_client.h"
#include "agent/secrets/spc_warnings.h"

namespace nodekeep {

// The permission bits that a file in a volume may have.
inline constexpr std::uint32_t kMaxFileMode = 0777;

// Limits of a class. Real classes stay far below them; without them a class could make each of its
// logins, cache keys and messages as large as an object of the API may be.
inline constexpr std::size_t kMaxParameters = 128;
inline constexpr std::size_t kMaxParameterName = 256;       // bytes
inline constexpr std::size_t kMaxParameter = 4u << 10;      // bytes of any parameter but these:
inline constexpr std::size_t kMaxPemParameter = 64u << 10;  // certificates and keys
inline constexpr std::size_t kMaxObjectsText = 256u << 10;  // `objects`
inline constexpr std::size_t kMaxObjects = 4096;            // entries of its list
inline constexpr std::size_t kMaxProperty = 1024;           // bytes of nodekeep/property

// The key of an object that names a field inside its value (property.h).
inline constexpr std::string_view kPropertyKey = "nodekeep/property";

// Checks the number, names and lengths of the parameters, those that the dialect ignores too.
// `pem`: names of parameters with certificates or keys. Errors never quote a value. Every dialect
// calls it before it parses anything.
Status CheckParameterSizes(const std::map<std::string, std::string>& parameters,
                           std::span<const std::string_view> pem = {});

// Whether `key` begins with "nodekeep" in any case ("Nodekeep/x", "nodekeep.io/x", "nodekeep-x").
// Such a key is reserved or a misspelt reserved key, so an unknown one must not be ignored.
bool LooksReserved(std::string_view key);

// The parameters of a class.
class SpcParameters {
 public:
  explicit SpcParameters(const std::map<std::string, std::string>& values) : values_(values) {}

  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  // "" for an absent parameter.
  std::string Get(std::string_view name) const { return Or(name, ""); }
  // The node's value if the parameter is absent or empty.
  std::string Or(std::string_view name, std::string_view node) const;
  // What an error about the result of Or names: the parameter, or if the node's value is used
  // `setting` ("providers.vault.address") "of the node's configuration".
  std::string SourceOf(std::string_view name, std::string_view setting) const;
  // Parsed by ParseGoBool; `otherwise` if the parameter is absent. An empty value is an error.
  Result<bool> Flag(std::string_view name, bool otherwise) const;

  const std::map<std::string, std::string>& values() const { return values_; }

 private:
  const std::string* Find(std::string_view name) const;

  const std::map<std::string, std::string>& values_;
};

// Warns of parameters that are not in `known` and do not look reserved, which ReadPolicy refuses,
// and of values of known ones with white space or a line end at an end: a text below `|` has one.
// `long_texts`: known parameters of several lines. `objects` is known, and one of them.
void WarnOfParameters(const SpcParameters& parameters, std::span<const std::string_view> known,
                      std::span<const std::string_view> long_texts, SpcWarnings& warnings);

// Warns if the path of the URL in a parameter begins or ends with one of `wrong`, such as "/ui".
// `fix`: what to write.
void WarnOfUrlPath(const SpcParameters& parameters, std::string_view name,
                   std::span<const std::string_view> wrong, std::string_view fix,
                   SpcWarnings& warnings);

// The TLS settings of the node, overridden by those of a class. One CA source of the class replaces
// all CA sources of the node, and a certificate or key file replaces both files of the node.
// `skip_verify` is set if either sets it.
TlsSettings TlsOverNode(const TlsSettings& of_class, const TlsSettings& node);

// The entries of the YAML list under `objects`, at most kMaxObjects. Empty text or an empty list
// returns no entries, unless `when_empty` is given: it is then the error for a list without entries
// and for anything but a list. Errors begin with "parameter objects: line L, column C: "; the
// dialect prepends the same to SpcEntry's.
Result<std::vector<YamlNode>> ReadObjectList(std::string_view text,
                                             std::string_view when_empty = "");

// Reads an entry of the list, field by field. Keeps the first error, so that a dialect can read all
// fields and then check status() once, before using any of them. A null value counts as absent.
//
//   SpcEntry reader(node, "must be a mapping with fileName");
//   entry.file_name = reader.Text("fileName");
//   entry.mode = reader.Mode("filePermission");
//   if (!reader.status().ok()) return reader.status().error();
class SpcEntry {
 public:
  // `wanted` is the error for a node that is neither a mapping nor null.
  SpcEntry(const YamlNode& node, std::string_view wanted);

  // Sets the object's name for subsequent errors.
  void SetObject(std::string_view name);

  // Null if the entry has no `key`.
  const YamlNode* Find(std::string_view key) const;
  // The text of any scalar as written; "" if absent.
  std::string Text(std::string_view key);
  // The text of nodekeep/property, at most kMaxProperty bytes; "" if absent.
  std::string Property();
  // Parsed by YamlBool.
  std::optional<bool> Flag(std::string_view key);
  // A number of 0 to 0777, without quotes.
  std::optional<std::uint32_t> Mode(std::string_view key);
  // One of `known`, case-sensitive; "" if absent.
  std::string OneOf(std::string_view key, std::span<const std::string_view> known);
  // The first key that looks reserved and is not in `known`; null if there is none.
  const YamlNode* UnknownReservedKey(std::span<const std::string_view> known) const;

  // Warns of keys that are not in `known` and do not look reserved, of texts with white space or a
  // line end at an end, and of a mode in `mode_key` that is decimal but looks octal.
  void WarnOfKeys(std::span<const std::string_view> known, std::string_view mode_key,
                  SpcWarnings& warnings) const;
  // "parameter objects: " and as Fail; with the position of the value of `key`.
  void Warn(std::string_view key, std::string_view message, SpcWarnings& warnings) const;

  // Sets the error `message` with the position of `at`, unless there is an error already.
  void Fail(const YamlNode& at, std::string_view message);
  // With the position of the entry.
  void Fail(std::string_view message) { Fail(node_, message); }
  // With the position of the value of `key`; of the entry if it has none.
  void FailAt(std::string_view key, std::string_view message);

  bool failed() const { return !status_.ok(); }
  // "line L, column C: object "<name>": <message>"; the object only if SetObject was called before.
  const Status& status() const { return status_; }

 private:
  std::string TextAt(const YamlNode& at, std::string_view message) const;
  std::string InObjects(const YamlNode& at, std::string_view message) const;

  const YamlNode& node_;
  std::string object_;
  Status status_;
};

// The paths of a volume's files, checked as they are added: two objects cannot have the same path,
// and a file cannot be the folder of another.
class VolumePaths {
 public:
  struct Clash {
    enum class Kind { kSame, kBelowOther, kAboveOther };
    Kind kind = Kind::kSame;
    std::string other;  // the path added before
  };
  // Error text per kind; {} is the other path.
  struct Words {
    std::string_view same = "the name is used twice: each object needs a file of its own";
    std::string_view below_other =
        "another object makes the file \"{}\", which here is the directory";
    std::string_view above_other =
        "another object makes the file \"{}\", for which this is the directory";
  };

  // Adds `path`, which CheckVolumePath has accepted. Returns its conflict with an earlier path.
  std::optional<Clash> Add(const std::string& path);
  // Adds the path of the object at `node`. A conflict is an error: "line L, column C: object
  // "<path>": ", followed by the text for its kind.
  Status Add(const YamlNode& node, const std::string& path, const Words& words);

 private:
  std::set<std::string> paths_;
};

}  // namespace nodekeep

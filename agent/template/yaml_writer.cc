// Writes YAML through libyaml, of whose emitter that of yaml.v2 is a port.

#include <utf8proc.h>
#include <yaml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <list>
#include <optional>

#include "agent/base/go_json.h"
#include "agent/base/utf8.h"
#include "agent/template/format.h"
#include "agent/template/function.h"
#include "agent/template/go_time.h"
#include "agent/template/yaml_resolve.h"
#include "agent/template/yaml_values.h"

namespace nodekeep::go {
namespace {

using ScalarType = YamlScalar::Type;

// Of a quoted key, in characters: longer ones are no keys for a YAML reader.
constexpr std::size_t kMaxKey = 1024;

std::vector<std::uint32_t> RunesOf(std::string_view text) {
  std::vector<std::uint32_t> runes;
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    runes.push_back(rune.code);
    text.remove_prefix(rune.length);
  }
  return runes;
}

bool IsLetter(std::uint32_t rune) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(rune))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return true;
    default: return false;
  }
}

bool IsDigit(std::uint32_t rune) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(rune)) == UTF8PROC_CATEGORY_ND;
}

// A run of digits from `at` as a number that wraps as int64 does; `at` moves behind it.
std::uint64_t TakeNumber(const std::vector<std::uint32_t>& runes, std::uint64_t start,
                         std::size_t& at) {
  std::uint64_t number = start;
  for (; at < runes.size() && IsDigit(runes[at]); ++at) number = number * 10 + runes[at] - '0';
  return number;
}

// What precedes a zero decides whether it is a leading one.
std::uint64_t StartOf(const std::vector<std::uint32_t>& runes, std::size_t at) {
  for (; at > 0 && IsDigit(runes[at - 1]); --at) {
    if (runes[at - 1] != '0') return 1;
  }
  return 0;
}

// The natural order of yaml.v2's keys. Not transitive for all sets.
bool ComesBefore(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  const std::size_t common = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < common && a[i] == b[i]) ++i;
  if (i == common) return a.size() < b.size();
  const bool is_letter = IsLetter(a[i]);
  const bool is_other_letter = IsLetter(b[i]);
  if (is_letter && is_other_letter) return a[i] < b[i];
  if (is_letter || is_other_letter) return is_other_letter;
  const std::uint64_t start = a[i] == '0' || b[i] == '0' ? StartOf(a, i) : 0;
  std::size_t a_end = i;
  std::size_t b_end = i;
  const auto a_number = static_cast<std::int64_t>(TakeNumber(a, start, a_end));
  const auto b_number = static_cast<std::int64_t>(TakeNumber(b, start, b_end));
  if (a_number != b_number) return a_number < b_number;
  if (a_end != b_end) return a_end < b_end;
  return a[i] < b[i];
}

struct Key {
  std::string text;
  std::vector<std::uint32_t> runes;
  const Value* value;
};

// [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
bool IsBase60(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_digit_or_underscore = [&](char c) { return is_digit(c) || c == '_'; };
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !is_digit(text[0])) return false;
  const std::size_t point = text.find('.');
  if (point != text.npos) {
    const std::string_view fraction = text.substr(point + 1);
    if (!std::all_of(fraction.begin(), fraction.end(), is_digit_or_underscore)) return false;
    text = text.substr(0, point);
  }
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return false;
  if (!std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                   is_digit_or_underscore)) {
    return false;
  }
  text.remove_prefix(colon);
  while (!text.empty()) {
    const std::string_view rest = text.substr(1);
    std::string_view part = rest.substr(0, rest.find(':'));
    text.remove_prefix(1 + part.size());
    if (part.size() == 2 && part[0] >= '0' && part[0] <= '5') part.remove_prefix(1);
    if (part.size() != 1 || !is_digit(part[0])) return false;
  }
  return true;
}

// Characters that a YAML reader refuses and encoding/json does not escape.
bool IsReadable(std::uint32_t rune) {
  return rune < 0x7F || rune == 0x85 || (rune >= 0xA0 && rune < 0xFFFE) || rune >= 0x10000;
}

class Writer {
 public:
  explicit Writer(Call& call) : call_(call) {
    yaml_emitter_initialize(&emitter_);
    yaml_emitter_set_unicode(&emitter_, 1);
    yaml_emitter_set_output(&emitter_, &Writer::Receive, this);
  }
  ~Writer() { yaml_emitter_delete(&emitter_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Result<SecretBytes> Write(const Value& value) {
    yaml_event_t event;
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    if (Status emitted = Emit(event); !emitted.ok()) return emitted.error();
    yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
    if (Status emitted = Emit(event); !emitted.ok()) return emitted.error();
    if (Status written = WriteValue(value, 0); !written.ok()) return written.error();
    yaml_document_end_event_initialize(&event, 1);
    if (Status emitted = Emit(event); !emitted.ok()) return emitted.error();
    yaml_emitter_flush(&emitter_);
    if (out_.Reveal().ends_with('\n')) out_.Truncate(out_.size() - 1);
    return std::move(out_);
  }

 private:
  static int Receive(void* writer, unsigned char* bytes, std::size_t size) {
    static_cast<Writer*>(writer)->out_.Append({reinterpret_cast<char*>(bytes), size});
    return 1;
  }

  static Error Unsupported() { return {ErrorCode::kInvalid, "unsupported value"}; }

  Status Emit(yaml_event_t& event) {
    if (yaml_emitter_emit(&emitter_, &event) == 1) return {};
    return Error(ErrorCode::kInvalid, "the YAML emitter failed");
  }

  Status WriteValue(const Value& value, int depth) {
    if (depth > call_.limits().depth) {
      return Error(ErrorCode::kTooLarge, "the value is nested too deeply for YAML");
    }
    if (Status step = call_.Step(); !step.ok()) return step;
    if (value.HoldsNothing()) return WriteScalar("null", YAML_PLAIN_SCALAR_STYLE);
    switch (value.kind()) {
      case Kind::kInvalid: return WriteScalar("null", YAML_PLAIN_SCALAR_STYLE);
      case Kind::kBool:
        return WriteScalar(value.boolean() ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
      case Kind::kInt:
      case Kind::kInt32:
      case Kind::kInt64:
        return WriteScalar(std::to_string(value.integer()), YAML_PLAIN_SCALAR_STYLE);
      case Kind::kUint8:
      case Kind::kUint32:
      case Kind::kUint64:
        return WriteScalar(std::to_string(value.unsigned_integer()), YAML_PLAIN_SCALAR_STYLE);
      case Kind::kFloat64: return WriteFloat(value.real());
      case Kind::kString: return WriteText(value.text());
      case Kind::kSlice: return WriteList(value, depth);
      case Kind::kMap: return WriteMap(value.entries(), depth);
      case Kind::kStruct:
      case Kind::kPointer: return WriteObject(value, depth);
    }
    return Unsupported();
  }

  // A time and a version are text, other structs the maps of their fields.
  Status WriteObject(const Value& value, int depth) {
    if (value.type() == Type::kTime) {
      const std::optional<std::string> text = TimeJson(value);
      if (!text) return Unsupported();
      return WriteText(*text);
    }
    if (value.type() == Type::kVersion) return WriteText(VersionText(value).value_or(""));
    Map fields;
    if (value.type() == Type::kCertificate) {
      for (const std::string_view name : {"Cert", "Key"}) {
        const Method* const field = FindMethod(Type::kCertificate, name);
        if (field == nullptr) return Unsupported();
        Result<Value> text = field->function.call(call_, {&value, 1});
        if (!text.ok()) return text.error();
        fields.emplace(name, *std::move(text));
      }
    }
    return WriteMap(fields, depth);
  }

  Status WriteFloat(double value) {
    if (!std::isfinite(value)) return Unsupported();
    // It passes through JSON, where a whole number has no fraction.
    const YamlScalar scalar = ResolveYaml(GoJsonNumber(value));
    if (scalar.type == ScalarType::kInt) {
      return WriteScalar(std::to_string(scalar.integer), YAML_PLAIN_SCALAR_STYLE);
    }
    if (scalar.type == ScalarType::kUint) {
      return WriteScalar(std::to_string(scalar.unsigned_integer), YAML_PLAIN_SCALAR_STYLE);
    }
    return WriteScalar(GoFloatShort(value), YAML_PLAIN_SCALAR_STYLE);
  }

  Status WriteText(std::string_view bytes) {
    if (Status charged = call_.Charge(4 * bytes.size()); !charged.ok()) return charged;
    const std::string text = ReplaceInvalidUtf8(bytes);
    for (std::string_view rest = text; !rest.empty();) {
      const Rune rune = FirstRune(rest);
      if (!IsReadable(rune.code)) return Unsupported();
      rest.remove_prefix(rune.length);
    }
    yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (text.find('\n') != std::string::npos) {
      style = YAML_LITERAL_SCALAR_STYLE;
    } else if (ResolveYaml(text).type == ScalarType::kText && !IsBase60(text)) {
      style = YAML_PLAIN_SCALAR_STYLE;
    }
    return WriteScalar(text, style);
  }

  Status WriteScalar(std::string_view text, yaml_scalar_style_t style) {
    yaml_event_t event;
    const auto* const bytes = reinterpret_cast<const yaml_char_t*>(text.empty() ? "" : text.data());
    if (yaml_scalar_event_initialize(&event, nullptr, nullptr, bytes, static_cast<int>(text.size()),
                                     1, 1, style) != 1) {
      return Error(ErrorCode::kInvalid, "the text is not UTF-8");
    }
    return Emit(event);
  }

  Status WriteList(const Value& list, int depth) {
    yaml_event_t event;
    yaml_sequence_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_SEQUENCE_STYLE);
    if (Status emitted = Emit(event); !emitted.ok()) return emitted;
    for (const Value& item : list.items()) {
      if (Status written = WriteValue(item, depth + 1); !written.ok()) return written;
    }
    yaml_sequence_end_event_initialize(&event);
    return Emit(event);
  }

  Result<std::list<Key>> SortedKeys(const Map& entries) {
    std::list<Key> keys;
    for (const auto& [name, value] : entries) {
      if (Status charged = call_.Charge(8 * name.size()); !charged.ok()) return charged.error();
      std::string text = ReplaceInvalidUtf8(name);
      std::vector<std::uint32_t> runes = RunesOf(text);
      if (runes.size() + 2 > kMaxKey || RunesOf(GoJsonString(text)).size() > kMaxKey) {
        return Unsupported();
      }
      keys.push_back({std::move(text), std::move(runes), &value});
    }
    // A merge sort, which any comparison suits, transitive or not.
    keys.sort([](const Key& a, const Key& b) { return ComesBefore(a.runes, b.runes); });
    return keys;
  }

  Status WriteMap(const Map& entries, int depth) {
    const Result<std::list<Key>> keys = SortedKeys(entries);
    if (!keys.ok()) return keys.error();
    yaml_event_t event;
    yaml_mapping_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_MAPPING_STYLE);
    if (Status emitted = Emit(event); !emitted.ok()) return emitted;
    for (const Key& key : *keys) {
      if (Status written = WriteText(key.text); !written.ok()) return written;
      if (Status written = WriteValue(*key.value, depth + 1); !written.ok()) return written;
    }
    yaml_mapping_end_event_initialize(&event);
    return Emit(event);
  }

  Call& call_;
  yaml_emitter_t emitter_ = {};
  SecretBytes out_;
};

}  // namespace

Result<SecretBytes> YamlOf(Call& call, const Value& value) { return Writer(call).Write(value); }

}  // namespace nodekeep::go

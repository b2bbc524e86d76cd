#pragma once

// Values of Go's types, as far as templates and their functions can tell the types apart: an int64
// is not an int, and a map[string]string is not a map[string]interface {}.
//
// A Value is cheap to copy: text, lists, maps and objects are shared. Text and lists never change
// after they were made. Maps are references, as in Go: a change is seen through every copy, and may
// close a cycle; whoever changes a map after it was made registers it first (Call::Track), so that
// the cycle is opened when the execution ends. Text is SecretBytes: any bytes, wiped when released.
//
// Not thread-safe: the values of one execution belong to one thread.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/secret_bytes.h"

namespace nodekeep::go {

enum class Type {
  kNil,  // an interface without a value
  kBool,
  kInt,
  kInt32,
  kInt64,
  kUint8,
  kUint32,
  kUint64,
  kFloat64,
  kString,
  kHashAlgorithm,  // sprig.HashAlgorithm, of strings: the type of a parameter, never of a value
  kAnyList,        // []interface {}
  kStringList,     // []string
  kIntList,        // []int
  kListOfLists,    // [][]interface {}
  kMap,            // map[string]interface {}
  kStringMap,      // map[string]string
  kTime,           // time.Time
  kDuration,       // time.Duration, an int64
  kMonth,          // time.Month, an int
  kWeekday,        // time.Weekday, an int
  kLocation,       // *time.Location
  kVersion,        // *semver.Version
  kCertificate,    // sprig.certificate
};

// reflect.Kind.
enum class Kind {
  kInvalid,
  kBool,
  kInt,
  kInt32,
  kInt64,
  kUint8,
  kUint32,
  kUint64,
  kFloat64,
  kString,
  kSlice,
  kMap,
  kStruct,
  kPointer,
};

Kind KindOf(Type type);
// As %T prints it: "map[string]interface {}", "*semver.Version"; "<nil>" for kNil.
std::string_view NameOf(Type type);
// As reflect prints it: "slice", "ptr", "invalid".
std::string_view NameOf(Kind kind);

// What a value of a type with methods holds: a time, a version, a certificate. Immutable.
class Object {
 public:
  virtual ~Object() = default;
};

class Value;
using Map = std::map<std::string, Value, std::less<>>;

class Value {
 public:
  Value() = default;  // nil

  static Value Bool(bool value) { return {Type::kBool, value}; }
  static Value Int(std::int64_t value) { return {Type::kInt, value}; }
  static Value Int64(std::int64_t value) { return {Type::kInt64, value}; }
  // `type`: one of kInt, kInt32, kInt64, kDuration, kMonth, kWeekday.
  static Value Integer(Type type, std::int64_t value) { return {type, value}; }
  // `type`: kUint8, kUint32 or kUint64.
  static Value Unsigned(Type type, std::uint64_t value) { return {type, value}; }
  static Value Float(double value) { return {Type::kFloat64, value}; }
  static Value Text(SecretBytes bytes) {
    return {Type::kString, std::make_shared<const SecretBytes>(std::move(bytes))};
  }
  static Value Text(std::string_view bytes) { return Text(SecretBytes(bytes)); }
  // `type`: one of the list types; the items must be of its element type.
  static Value List(Type type, std::vector<Value> items);
  static Value List(std::vector<Value> items) { return List(Type::kAnyList, std::move(items)); }
  static Value Strings(const std::vector<std::string>& items);
  // `type`: kMap or kStringMap.
  static Value MapOf(Type type, Map entries);
  static Value MapOf(Map entries) { return MapOf(Type::kMap, std::move(entries)); }
  // The nil of a list or map type: it has that type, and no items.
  static Value NilOf(Type type) { return {type, Nothing()}; }
  static Value Of(Type type, std::shared_ptr<const Object> object) {
    return {type, std::move(object)};
  }

  Type type() const { return type_; }
  // How deep lists and maps were nested in each other when this one was made: 0 for a scalar. The
  // executor refuses results that are deeper than the limit, so that values can be destroyed and
  // printed by recursion.
  std::uint32_t depth() const { return depth_; }
  Kind kind() const { return KindOf(type_); }
  bool IsNil() const { return type_ == Type::kNil; }
  // nil, or the nil of a list or map type.
  bool HoldsNothing() const { return std::holds_alternative<Nothing>(data_); }

  // Precondition of each: the kind.
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return std::get<std::int64_t>(data_); }
  std::uint64_t unsigned_integer() const { return std::get<std::uint64_t>(data_); }
  double real() const { return std::get<double>(data_); }
  std::string_view text() const {
    return std::get<std::shared_ptr<const SecretBytes>>(data_)->Reveal();
  }
  // Of a list; empty for its nil. Valid while this value lives.
  std::span<const Value> items() const;
  // Of a map; empty for its nil.
  const Map& entries() const;
  // To change the map; null for its nil. See Call::Track.
  std::shared_ptr<Map> map() const;
  const std::shared_ptr<const Object>& object() const {
    return std::get<std::shared_ptr<const Object>>(data_);
  }

 private:
  using Nothing = std::monostate;
  using Data =
      std::variant<Nothing, bool, std::int64_t, std::uint64_t, double,
                   std::shared_ptr<const SecretBytes>, std::shared_ptr<const std::vector<Value>>,
                   std::shared_ptr<Map>, std::shared_ptr<const Object>>;

  Value(Type type, Data data) : type_(type), data_(std::move(data)) {}

  Type type_ = Type::kNil;
  std::uint32_t depth_ = 0;
  Data data_;
};

// The bytes that a value itself takes, for Call::Charge: its text, or its places for items; what
// the items share is not counted.
std::size_t SizeOf(const Value& value);

}  // namespace nodekeep::go

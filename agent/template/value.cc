#include "agent/template/value.h"

#include <algorithm>

namespace nodekeep::go {
namespace {

struct TypeRow {
  Type type;
  Kind kind;
  std::string_view name;
};

// In the order of Type.
constexpr TypeRow kTypes[] = {
    {Type::kNil, Kind::kInvalid, "<nil>"},
    {Type::kBool, Kind::kBool, "bool"},
    {Type::kInt, Kind::kInt, "int"},
    {Type::kInt32, Kind::kInt32, "int32"},
    {Type::kInt64, Kind::kInt64, "int64"},
    {Type::kUint8, Kind::kUint8, "uint8"},
    {Type::kUint32, Kind::kUint32, "uint32"},
    {Type::kUint64, Kind::kUint64, "uint64"},
    {Type::kFloat64, Kind::kFloat64, "float64"},
    {Type::kString, Kind::kString, "string"},
    {Type::kHashAlgorithm, Kind::kString, "sprig.HashAlgorithm"},
    {Type::kAnyList, Kind::kSlice, "[]interface {}"},
    {Type::kStringList, Kind::kSlice, "[]string"},
    {Type::kIntList, Kind::kSlice, "[]int"},
    {Type::kListOfLists, Kind::kSlice, "[][]interface {}"},
    {Type::kMap, Kind::kMap, "map[string]interface {}"},
    {Type::kStringMap, Kind::kMap, "map[string]string"},
    {Type::kTime, Kind::kStruct, "time.Time"},
    {Type::kDuration, Kind::kInt64, "time.Duration"},
    {Type::kMonth, Kind::kInt, "time.Month"},
    {Type::kWeekday, Kind::kInt, "time.Weekday"},
    {Type::kLocation, Kind::kPointer, "*time.Location"},
    {Type::kVersion, Kind::kPointer, "*semver.Version"},
    {Type::kCertificate, Kind::kStruct, "sprig.certificate"},
};

// In the order of Kind.
constexpr std::string_view kKinds[] = {
    "invalid", "bool",    "int",    "int32", "int64", "uint8",  "uint32",
    "uint64",  "float64", "string", "slice", "map",   "struct", "ptr",
};

}  // namespace

Kind KindOf(Type type) { return kTypes[static_cast<std::size_t>(type)].kind; }

std::string_view NameOf(Type type) { return kTypes[static_cast<std::size_t>(type)].name; }

std::string_view NameOf(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

Value Value::List(Type type, std::vector<Value> items) {
  std::uint32_t depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  Value list(type, std::make_shared<const std::vector<Value>>(std::move(items)));
  list.depth_ = depth + 1;
  return list;
}

Value Value::MapOf(Type type, Map entries) {
  std::uint32_t depth = 0;
  for (const auto& [key, item] : entries) depth = std::max(depth, item.depth());
  Value map(type, std::make_shared<Map>(std::move(entries)));
  map.depth_ = depth + 1;
  return map;
}

Value Value::Strings(const std::vector<std::string>& items) {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const std::string& item : items) values.push_back(Text(item));
  return List(Type::kStringList, std::move(values));
}

std::span<const Value> Value::items() const {
  if (HoldsNothing()) return {};
  return *std::get<std::shared_ptr<const std::vector<Value>>>(data_);
}

const Map& Value::entries() const {
  static const Map empty;
  if (HoldsNothing()) return empty;
  return *std::get<std::shared_ptr<Map>>(data_);
}

std::shared_ptr<Map> Value::map() const {
  if (HoldsNothing()) return nullptr;
  return std::get<std::shared_ptr<Map>>(data_);
}

std::size_t SizeOf(const Value& value) {
  // Of a node of the map's tree, besides its key and value.
  constexpr std::size_t kMapNode = 64;
  switch (value.kind()) {
    case Kind::kString: return sizeof(Value) + value.text().size();
    case Kind::kSlice: return sizeof(Value) * (1 + value.items().size());
    case Kind::kMap: {
      std::size_t size = sizeof(Value);
      for (const auto& [key, item] : value.entries()) {
        size += kMapNode + key.size() + sizeof(Value);
      }
      return size;
    }
    default: return sizeof(Value);
  }
}

}  // namespace nodekeep::go

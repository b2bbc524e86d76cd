#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/template/conversions.h"
#include "agent/template/function.h"
#include "agent/template/merge.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

// What an entry of a map takes besides its key and value.
constexpr std::size_t kMapNode = 64;

Status ChargeEntry(Call& call, std::string_view key) {
  if (Status status = call.Step(); !status.ok()) return status;
  return call.Charge(kMapNode + key.size() + sizeof(Value));
}

Result<Value> Dict(Call& call, Arguments arguments) {
  Map entries;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    Result<Value> key = TextOf(call, arguments[i]);
    if (!key.ok()) return key.error();
    if (Status status = ChargeEntry(call, key->text()); !status.ok()) return status.error();
    entries.insert_or_assign(std::string(key->text()),
                             i + 1 < arguments.size() ? arguments[i + 1] : Value::Text(""));
  }
  return Value::MapOf(std::move(entries));
}

Result<Value> Get(Call&, Arguments arguments) {
  const auto found = arguments[0].entries().find(arguments[1].text());
  return found == arguments[0].entries().end() ? Value::Text("") : found->second;
}

Result<Value> Set(Call& call, Arguments arguments) {
  const std::shared_ptr<Map> map = arguments[0].map();
  if (map == nullptr) return Error(ErrorCode::kInvalid, "assignment to entry in nil map");
  if (Status status = ChargeEntry(call, arguments[1].text()); !status.ok()) return status.error();
  call.Track(map);
  map->insert_or_assign(std::string(arguments[1].text()), arguments[2]);
  return arguments[0];
}

Result<Value> Unset(Call&, Arguments arguments) {
  const std::shared_ptr<Map> map = arguments[0].map();
  if (map == nullptr) return arguments[0];
  const auto found = map->find(arguments[1].text());
  if (found != map->end()) map->erase(found);
  return arguments[0];
}

Result<Value> HasKey(Call&, Arguments arguments) {
  const Map& entries = arguments[0].entries();
  return Value::Bool(entries.find(arguments[1].text()) != entries.end());
}

Result<Value> Pluck(Call&, Arguments arguments) {
  std::vector<Value> found;
  for (const Value& map : arguments.subspan(1)) {
    const auto entry = map.entries().find(arguments[0].text());
    if (entry != map.entries().end()) found.push_back(entry->second);
  }
  return Value::List(std::move(found));
}

// Go's order is random; this one keeps the output stable.
Result<Value> Keys(Call& call, Arguments arguments) {
  std::vector<Value> keys;
  for (const Value& map : arguments) {
    for (const auto& [key, value] : map.entries()) {
      if (Status status = ChargeEntry(call, key); !status.ok()) return status.error();
      keys.push_back(Value::Text(key));
    }
  }
  return Value::List(Type::kStringList, std::move(keys));
}

Result<Value> Values(Call& call, Arguments arguments) {
  std::vector<Value> values;
  for (const auto& [key, value] : arguments[0].entries()) {
    if (Status status = ChargeEntry(call, ""); !status.ok()) return status.error();
    values.push_back(value);
  }
  return Value::List(std::move(values));
}

Result<Value> Pick(Call& call, Arguments arguments) {
  Map picked;
  for (const Value& key : arguments.subspan(1)) {
    const auto found = arguments[0].entries().find(key.text());
    if (found == arguments[0].entries().end()) continue;
    if (Status status = ChargeEntry(call, key.text()); !status.ok()) return status.error();
    picked.insert_or_assign(found->first, found->second);
  }
  return Value::MapOf(std::move(picked));
}

Result<Value> Omit(Call& call, Arguments arguments) {
  std::set<std::string_view> omitted;
  for (const Value& key : arguments.subspan(1)) omitted.insert(key.text());
  Map kept;
  for (const auto& [key, value] : arguments[0].entries()) {
    if (omitted.count(key) > 0) continue;
    if (Status status = ChargeEntry(call, key); !status.ok()) return status.error();
    kept.emplace(key, value);
  }
  return Value::MapOf(std::move(kept));
}

Error WrongType(const Value& value, std::string_view wanted) {
  const std::string_view name = value.IsNil() ? "nil" : NameOf(value.type());
  return Error::Format(ErrorCode::kInvalid, "interface conversion: interface {{}} is {}, not {}",
                       name, wanted);
}

Result<Value> Dig(Call&, Arguments arguments) {
  if (arguments.size() < 3) return Error(ErrorCode::kInvalid, "dig needs at least three arguments");
  constexpr std::string_view kMapName = "map[string]interface {}";
  Value map = arguments.back();
  if (map.type() != Type::kMap) return WrongType(map, kMapName);
  const Arguments keys = arguments.first(arguments.size() - 2);
  for (const Value& key : keys) {
    if (key.type() != Type::kString) return WrongType(key, "string");
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto found = map.entries().find(keys[i].text());
    if (found == map.entries().end()) return arguments[arguments.size() - 2];
    const Value step = found->second;
    if (i + 1 < keys.size() && step.type() != Type::kMap) return WrongType(step, kMapName);
    map = step;
  }
  return map;
}

template <bool overwrite>
Result<Value> MergeAll(Call& call, Arguments arguments) {
  Value destination = arguments[0];
  for (const Value& source : arguments.subspan(1)) {
    if (destination.HoldsNothing() && !source.HoldsNothing()) destination = Value::MapOf({});
    if (Status status = Merge(call, destination, source, overwrite); !status.ok()) {
      return status.error();
    }
  }
  return destination;
}

// Errors: kTooLarge.
Result<Value> Copy(Call& call, const Value& value, int depth) {
  const bool is_container = value.kind() == Kind::kSlice || value.kind() == Kind::kMap;
  if (!is_container || value.HoldsNothing()) return value;
  if (depth >= call.limits().depth) {
    return Error::Format(ErrorCode::kTooLarge, "values are nested deeper than {} levels",
                         call.limits().depth);
  }
  if (Status status = call.Charge(SizeOf(value)); !status.ok()) return status.error();
  if (value.kind() == Kind::kSlice) {
    std::vector<Value> items;
    items.reserve(value.items().size());
    for (const Value& item : value.items()) {
      if (Status status = call.Step(); !status.ok()) return status.error();
      Result<Value> copy = Copy(call, item, depth + 1);
      if (!copy.ok()) return copy.error();
      items.push_back(*std::move(copy));
    }
    return Value::List(value.type(), std::move(items));
  }
  Map entries;
  for (const auto& [key, item] : value.entries()) {
    if (Status status = call.Step(); !status.ok()) return status.error();
    Result<Value> copy = Copy(call, item, depth + 1);
    if (!copy.ok()) return copy.error();
    entries.emplace(key, *std::move(copy));
  }
  return Value::MapOf(value.type(), std::move(entries));
}

Result<Value> DeepCopy(Call& call, Arguments arguments) {
  if (arguments[0].IsNil()) {
    return Error(ErrorCode::kInvalid, "reflect: call of reflect.Value.Type on zero Value");
  }
  return Copy(call, arguments[0], 0);
}

}  // namespace

std::span<const Function> MapFunctions() {
  static const Function functions[] = {
      {"dict", "items ...any", Dict, "a map of the keys and values",
       R"({{ dict "user" "alice" "port" 5432 }})"},
      {"get", "map map[string]any, key string", Get, "the value of a key; \"\" if there is none",
       R"({{ get (dict "a" 1) "a" }})"},
      {"set", "map map[string]any, key string, value any", Set,
       "sets a key in the map itself, and returns the map", R"({{ set (dict "a" 1) "b" 2 }})"},
      {"unset", "map map[string]any, key string", Unset,
       "removes a key from the map itself, and returns the map",
       R"({{ unset (dict "a" 1 "b" 2) "b" }})"},
      {"hasKey", "map map[string]any, key string", HasKey, "whether the map has the key",
       R"({{ hasKey (dict "a" 1) "a" }})"},
      {"pluck", "key string, maps ...map[string]any", Pluck,
       "the values of one key in several maps", R"({{ pluck "a" (dict "a" 1) (dict "a" 2) }})"},
      {"keys", "maps ...map[string]any", Keys, "the keys of the maps, those of each map sorted",
       R"({{ keys (dict "b" 1 "a" 2) }})"},
      {"values", "map map[string]any", Values, "the values, in the order of their keys",
       R"({{ values (dict "b" 1 "a" 2) }})"},
      {"pick", "map map[string]any, keys ...string", Pick, "a map of the given keys only",
       R"({{ pick (dict "a" 1 "b" 2) "a" }})"},
      {"omit", "map map[string]any, keys ...string", Omit, "a map without the given keys",
       R"({{ omit (dict "a" 1 "b" 2) "a" }})"},
      {"dig", "arguments ...any", Dig,
       "the value at a path of keys; the default, which stands before the map, if a key is missing",
       R"({{ dig "db" "port" 5432 (dict "db" (dict "port" 1521)) }})"},
      {"merge", "dst map[string]any, srcs ...map[string]any", MergeAll<false>,
       "changes the first map: keys that are missing or empty there are taken from the others",
       R"({{ merge (dict "a" 1) (dict "a" 2 "b" 3) }})"},
      {"mustMerge", "dst map[string]any, srcs ...map[string]any", MergeAll<false>, "as merge"},
      {"mergeOverwrite", "dst map[string]any, srcs ...map[string]any", MergeAll<true>,
       "changes the first map: all keys of the others are taken from them",
       R"({{ mergeOverwrite (dict "a" 1) (dict "a" 2 "b" 3) }})"},
      {"mustMergeOverwrite", "dst map[string]any, srcs ...map[string]any", MergeAll<true>,
       "as mergeOverwrite"},
      {"deepCopy", "value any", DeepCopy, "a copy that shares no map with the value",
       R"({{ deepCopy (dict "a" (list 1 2)) }})"},
      {"mustDeepCopy", "value any", DeepCopy, "as deepCopy"},
  };
  return functions;
}

}  // namespace nodekeep::go

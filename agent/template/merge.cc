#include "agent/template/merge.h"

#include "agent/template/conversions.h"

namespace nodekeep::go {
namespace {

class Merger {
 public:
  Merger(Call& call, bool overwrite) : call_(call), overwrite_(overwrite) {}

  // Takes copies, because the values may be in maps that are changed.
  Status Run(Value destination, Value source, int depth) {
    if (depth >= call_.limits().depth) {
      return Error::Format(ErrorCode::kTooLarge, "maps are nested deeper than {} levels",
                           call_.limits().depth);
    }
    const std::shared_ptr<Map> target = destination.map();
    if (target == nullptr || target == source.map()) return {};
    call_.Track(target);
    for (const auto& [key, entry] : source.entries()) {
      const Value item = entry;
      if (Status status = Charge(key); !status.ok()) return status;
      if (Status status = Entry(destination, *target, source.type(), key, item, depth);
          !status.ok()) {
        return status;
      }
    }
    return {};
  }

 private:
  Status Charge(const std::string& key) {
    constexpr std::size_t kMapNode = 64;
    if (Status status = call_.Step(); !status.ok()) return status;
    return call_.Charge(kMapNode + key.size() + sizeof(Value));
  }

  Status Entry(const Value& destination, Map& target, Type source_type, const std::string& key,
               const Value& item, int depth) {
    const auto found = target.find(key);
    if (item.IsNil()) {
      return overwrite_ ? Set(destination, target, source_type, key, item) : Status();
    }
    const Value present = found == target.end() ? Value() : found->second;
    const bool both_maps = item.kind() == Kind::kMap && present.kind() == Kind::kMap;
    if (both_maps) {
      if (Status status = Run(present, item, depth + 1); !status.ok()) return status;
    }
    const bool is_filled = !IsEmpty(present);
    if (is_filled && both_maps) return {};
    if (is_filled && !overwrite_) return {};
    return Set(destination, target, source_type, key, item);
  }

  static Status Set(const Value& destination, Map& target, Type source_type, const std::string& key,
                    const Value& item) {
    if (destination.type() == Type::kStringMap && source_type != Type::kStringMap) {
      return Error(ErrorCode::kInvalid,
                   "reflect.Value.SetMapIndex: value of type interface {} is not assignable to "
                   "type string");
    }
    target.insert_or_assign(key, item);
    return {};
  }

  Call& call_;
  const bool overwrite_;
};

}  // namespace

Status Merge(Call& call, const Value& destination, const Value& source, bool overwrite) {
  return Merger(call, overwrite).Run(destination, source, 0);
}

}  // namespace nodekeep::go

#include "agent/template/equality.h"

#include "agent/template/format.h"

namespace nodekeep::go {
namespace {

class Comparison {
 public:
  explicit Comparison(Call& call) : call_(call) {}

  bool Equal(const Value& a, const Value& b, int depth) {
    if (a.type() != b.type() || a.HoldsNothing() != b.HoldsNothing()) return false;
    if (a.HoldsNothing()) return true;
    switch (a.kind()) {
      case Kind::kBool: return a.boolean() == b.boolean();
      case Kind::kInt:
      case Kind::kInt32:
      case Kind::kInt64: return a.integer() == b.integer();
      case Kind::kUint8:
      case Kind::kUint32:
      case Kind::kUint64: return a.unsigned_integer() == b.unsigned_integer();
      case Kind::kFloat64: return a.real() == b.real();
      case Kind::kString: return TextsEqual(a.text(), b.text());
      case Kind::kSlice: return ListsEqual(a, b, depth);
      case Kind::kMap: return MapsEqual(a, b, depth);
      default: return a.object() == b.object() || StringsEqual(a, b);
    }
  }

  const Status& status() const { return status_; }

 private:
  bool Pay(std::uint64_t steps) {
    if (status_.ok()) status_ = call_.Step(steps);
    return status_.ok();
  }

  bool Enter(int depth) {
    if (depth < call_.limits().depth) return Pay(1);
    if (status_.ok()) {
      status_ = Error::Format(ErrorCode::kTooLarge, "values are nested deeper than {} levels",
                              call_.limits().depth);
    }
    return false;
  }

  bool TextsEqual(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    return a.size() < 4096 || Pay(a.size() / 4096) ? a == b : false;
  }

  bool ListsEqual(const Value& a, const Value& b, int depth) {
    const std::span<const Value> x = a.items();
    const std::span<const Value> y = b.items();
    if (x.size() != y.size()) return false;
    if (x.data() == y.data()) return true;
    if (!Enter(depth)) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!Pay(1) || !Equal(x[i], y[i], depth + 1)) return false;
    }
    return true;
  }

  bool MapsEqual(const Value& a, const Value& b, int depth) {
    const Map& x = a.entries();
    const Map& y = b.entries();
    if (x.size() != y.size()) return false;
    if (&x == &y) return true;
    if (!Enter(depth)) return false;
    for (auto i = x.begin(), j = y.begin(); i != x.end(); ++i, ++j) {
      if (!Pay(1) || i->first != j->first || !Equal(i->second, j->second, depth + 1)) return false;
    }
    return true;
  }

  static bool StringsEqual(const Value& a, const Value& b) {
    const std::optional<std::string> text = StringOf(a);
    return text.has_value() && text == StringOf(b);
  }

  Call& call_;
  Status status_;
};

}  // namespace

Result<bool> DeepEqual(Call& call, const Value& a, const Value& b) {
  Comparison comparison(call);
  const bool equal = comparison.Equal(a, b, 0);
  if (!comparison.status().ok()) return comparison.status().error();
  return equal;
}

}  // namespace nodekeep::go

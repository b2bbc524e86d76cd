// Writing JSON.

#include <cmath>
#include <string>

#include "agent/base/go_json.h"
#include "agent/base/go_number.h"
#include "agent/template/format.h"
#include "agent/template/function.h"
#include "agent/template/json_values.h"

namespace nodekeep::go {
namespace {

class Writer {
 public:
  Writer(Call& call, const JsonStyle& style) : call_(call), style_(style) {}

  Result<SecretBytes> Run(const Value& value) {
    if (Status status = Write(value, 0); !status.ok()) return status.error();
    return std::move(out_);
  }

 private:
  Status Put(std::string_view text) {
    if (Status status = call_.Charge(text.size()); !status.ok()) return status;
    out_.Append(text);
    return {};
  }

  Status Write(const Value& value, int depth) {
    if (Status status = call_.Step(); !status.ok()) return status;
    switch (value.kind()) {
      case Kind::kInvalid: return Put("null");
      case Kind::kBool: return Put(value.boolean() ? "true" : "false");
      case Kind::kInt:
      case Kind::kInt32:
      case Kind::kInt64: return Put(std::to_string(value.integer()));
      case Kind::kUint8:
      case Kind::kUint32:
      case Kind::kUint64: return Put(std::to_string(value.unsigned_integer()));
      case Kind::kFloat64: return WriteNumber(value.real());
      case Kind::kString: return WriteText(value.text());
      case Kind::kSlice: return WriteList(value, depth);
      case Kind::kMap: return WriteMap(value, depth);
      default: return WriteObject(value);
    }
  }

  Status WriteNumber(double number) {
    if (!std::isfinite(number)) {
      return Error::Format(ErrorCode::kInvalid, "json: unsupported value: {}",
                           GoFloatWithoutExponent(number));
    }
    return Put(GoJsonNumber(number));
  }

  Status WriteText(std::string_view text) {
    // An escape takes six bytes at most.
    if (Status status = call_.Charge(text.size() + 2); !status.ok()) return status;
    if (style_.escape_html) {
      AppendGoJsonString(text, out_);
      return {};
    }
    out_.Append("\"");
    while (true) {
      const std::size_t end = text.find_first_of("<>&");
      const std::string quoted = GoJsonString(text.substr(0, end));
      out_.Append(std::string_view(quoted).substr(1, quoted.size() - 2));
      if (end == std::string_view::npos) break;
      out_.Append(text.substr(end, 1));
      text.remove_prefix(end + 1);
    }
    out_.Append("\"");
    return {};
  }

  Status Enter(int depth) const {
    if (depth < call_.limits().depth) return {};
    return Error::Format(ErrorCode::kTooLarge, "values are nested deeper than {} levels",
                         call_.limits().depth);
  }

  Status BreakLine(int depth) {
    if (!style_.pretty) return {};
    return Put("\n" + std::string(2 * static_cast<std::size_t>(depth), ' '));
  }

  Status WriteList(const Value& value, int depth) {
    if (value.HoldsNothing()) return Put("null");
    if (value.items().empty()) return Put("[]");
    if (Status status = Enter(depth); !status.ok()) return status;
    std::string_view separator = "[";
    for (const Value& item : value.items()) {
      if (Status status = Put(separator); !status.ok()) return status;
      separator = ",";
      if (Status status = BreakLine(depth + 1); !status.ok()) return status;
      if (Status status = Write(item, depth + 1); !status.ok()) return status;
    }
    if (Status status = BreakLine(depth); !status.ok()) return status;
    return Put("]");
  }

  Status WriteMap(const Value& value, int depth) {
    if (value.HoldsNothing()) return Put("null");
    if (value.entries().empty()) return Put("{}");
    if (Status status = Enter(depth); !status.ok()) return status;
    std::string_view separator = "{";
    for (const auto& [key, item] : value.entries()) {
      if (Status status = Put(separator); !status.ok()) return status;
      separator = ",";
      if (Status status = BreakLine(depth + 1); !status.ok()) return status;
      if (Status status = WriteText(key); !status.ok()) return status;
      if (Status status = Put(style_.pretty ? ": " : ":"); !status.ok()) return status;
      if (Status status = Write(item, depth + 1); !status.ok()) return status;
    }
    if (Status status = BreakLine(depth); !status.ok()) return status;
    return Put("}");
  }

  Status WriteObject(const Value& value) {
    if (value.type() == Type::kLocation) return Put("{}");  // no exported field
    if (value.type() == Type::kCertificate) return WriteCertificate(value);
    // A time is written in RFC 3339 with nanoseconds, as its method MarshalJSON does.
    const Method* const method = FindMethod(value.type(), "Format");
    if (value.type() == Type::kTime && method != nullptr) {
      const Value arguments[] = {value, Value::Text("2006-01-02T15:04:05.999999999Z07:00")};
      Result<Value> text = method->function.call(call_, {arguments, 2});
      return text.ok() ? WriteText(text->text()) : Status(text.error());
    }
    return WriteText(StringOf(value).value_or(""));
  }

  Status WriteCertificate(const Value& value) {
    std::string_view separator = "{";
    for (const std::string_view name : {"Cert", "Key"}) {
      if (Status status = Put(separator); !status.ok()) return status;
      separator = ",";
      if (Status status = WriteText(name); !status.ok()) return status;
      if (Status status = Put(":"); !status.ok()) return status;
      const Method* const field = FindMethod(Type::kCertificate, name);
      if (field == nullptr) return Error(ErrorCode::kInternal, "certificates have no fields");
      Result<Value> text = field->function.call(call_, {&value, 1});
      if (!text.ok()) return text.error();
      if (Status status = WriteText(text->text()); !status.ok()) return status;
    }
    return Put("}");
  }

  Call& call_;
  const JsonStyle& style_;
  SecretBytes out_;
};

}  // namespace

Result<SecretBytes> WriteJsonValue(Call& call, const Value& value, const JsonStyle& style) {
  return Writer(call, style).Run(value);
}

}  // namespace nodekeep::go

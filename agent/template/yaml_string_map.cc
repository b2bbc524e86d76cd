#include "agent/template/yaml_string_map.h"

#include <algorithm>
#include <cmath>

#include "agent/base/utf8.h"
#include "agent/base/yaml.h"
#include "agent/template/yaml_resolve.h"
#include "agent/template/yaml_values.h"

namespace nodekeep::go {
namespace {

using ScalarType = YamlScalar::Type;

constexpr std::string_view kDecoding = "error unmarshaling JSON: while decoding JSON: json: ";

Error Unusable(std::string_view what, std::string_view type) {
  return Error::Format(ErrorCode::kInvalid, "{}cannot unmarshal {} into Go value of type {}",
                       kDecoding, what, type);
}

// The message of the strict reader in the form of yaml.v2's.
Error Syntax(const Error& error) {
  std::string message = error.message();
  const std::size_t column = message.find(", column ");
  const std::size_t colon = message.find(':');
  if (column < colon && colon != std::string::npos) message.erase(column, colon - column);
  if (message.starts_with("line 1: ")) message.erase(0, message.find(' ', 5) + 1);
  message.erase(std::min(message.rfind(" while "), message.size()));
  return {error.code(), "error converting YAML to JSON: yaml: " + message};
}

std::string ScalarText(const YamlScalar& scalar, const std::string& text) {
  switch (scalar.type) {
    case ScalarType::kNull: return "";
    case ScalarType::kBool: return scalar.boolean ? "true" : "false";
    case ScalarType::kInt: return std::to_string(scalar.integer);
    case ScalarType::kUint: return std::to_string(scalar.unsigned_integer);
    // Upstream's conversion has the precision of float32.
    case ScalarType::kFloat: return GoFloatShort(static_cast<float>(scalar.real));
    default: return ReplaceInvalidUtf8(text);
  }
}

std::string ScalarText(const YamlNode& node) {
  if (node.quoted) return ReplaceInvalidUtf8(node.text);
  return ScalarText(ResolveYaml(node.text), node.text);
}

Result<std::string> KeyText(const YamlNode& key) {
  const auto unsupported = [](std::string_view type) {
    return Error::Format(ErrorCode::kInvalid,
                         "error converting YAML to JSON: unsupported map key of type: {}", type);
  };
  if (key.IsNull()) return unsupported("%!s(<nil>)");
  if (!key.quoted && ResolveYaml(key.text).type == ScalarType::kUint) return unsupported("uint64");
  const std::string text = ScalarText(key);
  if (key.quoted) return text;
  if (text == "NaN") return std::string(".nan");
  if (text == "+Inf") return std::string(".inf");
  if (text == "-Inf") return std::string("-.inf");
  return text;
}

// The kind of a node as encoding/json names it.
std::string_view JsonKind(const YamlNode& node) {
  if (node.IsSequence()) return "array";
  if (node.IsMapping()) return "object";
  if (node.quoted) return "string";
  switch (ResolveYaml(node.text).type) {
    case ScalarType::kBool: return "bool";
    case ScalarType::kInt:
    case ScalarType::kUint:
    case ScalarType::kFloat: return "number";
    default: return "string";
  }
}

constexpr YamlOptions kRules = {.last_key_wins = true};

// Makes values of one document.
class Converter {
 public:
  explicit Converter(Call& call) : call_(call) {}

  Result<Value> Convert(const YamlNode& node) {
    if (Status step = call_.Step(); !step.ok()) return step.error();
    if (Status charged = call_.Charge(sizeof(Value) + node.text.size()); !charged.ok()) {
      return charged.error();
    }
    switch (node.kind) {
      case YamlNode::Kind::kNull: return Value();
      case YamlNode::Kind::kScalar: return Scalar(node);
      case YamlNode::Kind::kSequence: return List(node);
      case YamlNode::Kind::kMapping: return Mapping(node);
    }
    return Value();
  }

 private:
  static Result<Value> Scalar(const YamlNode& node) {
    const YamlScalar scalar = node.quoted ? YamlScalar() : ResolveYaml(node.text);
    switch (scalar.type) {
      case ScalarType::kNull: return Value();
      case ScalarType::kBool: return Value::Bool(scalar.boolean);
      case ScalarType::kInt: return Value::Float(static_cast<double>(scalar.integer));
      case ScalarType::kUint: return Value::Float(static_cast<double>(scalar.unsigned_integer));
      case ScalarType::kFloat: break;
      default: return Value::Text(ReplaceInvalidUtf8(node.text));
    }
    if (!std::isfinite(scalar.real)) {
      return Error::Format(ErrorCode::kInvalid,
                           "error converting YAML to JSON: json: unsupported value: {}",
                           GoFloatShort(scalar.real));
    }
    return Value::Float(scalar.real);
  }

  Result<Value> List(const YamlNode& node) {
    std::vector<Value> items;
    for (const YamlNode& item : node.items) {
      Result<Value> value = Convert(item);
      if (!value.ok()) return value;
      items.push_back(*std::move(value));
    }
    return Value::List(std::move(items));
  }

  Result<Value> Mapping(const YamlNode& node) {
    Map entries;
    for (const auto& [key, item] : node.entries) {
      Result<std::string> name = KeyText(key);
      if (!name.ok()) return name.error();
      Result<Value> value = Convert(item);
      if (!value.ok()) return value;
      entries.insert_or_assign(*std::move(name), *std::move(value));
    }
    return Value::MapOf(std::move(entries));
  }

  Call& call_;
};

}  // namespace

Result<Value> ParseYamlMap(Call& call, std::string_view text) {
  // A node takes many times the memory of its text.
  if (Status step = call.Step(text.size() / 64); !step.ok()) return step.error();
  const Result<YamlNode> root = ParseYaml(text, kRules);
  if (!root.ok()) return Syntax(root.error());
  if (root->IsNull()) return Value::MapOf({});
  Result<Value> value = Converter(call).Convert(*root);
  if (!value.ok() || root->IsMapping()) return value;
  return Unusable(JsonKind(*root), "map[string]interface {}");
}

Result<std::map<std::string, SecretBytes>> YamlStringMap(std::string_view text) {
  const auto failure = [](const Error& error) {
    return error.Prepend("could not unmarshal template to 'map[string][]byte'");
  };
  const Result<YamlNode> root = ParseYaml(text, kRules);
  if (!root.ok()) return failure(Syntax(root.error()));
  std::map<std::string, SecretBytes> values;
  if (root->IsNull()) return values;
  if (!root->IsMapping()) return failure(Unusable(JsonKind(*root), "map[string]string"));
  for (const auto& [key, item] : root->entries) {
    Result<std::string> name = KeyText(key);
    if (!name.ok()) return failure(name.error());
    if (item.IsSequence() || item.IsMapping()) return failure(Unusable(JsonKind(item), "string"));
    values.insert_or_assign(*std::move(name), SecretBytes::MoveFrom(ScalarText(item)));
  }
  return values;
}

}  // namespace nodekeep::go

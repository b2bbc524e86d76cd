#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <utility>

#include "agent/base/go_json.h"
#include "agent/query/gjson_evaluation.h"
#include "agent/query/json_pretty.h"
#include "agent/query/lenient_json.h"

// The modifiers of gjson paths ("@reverse"). Each turns JSON text into JSON text; one that cannot
// returns the text unchanged or empty, as the original does.

namespace nodekeep {
namespace {

// Without the brackets around a container.
std::string_view Unwrapped(std::string_view json) {
  json = TrimmedOfControls(json);
  const bool is_container = json.size() >= 2 && (json[0] == '[' || json[0] == '{');
  return is_container ? json.substr(1, json.size() - 2) : json;
}

// Only the white space of a text that has other characters, too.
std::string SpaceOf(std::string_view text) {
  std::string space;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') space += c;
  }
  return space;
}

int IntOf(const GjsonValue& value) {
  if (value.kind == GjsonValue::Kind::kTrue) return 1;
  if (value.kind == GjsonValue::Kind::kNumber) {
    return static_cast<int>(std::clamp(value.number, -1e6, 1e6));
  }
  int number = 0;
  if (value.kind == GjsonValue::Kind::kString) {
    const auto read =
        std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    if (read.ec != std::errc() || read.ptr != value.text.data() + value.text.size()) return 0;
  }
  return number;
}

}  // namespace

bool GjsonEvaluation::OptionOf(std::string_view argument, std::string_view name) {
  bool option = false;
  ForEach(Parse(argument), [&](const GjsonValue& key, const GjsonValue& value) {
    if (key.text == name) option = GjsonBool(value);
  });
  return option;
}

std::string_view GjsonEvaluation::ApplyModifier(const ModifierCall& call, std::string_view json) {
  if (!Charge(json.size())) return {};
  const std::string_view name = call.name;
  if (name == "this") return json;
  if (name == "valid") return IsValidJson(json) ? json : std::string_view();
  if (name == "reverse") return Reverse(json);
  if (name == "flatten") return Flatten(json, OptionOf(call.argument, "deep"));
  if (name == "join") return Join(json, OptionOf(call.argument, "preserve"));
  if (name == "keys") return Keys(json);
  if (name == "values") return Values(json);
  if (name == "group") return Group(json);
  if (name == "dig") return Dig(json, call.argument);
  if (name == "pretty") return Pretty(json, call.argument);
  if (name == "ugly") return Keep(UglyJson(json));
  if (name == "fromstr") return IsValidJson(json) ? TextOf(Parse(json)) : std::string_view();
  SecretBytes text;  // tostr
  AppendGoJsonString(json, text);
  return Keep(std::move(text));
}

std::string_view GjsonEvaluation::Reverse(std::string_view json) {
  const GjsonValue value = Parse(json);
  if (value.kind != GjsonValue::Kind::kContainer) return json;
  std::vector<std::pair<std::string_view, std::string_view>> members;
  ForEach(value, [&](const GjsonValue& key, const GjsonValue& member) {
    members.emplace_back(key.raw, member.raw);
  });
  SecretBytes out(value.IsObject() ? "{" : "[");
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (out.size() > 1) out.Append(",");
    if (value.IsObject()) {
      out.Append(member->first);
      out.Append(":");
    }
    out.Append(member->second);
  }
  out.Append(value.IsObject() ? "}" : "]");
  return Keep(std::move(out));
}

std::string_view GjsonEvaluation::Flatten(std::string_view json, bool deep) {
  const GjsonValue value = Parse(json);
  if (!value.IsArray()) return json;
  if (depth_ >= limits_.depth) {
    Exceed("is nested too deeply");
    return {};
  }
  ++depth_;
  SecretBytes out("[");
  bool first = true;
  ForEach(value, [&](const GjsonValue&, const GjsonValue& element) {
    std::string_view raw = element.raw;
    if (element.IsArray()) raw = Unwrapped(deep ? Flatten(raw, deep) : raw);
    raw = TrimmedOfSpace(raw);
    if (raw.empty()) return;
    if (!first) out.Append(",");
    out.Append(raw);
    first = false;
  });
  out.Append("]");
  --depth_;
  return Keep(std::move(out));
}

std::string_view GjsonEvaluation::Join(std::string_view json, bool preserve) {
  const GjsonValue value = Parse(json);
  if (!value.IsArray()) return json;
  SecretBytes out("{");
  if (preserve) {
    bool first = true;
    ForEach(value, [&](const GjsonValue&, const GjsonValue& element) {
      if (!element.IsObject()) return;
      if (!first) out.Append(",");
      out.Append(Unwrapped(element.raw));
      first = false;
    });
  } else {
    // The last value of a key, in the order in which the keys appear first.
    std::vector<std::pair<std::string_view, std::string_view>> members;  // key with quotes, value
    std::map<std::string_view, std::size_t> places;
    ForEach(value, [&](const GjsonValue&, const GjsonValue& element) {
      if (!element.IsObject()) return;
      ForEach(element, [&](const GjsonValue& key, const GjsonValue& member) {
        const auto [place, is_new] = places.try_emplace(key.text, members.size());
        if (is_new) members.emplace_back(key.raw, member.raw);
        members[place->second].second = member.raw;
      });
    });
    for (const auto& [key, member] : members) {
      if (out.size() > 1) out.Append(",");
      out.Append(key);
      out.Append(":");
      out.Append(member);
    }
  }
  out.Append("}");
  return Keep(std::move(out));
}

std::string_view GjsonEvaluation::Keys(std::string_view json) {
  const GjsonValue value = Parse(json);
  SecretBytes out("[");
  ForEach(value, [&](const GjsonValue& key, const GjsonValue&) {
    if (out.size() > 1) out.Append(",");
    out.Append(value.IsObject() ? key.raw : "null");
  });
  out.Append("]");
  return Keep(std::move(out));
}

std::string_view GjsonEvaluation::Values(std::string_view json) {
  const GjsonValue value = Parse(json);
  if (value.IsArray()) return json;
  SecretBytes out("[");
  ForEach(value, [&](const GjsonValue&, const GjsonValue& member) {
    if (out.size() > 1) out.Append(",");
    out.Append(member.raw);
  });
  out.Append("]");
  return Keep(std::move(out));
}

std::string_view GjsonEvaluation::Group(std::string_view json) {
  const GjsonValue value = Parse(json);
  if (!value.IsObject()) return {};
  std::vector<SecretBytes> objects;
  ForEach(value, [&](const GjsonValue& key, const GjsonValue& member) {
    if (!member.IsArray()) return;
    std::size_t place = 0;
    ForEach(member, [&](const GjsonValue&, const GjsonValue& element) {
      if (!Charge(key.raw.size())) return;
      if (place == objects.size()) objects.emplace_back();
      SecretBytes& object = objects[place++];
      object.Append(object.empty() ? "{" : ",");
      object.Append(key.raw);
      object.Append(":");
      object.Append(element.raw);
    });
  });
  SecretBytes out("[");
  for (const SecretBytes& object : objects) {
    if (out.size() > 1) out.Append(",");
    out.Append(object.Reveal());
    out.Append("}");
  }
  out.Append("]");
  return Keep(std::move(out));
}

void GjsonEvaluation::DigInto(const GjsonValue& parent, std::string_view path, SecretBytes& out) {
  const GjsonValue found = Get(parent.raw, path);
  if (found.Exists() && Charge(found.raw.size())) {
    if (out.size() > 1) out.Append(",");
    out.Append(found.raw);
  }
  if (parent.kind != GjsonValue::Kind::kContainer) return;
  if (depth_ >= limits_.depth) {
    Exceed("digs into values that are nested too deeply");
    return;
  }
  ++depth_;
  ForEach(parent, [&](const GjsonValue&, const GjsonValue& child) { DigInto(child, path, out); });
  --depth_;
}

std::string_view GjsonEvaluation::Dig(std::string_view json, std::string_view path) {
  SecretBytes out("[");
  DigInto(Parse(json), path, out);
  out.Append("]");
  return Keep(std::move(out));
}

std::string_view GjsonEvaluation::Pretty(std::string_view json, std::string_view options) {
  PrettyJsonOptions pretty;
  ForEach(Parse(options), [&](const GjsonValue& key, const GjsonValue& value) {
    if (key.text == "sortKeys") pretty.sort_keys = GjsonBool(value);
    if (key.text == "width") pretty.width = IntOf(value);
    if (key.text != "indent" && key.text != "prefix") return;
    const std::string space = SpaceOf(TextOf(value));
    (key.text == "indent" ? pretty.indent : pretty.prefix) = space;
  });
  std::optional<SecretBytes> text = PrettyJson(json, pretty, limits_.depth, memory_left_);
  if (!text) {
    Exceed("makes texts that are too large, or nested too deeply");
    return {};
  }
  return Keep(*std::move(text));
}

}  // namespace nodekeep

#include <vector>

#include "agent/template/function.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;

// The shortest path of the same meaning, without looking at a file system: no ".", no "//", ".."
// only at the start of a relative path; "." for nothing.
std::string Cleaned(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!rooted) {
      parts.push_back(part);
    }
  }
  std::string cleaned = rooted ? "/" : "";
  for (const std::string_view part : parts) {
    if (!cleaned.empty() && !cleaned.ends_with('/')) cleaned += '/';
    cleaned += part;
  }
  return cleaned.empty() ? "." : cleaned;
}

Result<Value> Clean(Call&, Arguments arguments) {
  return Value::Text(Cleaned(arguments[0].text()));
}

Result<Value> Base(Call&, Arguments arguments) {
  std::string_view path = arguments[0].text();
  if (path.empty()) return Value::Text(".");
  const std::size_t last = path.find_last_not_of('/');
  if (last == std::string_view::npos) return Value::Text("/");
  path = path.substr(0, last + 1);
  return Value::Text(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

Result<Value> Dir(Call&, Arguments arguments) {
  const std::string_view path = arguments[0].text();
  return Value::Text(Cleaned(path.substr(0, path.rfind('/') + 1)));
}

Result<Value> Ext(Call&, Arguments arguments) {
  const std::string_view path = arguments[0].text();
  const std::size_t at = path.find_last_of("./");
  const bool found = at != std::string_view::npos && path[at] == '.';
  return Value::Text(found ? path.substr(at) : "");
}

Result<Value> IsAbs(Call&, Arguments arguments) {
  return Value::Bool(arguments[0].text().starts_with('/'));
}

}  // namespace

std::span<const Function> PathFunctions() {
  static const Function functions[] = {
      {"base", "path string", Base, "the last element of a path",
       R"({{ base "/etc/tls/ca.pem" }})"},
      {"dir", "path string", Dir, "the path without its last element",
       R"({{ dir "/etc/tls/ca.pem" }})"},
      {"ext", "path string", Ext, "the extension of a path, with its dot",
       R"({{ ext "/etc/tls/ca.pem" }})"},
      {"clean", "path string", Clean, "the shortest path of the same meaning",
       R"({{ clean "/etc//tls/../ca.pem" }})"},
      {"isAbs", "path string", IsAbs, "whether the path starts with /",
       R"({{ isAbs "/etc/tls" }})"},
      {"osBase", "path string", Base, "as base"},
      {"osDir", "path string", Dir, "as dir"},
      {"osExt", "path string", Ext, "as ext"},
      {"osClean", "path string", Clean, "as clean"},
      {"osIsAbs", "path string", IsAbs, "as isAbs"},
  };
  return functions;
}

}  // namespace nodekeep::go

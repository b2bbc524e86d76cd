#include "agent/template/function.h"
#include "agent/template/go_url.h"
#include "agent/template/pem_text.h"

namespace nodekeep::go {
namespace {

Result<Value> UrlParse(Call& call, std::span<const Value> arguments) {
  const std::string_view text = arguments[0].text();
  if (Status charged = call.Charge(4 * text.size()); !charged.ok()) return charged.error();
  const Result<GoUrl> url = ParseGoUrl(text);
  if (!url.ok()) return url.error().Prepend("unable to parse url");
  Map parts;
  parts.emplace("scheme", Value::Text(url->scheme));
  parts.emplace("host", Value::Text(url->host));
  parts.emplace("hostname", Value::Text(url->HostName()));
  parts.emplace("path", Value::Text(url->path));
  parts.emplace("query", Value::Text(url->query));
  parts.emplace("opaque", Value::Text(url->opaque));
  parts.emplace("fragment", Value::Text(url->fragment));
  parts.emplace("userinfo", Value::Text(url->user ? url->user->Text() : ""));
  return Value::MapOf(std::move(parts));
}

// The text under `key`, "" if it is absent.
Status ReadPart(const Map& parts, std::string_view key, std::string& out) {
  const auto found = parts.find(key);
  if (found == parts.end()) return {};
  if (found->second.IsNil()) return NilPointerPanic();
  if (found->second.kind() != Kind::kString) {
    return Error::Format(ErrorCode::kInvalid,
                         "unable to parse {} key, must be of type string, but {} found", key,
                         NameOf(found->second.kind()));
  }
  out = found->second.text();
  return {};
}

Result<Value> UrlJoin(Call& call, std::span<const Value> arguments) {
  const Map& parts = arguments[0].entries();
  GoUrl url;
  std::string user;
  const std::pair<std::string_view, std::string*> fields[] = {
      {"scheme", &url.scheme}, {"host", &url.host},     {"path", &url.path},
      {"query", &url.query},   {"opaque", &url.opaque}, {"fragment", &url.fragment},
      {"userinfo", &user},
  };
  for (const auto& [key, field] : fields) {
    if (Status read = ReadPart(parts, key, *field); !read.ok()) return read.error();
    // Each byte may become three.
    if (Status charged = call.Charge(4 * field->size()); !charged.ok()) return charged.error();
  }
  if (!user.empty()) {
    Result<GoUrl> with_user = ParseGoUrl(fmt::format("proto://{}@host", user));
    if (!with_user.ok()) return with_user.error().Prepend("unable to parse userinfo in dict");
    url.user = std::move(with_user->user);
  }
  return Value::Text(url.Text());
}

}  // namespace

std::span<const Function> UrlFunctions() {
  static const Function functions[] = {
      {"urlParse", "url string", &UrlParse,
       "The parts of a URL: scheme, userinfo, host, hostname, path, query, fragment, opaque.",
       R"({{ (urlParse "https://user@example.com:8443/a?b=c").hostname }})"},
      {"urlJoin", "parts map[string]any", &UrlJoin, "The URL of such parts.",
       R"({{ urlJoin (dict "scheme" "https" "host" "example.com" "path" "/a b") }})"},
  };
  return functions;
}

}  // namespace nodekeep::go

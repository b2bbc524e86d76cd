#include "agent/template/go_url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/base/codecs.h"
#include "agent/base/go_text.h"

namespace nodekeep::go {
namespace {

enum class Where { kPath, kUser, kHost, kZone, kFragment };

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool IsOneOf(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

bool MustEscape(char c, Where where) {
  if (IsLetter(c) || IsDigit(c) || IsOneOf(c, "-_.~")) return false;
  switch (where) {
    case Where::kHost:
    case Where::kZone: return !IsOneOf(c, "!$&'()*+,;=:[]<>\"");
    case Where::kPath: return !IsOneOf(c, "$&+,/:;=@");
    case Where::kUser: return !IsOneOf(c, "$&+,;=");
    case Where::kFragment: return !IsOneOf(c, "$&+,/:;=?@!()*");
  }
  return true;
}

std::string Escape(std::string_view text, Where where) {
  std::string escaped;
  for (const char c : text) {
    if (MustEscape(c, where)) {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

Error BadEscape(std::string_view text) {
  return Error::Format(ErrorCode::kInvalid, "invalid URL escape {}", GoQuote(text.substr(0, 3)));
}

// The byte of "%41" at the front of `text`.
Result<char> Unescaped(std::string_view text, Where where) {
  if (text.size() < 3 || HexDigit(text[1]) < 0 || HexDigit(text[2]) < 0) return BadEscape(text);
  const int high = HexDigit(text[1]);
  const auto byte = static_cast<char>(high * 16 + HexDigit(text[2]));
  const bool is_percent = text.starts_with("%25");
  if (where == Where::kHost && high < 8 && !is_percent) return BadEscape(text);
  const bool is_allowed_in_zone = is_percent || byte == ' ' || !MustEscape(byte, Where::kHost);
  if (where == Where::kZone && !is_allowed_in_zone) return BadEscape(text);
  return byte;
}

Result<std::string> Unescape(std::string_view text, Where where) {
  std::string plain;
  while (!text.empty()) {
    const char c = text[0];
    if (c == '%') {
      const Result<char> byte = Unescaped(text, where);
      if (!byte.ok()) return byte.error();
      plain += *byte;
      text.remove_prefix(3);
      continue;
    }
    const bool is_host = where == Where::kHost || where == Where::kZone;
    if (is_host && static_cast<unsigned char>(c) < 0x80 && MustEscape(c, where)) {
      return Error::Format(ErrorCode::kInvalid, "invalid character {} in host name",
                           GoQuote(text.substr(0, 1)));
    }
    plain += c;
    text.remove_prefix(1);
  }
  return plain;
}

bool IsOptionalPort(std::string_view text) {
  return text.empty() || (text[0] == ':' && std::all_of(text.begin() + 1, text.end(), IsDigit));
}

Error BadPort(std::string_view port) {
  return Error::Format(ErrorCode::kInvalid, "invalid port {} after host", GoQuote(port));
}

bool IsIp6(const std::string& text) {
  std::array<unsigned char, 16> address;
  const std::size_t zone = text.find('%');
  if (zone != std::string::npos && zone + 1 == text.size()) return false;
  return inet_pton(AF_INET6, text.substr(0, zone).c_str(), address.data()) == 1;
}

bool IsIp4(const std::string& text) {
  std::array<unsigned char, 4> address;
  return inet_pton(AF_INET, text.c_str(), address.data()) == 1;
}

// "[::1]:80"
Result<std::string> BracketedHost(std::string_view host, std::size_t open) {
  const std::size_t close = host.rfind(']');
  if (close == host.npos) return Error(ErrorCode::kInvalid, "missing ']' in host");
  const std::string_view port = host.substr(close + 1);
  if (!IsOptionalPort(port)) return BadPort(port);
  const std::string_view name = host.substr(open + 1, close < open ? 0 : close - open - 1);
  const std::size_t zone_at = std::min(name.find("%25"), name.size());
  const Result<std::string> address = Unescape(name.substr(0, zone_at), Where::kHost);
  if (!address.ok()) return address.error();
  const Result<std::string> zone = Unescape(name.substr(zone_at), Where::kZone);
  if (!zone.ok()) return zone.error();
  const std::string literal = *address + *zone;
  if (open > 0 || IsIp4(literal)) return Error(ErrorCode::kInvalid, "invalid IP-literal");
  if (!IsIp6(literal)) {
    return Error::Format(ErrorCode::kInvalid, "invalid host: ParseAddr({}): unable to parse IP",
                         GoQuote(literal));
  }
  return fmt::format("[{}]{}", literal, port);
}

Result<std::string> ParseHost(std::string_view host) {
  const std::size_t open = host.rfind('[');
  if (open != host.npos) return BracketedHost(host, open);
  const std::size_t colon = host.find(':');
  if (colon != host.npos && !IsOptionalPort(host.substr(colon))) {
    return BadPort(host.substr(colon));
  }
  return Unescape(host, Where::kHost);
}

Result<GoUserInfo> ParseUser(std::string_view text) {
  const bool is_valid = std::all_of(text.begin(), text.end(), [](char c) {
    return IsLetter(c) || IsDigit(c) || IsOneOf(c, "-._:~!$&'()*+,;=%@");
  });
  if (!is_valid) return Error(ErrorCode::kInvalid, "net/url: invalid userinfo");
  const std::size_t colon = text.find(':');
  Result<std::string> name = Unescape(text.substr(0, colon), Where::kUser);
  if (!name.ok()) return name.error();
  GoUserInfo user{*std::move(name), std::nullopt};
  if (colon == text.npos) return user;
  Result<std::string> password = Unescape(text.substr(colon + 1), Where::kUser);
  if (!password.ok()) return password.error();
  user.password = *std::move(password);
  return user;
}

Status ParseAuthority(std::string_view text, GoUrl& url) {
  const std::size_t at = text.rfind('@');
  Result<std::string> host = ParseHost(at == text.npos ? text : text.substr(at + 1));
  if (!host.ok()) return host.error();
  url.host = *std::move(host);
  if (at == text.npos) return {};
  Result<GoUserInfo> user = ParseUser(text.substr(0, at));
  if (!user.ok()) return user.error();
  url.user = *std::move(user);
  return {};
}

// Takes "https:" off `text`.
Status TakeScheme(std::string_view& text, std::string& scheme) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (IsLetter(c)) continue;
    if (i == 0 && c == ':') return Error(ErrorCode::kInvalid, "missing protocol scheme");
    if (i > 0 && (IsDigit(c) || IsOneOf(c, "+-."))) continue;
    if (i == 0 || c != ':') return {};
    scheme = text.substr(0, i);
    std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](char letter) {
      return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
    });
    text.remove_prefix(i + 1);
    return {};
  }
  return {};
}

Status ParseWithoutFragment(std::string_view text, GoUrl& url) {
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' || c == 0x7F;
  });
  if (has_control) {
    return Error(ErrorCode::kInvalid, "net/url: invalid control character in URL");
  }
  if (text == "*") {
    url.path = "*";
    return {};
  }
  if (Status taken = TakeScheme(text, url.scheme); !taken.ok()) return taken;
  const std::size_t question = text.find('?');
  if (question != text.npos) url.query = text.substr(question + 1);
  text = text.substr(0, question);
  if (!text.starts_with('/')) {
    if (!url.scheme.empty()) {
      url.opaque = text;
      return {};
    }
    if (text.substr(0, text.find('/')).find(':') != text.npos) {
      return Error(ErrorCode::kInvalid, "first path segment in URL cannot contain colon");
    }
  }
  if (text.starts_with("//") && (!url.scheme.empty() || !text.starts_with("///"))) {
    text.remove_prefix(2);
    const std::size_t slash = std::min(text.find('/'), text.size());
    if (Status parsed = ParseAuthority(text.substr(0, slash), url); !parsed.ok()) return parsed;
    text.remove_prefix(slash);
  }
  Result<std::string> path = Unescape(text, Where::kPath);
  if (!path.ok()) return path.error();
  url.path = *std::move(path);
  return {};
}

}  // namespace

std::string GoUserInfo::Text() const {
  std::string text = Escape(name, Where::kUser);
  if (password) text += ":" + Escape(*password, Where::kUser);
  return text;
}

std::string GoUrl::HostName() const {
  std::string_view name = host;
  const std::size_t colon = name.rfind(':');
  if (colon != name.npos && IsOptionalPort(name.substr(colon))) name = name.substr(0, colon);
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  return std::string(name);
}

std::string GoUrl::Text() const {
  std::string text = scheme.empty() ? "" : scheme + ":";
  if (!opaque.empty()) {
    text += opaque;
  } else {
    const bool has_authority = !host.empty() || user;
    if (has_authority || (!scheme.empty() && !path.empty())) text += "//";
    if (user) text += user->Text() + "@";
    text += Escape(host, Where::kHost);
    const std::string escaped = path == "*" ? path : Escape(path, Where::kPath);
    if (!escaped.empty() && escaped[0] != '/' && !host.empty()) text += '/';
    // Otherwise the first segment would be taken for a scheme.
    if (text.empty() && escaped.substr(0, escaped.find('/')).find(':') != std::string::npos) {
      text += "./";
    }
    text += escaped;
  }
  if (!query.empty()) text += "?" + query;
  if (!fragment.empty()) text += "#" + Escape(fragment, Where::kFragment);
  return text;
}

Result<GoUrl> ParseGoUrl(std::string_view text) {
  const std::size_t hash = text.find('#');
  const std::string_view before = text.substr(0, hash);
  GoUrl url;
  if (Status parsed = ParseWithoutFragment(before, url); !parsed.ok()) {
    return parsed.error().Prepend("parse {}", GoQuote(before));
  }
  if (hash == text.npos) return url;
  Result<std::string> fragment = Unescape(text.substr(hash + 1), Where::kFragment);
  if (!fragment.ok()) return fragment.error().Prepend("parse {}", GoQuote(text));
  url.fragment = *std::move(fragment);
  return url;
}

}  // namespace nodekeep::go

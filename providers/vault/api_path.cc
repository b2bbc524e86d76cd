#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/codecs.h"
#include "agent/base/utf8.h"
#include "providers/vault/options.h"

namespace nodekeep::vault {
namespace {

// Go's path.Clean for an absolute path: no empty, "." or ".." elements, no final slash.
std::string CleanPath(std::string_view path) {
  std::vector<std::string_view> elements;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view element = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (element.empty() || element == ".") continue;
    if (element != "..") {
      elements.push_back(element);
    } else if (!elements.empty()) {
      elements.pop_back();
    }
  }
  std::string clean;
  for (std::string_view element : elements) clean.append("/").append(element);
  return clean.empty() ? "/" : clean;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> QueryUnescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Error::Format(ErrorCode::kInvalid, "invalid URL escape \"{}\" in the query",
                             text.substr(i, 3));
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string QueryEscape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    out += PercentEncode(text.substr(0, space), /*keep_slash=*/false);
    if (space < text.size()) out += '+';
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return out;
}

// As Go's url.ParseQuery followed by Values.Encode: keys sorted, values of a key in their order.
Result<std::string> SortedQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> values;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    if (part.find(';') != std::string_view::npos) {
      return Error(ErrorCode::kInvalid, "invalid semicolon separator in query");
    }
    const std::size_t equals = std::min(part.find('='), part.size());
    Result<std::string> key = QueryUnescape(part.substr(0, equals));
    if (!key.ok()) return key.error();
    Result<std::string> value = QueryUnescape(part.substr(std::min(equals + 1, part.size())));
    if (!value.ok()) return value.error();
    values.emplace_back(*std::move(key), *std::move(value));
  }
  std::stable_sort(values.begin(), values.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (const auto& [key, value] : values) {
    if (!out.empty()) out += '&';
    out += QueryEscape(key) + "=" + QueryEscape(value);
  }
  return out;
}

}  // namespace

Result<std::string> ApiPath(std::string_view secret_path, std::string_view source) {
  for (unsigned char c : secret_path) {
    if (c < 0x20 || c == 0x7f) {
      return Error::Format(ErrorCode::kInvalid, "{} holds control characters", source);
    }
  }
  const std::size_t mark = std::min(secret_path.find('?'), secret_path.size());
  const std::string_view path = secret_path.substr(0, mark);
  std::string full;
  if (path.starts_with("/v1/")) {
    full = path;
  } else if (path.starts_with("v1/")) {
    full = "/" + std::string(path);
  } else if (path.starts_with("/")) {
    full = "/v1" + std::string(path);
  } else {
    full = "/v1/" + std::string(path);
  }
  full = CleanPath(full);
  if (full == "/v1") {
    return Error::Format(ErrorCode::kInvalid, "{} is empty: name the path to read", source);
  }
  if (!full.starts_with("/v1/")) {
    return Error::Format(ErrorCode::kInvalid, "{} \"{}\" leaves the API with \"..\"", source,
                         Excerpt(secret_path));
  }
  Result<std::string> query =
      SortedQuery(secret_path.substr(std::min(mark + 1, secret_path.size())));
  if (!query.ok()) return query.error().Prepend("{} \"{}\"", source, Excerpt(secret_path));
  return query->empty() ? full : full + "?" + *query;
}

}  // namespace nodekeep::vault

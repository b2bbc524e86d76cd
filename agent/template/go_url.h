#pragma once

// URLs as Go's net/url reads and writes them.

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace nodekeep::go {

struct GoUserInfo {
  std::string name;
  std::optional<std::string> password;

  std::string Text() const;  // escaped
};

struct GoUrl {
  std::string scheme;
  std::string opaque;
  std::optional<GoUserInfo> user;
  std::string host;  // with the port
  std::string path;
  std::string query;
  std::string fragment;

  std::string HostName() const;
  // url.URL.String of a URL that was put together from these parts.
  std::string Text() const;
};

// url.Parse. Errors: kInvalid with Go's text.
Result<GoUrl> ParseGoUrl(std::string_view text);

}  // namespace nodekeep::go

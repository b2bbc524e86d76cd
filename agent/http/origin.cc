#include "agent/http/origin.h"

#include <curl/curl.h>

#include <charconv>
#include <memory>

#include "agent/base/ascii.h"

namespace nodekeep {
namespace {

using UrlHandle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string Part(const UrlHandle& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  return copy;
}

// The part of an invalid URL that may be shown: nothing that could be a password or signed query.
std::string Shown(const std::string& url) {
  if (url.find('@') != std::string::npos) return "(not shown)";
  return url.substr(0, url.find_first_of("?#"));
}

}  // namespace

Result<Origin> ParseOrigin(const HttpRequest& request) {
  UrlHandle url(curl_url(), &curl_url_cleanup);
  if (!url) return Error(ErrorCode::kInternal, "out of memory while reading a URL");
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(), 0);
  // Curl would end the URL at an embedded NUL.
  if (code != CURLUE_OK || request.url.find('\0') != std::string::npos) {
    return Error::Format(ErrorCode::kInvalid, "URL \"{}\" is not valid: {}", Shown(request.url),
                         curl_url_strerror(code == CURLUE_OK ? CURLUE_BAD_HOSTNAME : code));
  }
  Origin origin;
  origin.scheme = AsciiLower(Part(url, CURLUPART_SCHEME));
  if (origin.scheme != "http" && origin.scheme != "https") {
    return Error::Format(ErrorCode::kInvalid,
                         "URL \"{}\" is not valid: it must start with http:// or https://",
                         Shown(request.url));
  }
  if (!Part(url, CURLUPART_USER).empty() || !Part(url, CURLUPART_PASSWORD).empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "the URL of {} holds a user name or password: give them as credentials",
                         AsciiLower(Part(url, CURLUPART_HOST)));
  }
  // Curl accepts "https:/host" too, where a later "://" would be mistaken for the scheme's.
  if (request.url.find("://") != origin.scheme.size()) {
    return Error::Format(ErrorCode::kInvalid,
                         "URL \"{}\" is not valid: write {}:// before the host", Shown(request.url),
                         origin.scheme);
  }
  // Not supported: a zone would have to be part of the origin, because the same address is a
  // different host in each zone.
  if (!Part(url, CURLUPART_ZONEID).empty()) {
    return Error::Format(ErrorCode::kInvalid,
                         "URL \"{}\" is not valid: zones of IPv6 addresses are not supported",
                         Shown(request.url));
  }
  const std::string bracketed = AsciiLower(Part(url, CURLUPART_HOST));
  origin.host = bracketed.starts_with('[') ? bracketed.substr(1, bracketed.size() - 2) : bracketed;
  const std::string port = Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), origin.port);
  origin.text = request.unix_socket.empty()
                    ? fmt::format("{}://{}:{}", origin.scheme, bracketed, origin.port)
                    : "unix:" + request.unix_socket;
  return origin;
}

}  // namespace nodekeep

#include "agent/cloud/sigv4.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/ascii.h"
#include "agent/base/codecs.h"
#include "agent/base/digest.h"

namespace nodekeep {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

struct UrlParts {
  std::string_view host;  // with the port, if it is written
  std::string_view path;
  std::string_view query;
};

Result<UrlParts> Split(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) {
    return Error::Format(ErrorCode::kInvalid, "\"{}\" is not a URL", url);
  }
  std::string_view rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find('#'));
  UrlParts parts;
  if (const std::size_t query = rest.find('?'); query != std::string_view::npos) {
    parts.query = rest.substr(query + 1);
    rest = rest.substr(0, query);
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  parts.host = rest.substr(0, slash);
  parts.path = slash == rest.size() ? "/" : rest.substr(slash);
  return parts;
}

std::string PercentDecode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    Result<SecretBytes> byte =
        text[i] == '%' && i + 2 < text.size() ? HexDecode(text.substr(i + 1, 2)) : SecretBytes();
    if (byte.ok() && !byte->empty()) {
      plain += byte->Reveal();
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Sorted by encoded name, then value; "=" is added to a name without one.
std::string CanonicalQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equal = std::min(pair.find('='), pair.size());
    const std::string_view value = equal == pair.size() ? "" : pair.substr(equal + 1);
    const auto encode = [](std::string_view part) {
      return PercentEncode(PercentDecode(part), /*keep_slash=*/false);
    };
    if (!pair.empty()) pairs.emplace_back(encode(pair.substr(0, equal)), encode(value));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string canonical;
  for (const auto& [name, value] : pairs) {
    canonical += (canonical.empty() ? "" : "&") + name + "=" + value;
  }
  return canonical;
}

// Appends `value` trimmed, with inner white space collapsed to one space.
void AppendCollapsed(std::string_view value, SecretBytes& out) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  bool started = false;
  for (std::size_t i = 0; i < value.size();) {
    if (is_space(value[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < value.size() && !is_space(value[end])) ++end;
    if (started) out.Append(" ");
    out.Append(value.substr(i, end - i));
    started = true;
    i = end;
  }
}

// Keyed by lower-case name; values of a repeated header are joined in the order of the request.
std::map<std::string, SecretBytes> CanonicalHeaders(const HttpRequest& request,
                                                    std::string_view host) {
  std::map<std::string, SecretBytes> headers;
  for (const HttpHeader& header : request.headers) {
    auto [place, fresh] = headers.try_emplace(AsciiLower(header.name));
    if (!fresh) place->second.Append(",");
    AppendCollapsed(header.value.Reveal(), place->second);
  }
  headers.try_emplace("host", host);
  return headers;
}

std::string Stamp(WallTime now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:%Y%m%dT%H%M%SZ}", parts);
}

SecretBytes SigningKey(const SecretBytes& secret, std::string_view date, const SigV4Scope& scope) {
  SecretBytes key("AWS4");
  key.Append(secret.Reveal());
  for (std::string_view part :
       {date, std::string_view(scope.region), std::string_view(scope.service),
        std::string_view("aws4_request")}) {
    key = HmacSha256(key, {part});
  }
  return key;
}

}  // namespace

Result<CanonicalRequest> CanonicalRequestOf(const HttpRequest& request) {
  Result<UrlParts> url = Split(request.url);
  if (!url.ok()) return url.error();
  CanonicalRequest canonical;
  canonical.text.Append(request.method + "\n" + PercentEncode(url->path, /*keep_slash=*/true) +
                        "\n" + CanonicalQuery(url->query) + "\n");
  for (const auto& [name, value] : CanonicalHeaders(request, url->host)) {
    canonical.text.Append(name + ":");
    canonical.text.Append(value.Reveal());
    canonical.text.Append("\n");
    canonical.signed_headers += (canonical.signed_headers.empty() ? "" : ";") + name;
  }
  canonical.text.Append("\n" + canonical.signed_headers + "\n" + Sha256Hex(request.body.Reveal()));
  return canonical;
}

Status SignV4(HttpRequest& request, const AwsCredentials& credentials, const SigV4Scope& scope,
              WallTime now) {
  const std::string stamp = Stamp(now);
  request.headers.push_back({"X-Amz-Date", SecretBytes(stamp)});
  if (!credentials.session_token.empty()) {
    request.headers.push_back({"X-Amz-Security-Token", credentials.session_token.Clone()});
  }
  Result<CanonicalRequest> canonical = CanonicalRequestOf(request);
  if (!canonical.ok()) return canonical.error();
  const std::string date = stamp.substr(0, 8);
  const std::string scope_text =
      fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, stamp, scope_text,
                                          Sha256Hex(canonical->text.Reveal()));
  const SecretBytes signature =
      HmacSha256(SigningKey(credentials.secret_access_key, date, scope), {to_sign});
  request.headers.push_back(
      {"Authorization",
       SecretBytes(fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                               credentials.access_key_id, scope_text, canonical->signed_headers,
                               HexEncode(signature.Reveal())))});
  return {};
}

}  // namespace nodekeep

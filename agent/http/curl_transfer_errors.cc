// The errors of CurlTransfer: which step failed, at the server or at the proxy, and what to do.

#include <algorithm>
#include <cctype>
#include <system_error>

#include "agent/base/ascii.h"
#include "agent/base/duration.h"
#include "agent/http/curl_transfer.h"

namespace nodekeep {
namespace {

constexpr TlsParameterNames kNoNames;

bool Contains(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

bool IsServersRefusalOfOurCertificate(std::string_view text) {
  return Contains(text, "alert") && (Contains(text, "certificate") || Contains(text, "unknown ca"));
}

// OpenSSL's names of most alerts contain the word "alert".
bool IsServersAlert(std::string_view text) {
  return Contains(text, "SSL routines::") &&
         (Contains(text, " alert ") || Contains(text, "tlsv1 unrecognized name"));
}

// What OpenSSL says when it reads text where a TLS record should be.
bool IsPlainText(std::string_view words) {
  return Contains(words, "wrong version number") || Contains(words, "packet length too long") ||
         Contains(words, "http request") || Contains(words, "record layer failure");
}

// How servers answer plain HTTP on their TLS port, with status 400.
bool AsksForTls(std::string_view body) {
  constexpr std::string_view kAnswers[] = {
      "Client sent an HTTP request to an HTTPS server",            // Go
      "The plain HTTP request was sent to HTTPS port",             // nginx
      "speaking plain HTTP to an SSL-enabled server port",         // Apache
      "This combination of host and port requires TLS",            // Tomcat
      "plain HTTP request was sent to a port that requires HTTPS"  // others
  };
  return std::any_of(std::begin(kAnswers), std::end(kAnswers), [&](std::string_view answer) {
    return Contains(body.substr(0, 4096), answer);
  });
}

bool IsHttpProxy(const Proxy& proxy) { return proxy.scheme != "socks5h"; }

}  // namespace

std::string LowerFirst(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = AsciiLower(text[0]);
  }
  return text;
}

bool CurlTransfer::Reached(CURLINFO moment) const {
  curl_off_t microseconds = 0;
  return easy_ && curl_easy_getinfo(easy_.get(), moment, &microseconds) == CURLE_OK &&
         microseconds > 0;
}

std::string CurlTransfer::Route() const {
  return proxy_ ? fmt::format("{} through {}", origin_.text, proxy_->Text()) : origin_.text;
}

bool CurlTransfer::IsBeforeTunnel() const {
  if (!proxy_ || !IsHttpProxy(*proxy_) || origin_.scheme != "https") return false;
  long status = 0;
  if (easy_) curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &status);
  // On a connection that is used again there was no CONNECT, but all its steps are reached.
  return status / 100 != 2 && !Reached(CURLINFO_PRETRANSFER_TIME_T);
}

std::string CurlTransfer::Step() const {
  // Curl counts the TLS handshake as part of connecting; the local port is set once TCP is up.
  long local_port = 0;
  if (easy_) curl_easy_getinfo(easy_.get(), CURLINFO_LOCAL_PORT, &local_port);
  if (header_bytes_ > 0) return "read the answer of " + origin_.text;
  // Resolving its name, or waiting for a free connection.
  if (!Reached(CURLINFO_NAMELOOKUP_TIME_T)) return "reach " + Route();
  if (!Reached(CURLINFO_CONNECT_TIME_T) && local_port == 0) {
    return proxy_ ? fmt::format("connect to {} for {}", proxy_->Text(), origin_.text)
                  : "connect to " + origin_.text;
  }
  if (IsBeforeTunnel()) {
    return fmt::format("wait for {} to connect to {}", proxy_->Text(), origin_.text);
  }
  if (origin_.scheme == "https" && !Reached(CURLINFO_APPCONNECT_TIME_T)) {
    return "TLS handshake with " + Route();
  }
  return "wait for the answer of " + Route();
}

std::optional<Error> CurlTransfer::NotTheServersAnswer() const {
  if (origin_.scheme != "http") return std::nullopt;
  if (proxy_ && response_.status == 407) return RefusedTunnel(407);
  if (response_.status == 400 && AsksForTls(response_.body.Reveal())) {
    return Error::Format(ErrorCode::kInvalid,
                         "wait for the answer of {}: the server expects TLS: use https://{}",
                         origin_.text, origin_.text.substr(std::string_view("http://").size()));
  }
  return std::nullopt;
}

// All are transient, because the server may be well: its last good values are served.
std::optional<Error> CurlTransfer::ProxyFailure(CURLcode code, const std::string& words) const {
  if (!proxy_) return std::nullopt;
  const std::string proxy = proxy_->Text();
  if (code == CURLE_COULDNT_RESOLVE_PROXY) {
    return Error::Format(ErrorCode::kTransient, "resolve {} for {}: {}", proxy, origin_.text,
                         words);
  }
  if (code == CURLE_COULDNT_CONNECT) {
    return Error::Format(ErrorCode::kTransient, "connect to {} for {}: {}", proxy, origin_.text,
                         words);
  }
  if (code == CURLE_PROXY) {
    long reason = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_PROXY_ERROR, &reason);
    if (reason == CURLPX_NO_AUTH || reason == CURLPX_USER_REJECTED) return RefusedTunnel(407);
    return Error::Format(ErrorCode::kTransient, "connect to {}: {}", Route(), words);
  }
  if (!IsBeforeTunnel() || code == CURLE_OPERATION_TIMEDOUT) return std::nullopt;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &status);
  if (status != 0) return RefusedTunnel(static_cast<int>(status));
  const bool is_tls = code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION;
  if (is_tls) {
    return Error::Format(ErrorCode::kTransient, "TLS handshake with {} for {}: {}", proxy,
                         origin_.text, words);
  }
  return Error::Format(ErrorCode::kTransient, "wait for {} to connect to {}: {}", proxy,
                       origin_.text, words);
}

Error CurlTransfer::RefusedTunnel(int status) const {
  const std::string proxy = proxy_->Text();
  if (status == 407) {
    const std::string_view fix =
        proxy_->user.empty() ? "asks for authentication (407): write USER:PASSWORD@ before the "
                               "host in"
                             : "refuses the user and password (407) of";
    return Error::Format(ErrorCode::kTransient, "request to {}: {} {} {}", origin_.text, proxy, fix,
                         proxy_->variable);
  }
  return Error::Format(ErrorCode::kTransient, "request to {}: {} {} (HTTP {}): {}", origin_.text,
                       proxy, status >= 500 ? "cannot connect to it" : "refuses to connect to it",
                       status, "allow the host there, or list it in NO_PROXY to reach it directly");
}

const TlsParameterNames& CurlTransfer::Names() const {
  return request_.tls_names != nullptr ? *request_.tls_names : kNoNames;
}

Error CurlTransfer::UntrustedServer(const std::string& words) const {
  std::string fix = fmt::format("set {} to the CA certificate that signed it", Names().ca);
  if (Contains(words, "subject name") || Contains(words, "does not match")) {
    fix = fmt::format("use a name that it holds in the address, or set {} to one",
                      Names().server_name);
  } else if (Contains(words, "expired") || Contains(words, "not yet valid")) {
    fix = "renew it on the server, or correct the clock of the node";
  }
  return Error::Format(ErrorCode::kInvalid,
                       "TLS handshake with {}: the server's certificate is not trusted ({}): {}",
                       origin_.text, words, fix);
}

Error CurlTransfer::Failure(CURLcode code) const {
  const std::string& host = origin_.text;
  long os_error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &os_error);
  const std::string system_words =
      os_error == 0 ? "" : LowerFirst(std::generic_category().message(static_cast<int>(os_error)));
  const std::string curl_words =
      LowerFirst(error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code));
  const std::string& words = system_words.empty() ? curl_words : system_words;
  if (std::optional<Error> failure = ProxyFailure(code, words)) return *std::move(failure);
  if (IsServersRefusalOfOurCertificate(curl_words)) {
    return Error::Format(ErrorCode::kInvalid,
                         "TLS handshake with {}: the server refuses our client certificate ({}): "
                         "set {} and its key to one that it trusts",
                         host, curl_words, Names().client_cert);
  }
  if (IsServersAlert(curl_words)) {
    // Possibly caused by this request's server name or missing client certificate.
    return Error::Format(ErrorCode::kTransient,
                         "TLS handshake with {}: the server ended it with an alert ({}): if it "
                         "persists, check {} and {}",
                         host, curl_words, Names().server_name, Names().client_cert)
        .OfRequest();
  }
  switch (code) {
    case CURLE_WRITE_ERROR:
      if (receiver_is_full_) {
        return Error::Format(ErrorCode::kTooLarge,
                             "read the answer of {}: it is more than can be kept", host);
      }
      if (over_share_) {
        return Error::Format(ErrorCode::kThrottled,
                             "read the answer of {}: with its {} bytes, the answers that namespace "
                             "{} is reading use more than its share of the node's memory: read "
                             "less at a time",
                             host, body_bytes_, share_.namespace_name);
      }
      if (header_count_ > kMaxHeaders) {
        return Error::Format(ErrorCode::kTooLarge,
                             "read the answer of {}: it has more headers than the limit of {}",
                             host, kMaxHeaders);
      }
      return Error::Format(
          ErrorCode::kTooLarge, "read the answer of {}: it is larger than the limit of {} bytes",
          host, header_bytes_ > kMaxHeaderBytes ? kMaxHeaderBytes : request_.max_response_bytes);
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error::Format(ErrorCode::kTransient, "resolve {}: {}", host, curl_words);
    case CURLE_COULDNT_CONNECT:
      return Error::Format(ErrorCode::kTransient, "connect to {}: {}", host, words);
    case CURLE_OPERATION_TIMEDOUT:
      return Error::Format(
          ErrorCode::kTransient, "{}: no answer within {}",
          curl_words.starts_with("resolving") && !proxy_ ? "resolve " + host : Step(),
          FormatDuration(limits_.connect_timeout));
    case CURLE_SSL_CONNECT_ERROR:
      return Error::Format(
          ErrorCode::kTransient, "TLS handshake with {}: {}{}", host, curl_words,
          IsPlainText(curl_words)
              ? ": the server speaks plain HTTP there: use its TLS port, or http://"
              : "");
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Error::Format(
          ErrorCode::kTransient, "read the answer of {}: it is not HTTP{}", host,
          origin_.scheme == "http" ? ": if the server expects TLS, use https://" : "");
    case CURLE_PEER_FAILED_VERIFICATION: return UntrustedServer(curl_words);
    case CURLE_SSL_CACERT_BADFILE:
      return Error::Format(ErrorCode::kInvalid,
                           "TLS handshake with {}: the CA certificates cannot be used ({}): set {} "
                           "to PEM certificates, or install the system's ca-certificates",
                           host, curl_words, Names().ca);
    case CURLE_SSL_CERTPROBLEM:
      return Error::Format(ErrorCode::kInvalid,
                           "TLS handshake with {}: the client cert or key cannot be used ({})",
                           host, curl_words);
    case CURLE_URL_MALFORMAT:
      return Error::Format(ErrorCode::kInvalid, "request to {}: the URL is not valid", host);
    case CURLE_GOT_NOTHING:
      return Error::Format(ErrorCode::kTransient,
                           "wait for the answer of {}: the connection was closed without one",
                           host);
    case CURLE_PARTIAL_FILE:
      return Error::Format(ErrorCode::kTransient,
                           "read the answer of {}: the connection was cut after {} bytes", host,
                           body_bytes_);
    case CURLE_SEND_ERROR:
      return Error::Format(ErrorCode::kTransient, "send the request to {}: {}", host, words);
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_NOT_BUILT_IN:
      return Error::Format(ErrorCode::kInternal, "request to {}: {}", host, curl_words);
    default: return Error::Format(ErrorCode::kTransient, "{}: {}", Step(), words);
  }
}

}  // namespace nodekeep

#include "agent/http/curl_transfer.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <system_error>

#include "agent/base/ascii.h"
#include "agent/base/duration.h"
#include "agent/base/trimmed.h"
#include "agent/http/no_proxy.h"

namespace nodekeep {
namespace {

constexpr long kDnsCacheSeconds = 60;
// Headers are not charged to a share, and each takes far more memory than its bytes, here and
// inside curl. Of all responses to one request: interim ones and trailers count too.
constexpr std::size_t kMaxHeaderBytes = 32u << 10;
constexpr std::size_t kMaxHeaders = 256;  // status lines included
// Bounds the memory that a Content-Length alone can allocate and charge.
constexpr std::size_t kMaxReserve = 64u << 10;

// A token of RFC 9110: the syntax of methods and header names.
bool IsToken(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || kMarks.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// "Connection refused" and "Could not resolve host" in the style of our error texts.
std::string LowerFirst(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = AsciiLower(text[0]);
  }
  return text;
}

Status CheckRequest(const HttpRequest& request, const Origin& origin) {
  if (!IsToken(request.method)) {
    return Error::Format(ErrorCode::kInvalid, "request to {}: the method is not an HTTP token",
                         origin.text);
  }
  for (const HttpHeader& header : request.headers) {
    if (!IsToken(header.name)) {
      return Error::Format(ErrorCode::kInvalid, "request to {}: a header name is not valid",
                           origin.text);
    }
    // A line break in a value would allow header injection.
    if (header.value.Reveal().find_first_of(std::string_view("\r\n\0", 3)) !=
        std::string_view::npos) {
      return Error::Format(ErrorCode::kInvalid,
                           "request to {}: the value of header {} holds a line break or a NUL byte",
                           origin.text, header.name);
    }
  }
  return {};
}

// The unix socket of the request, of which a class may have named the path; none without one.
Result<Descriptor> OpenSocket(const HttpRequest& request, const Origin& origin) {
  if (request.unix_socket.empty()) return Descriptor();
  Result<Descriptor> socket = OpenPermitted(request.unix_socket, PathKind::kSocket);
  if (socket.ok()) return socket;
  // A server that is not started yet.
  const bool is_missing = socket.error().code() == ErrorCode::kNotFound;
  return Error::Format(is_missing ? ErrorCode::kTransient : ErrorCode::kInvalid,
                       "connect to {}: {}", origin.text, LowerFirst(socket.error().message()));
}

bool IsServersRefusalOfOurCertificate(std::string_view text) {
  return text.find("alert") != std::string_view::npos &&
         (text.find("certificate") != std::string_view::npos ||
          text.find("unknown ca") != std::string_view::npos);
}

// OpenSSL's names of most alerts contain the word "alert".
bool IsServersAlert(std::string_view text) {
  return text.find("SSL routines::") != std::string_view::npos &&
         (text.find(" alert ") != std::string_view::npos ||
          text.find("tlsv1 unrecognized name") != std::string_view::npos);
}

}  // namespace

Result<std::unique_ptr<CurlTransfer>> CurlTransfer::Prepare(
    HttpRequest request, std::shared_ptr<const TlsMaterial> material) {
  Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return origin.error();
  Status valid = CheckRequest(request, *origin);
  if (!valid.ok()) return valid.error();
  Result<Descriptor> socket = OpenSocket(request, *origin);
  if (!socket.ok()) return socket.error();
  std::unique_ptr<CurlTransfer> transfer(
      new CurlTransfer(std::move(request), *std::move(origin), std::move(material)));
  transfer->unix_socket_ = *std::move(socket);
  return transfer;
}

CurlTransfer::CurlTransfer(HttpRequest request, Origin origin,
                           std::shared_ptr<const TlsMaterial> material)
    : request_(std::move(request)), origin_(std::move(origin)), material_(std::move(material)) {
  BuildUrl();
  BuildHeaders();
}

// Curl verifies the host of the URL and sends it as SNI. For another expected server name, the URL
// gets that name and CONNECT_TO the real host.
void CurlTransfer::BuildUrl() {
  url_ = request_.url;
  if (!material_ || material_->server_name.empty() || origin_.scheme != "https") return;
  const std::size_t begin = url_.find("://") + 3;
  const std::size_t end = std::min(url_.find_first_of("/?#", begin), url_.size());
  const bool has_host =
      std::any_of(request_.headers.begin(), request_.headers.end(),
                  [](const HttpHeader& header) { return EqualsIgnoreCase(header.name, "host"); });
  if (!has_host) AddHeaderLine("Host", std::string_view(url_).substr(begin, end - begin));
  const auto authority = [&](const std::string& host) {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return fmt::format("{}:{}", is_ipv6 ? "[" + host + "]" : host, origin_.port);
  };
  url_ = url_.substr(0, begin) + authority(material_->server_name) + url_.substr(end);
  connect_to_ = "::" + authority(origin_.host);
  connect_to_list_.data = connect_to_.data();
}

void CurlTransfer::AddHeaderLine(std::string_view name, std::string_view value) {
  SecretBytes line;
  line.Reserve(name.size() + value.size() + 3);
  line.Append(name);
  // For curl, "Name:" omits the header and "Name;" sends it with an empty value.
  line.Append(value.empty() ? ";" : ": ");
  line.Append(value);
  line.Append(std::string_view("\0", 1));
  header_lines_.push_back(std::move(line));
}

void CurlTransfer::BuildHeaders() {
  bool has_content_type = false;
  for (const HttpHeader& header : request_.headers) {
    AddHeaderLine(header.name, header.value.Reveal());
    has_content_type = has_content_type || EqualsIgnoreCase(header.name, "content-type");
  }
  // Disables curl's additions: a form's Content-Type, and Expect, which delays large bodies.
  for (std::string_view own : {std::string_view("Content-Type:"), std::string_view("Expect:")}) {
    if (own == "Content-Type:" && has_content_type) continue;
    SecretBytes line(own);
    line.Append(std::string_view("\0", 1));
    header_lines_.push_back(std::move(line));
  }
  header_list_.resize(header_lines_.size());
  for (std::size_t i = 0; i < header_lines_.size(); ++i) {
    header_list_[i].data = header_lines_[i].MutableData();
    header_list_[i].next = i + 1 < header_lines_.size() ? &header_list_[i + 1] : nullptr;
  }
}

template <typename Value>
void CurlTransfer::Set(CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy_.get(), option, value);
  if (code != CURLE_OK && option_error_ == CURLE_OK) option_error_ = code;
}

Status CurlTransfer::Open(CURLSH* share, const Limits& limits, OpenSockets& sockets, void* owner) {
  easy_.reset(curl_easy_init());
  if (!easy_) return Error(ErrorCode::kInternal, "curl cannot make a request handle");
  limits_ = limits;
  last_received_ = std::chrono::steady_clock::now();
  Set(CURLOPT_PRIVATE, owner);
  Set(CURLOPT_SHARE, share);
  Set(CURLOPT_ERRORBUFFER, error_text_);
  Set(CURLOPT_URL, url_.c_str());
  Set(CURLOPT_PATH_AS_IS, 1L);
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_USERAGENT, "nodekeep");
  Set(CURLOPT_HTTPHEADER, header_list_.data());
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_OPENSOCKETFUNCTION, &OpenSockets::OnOpen);
  Set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&sockets));
  Set(CURLOPT_CLOSESOCKETFUNCTION, &OpenSockets::OnClose);
  Set(CURLOPT_CLOSESOCKETDATA, static_cast<void*>(&sockets));
  // Without it, aborting a transfer during name resolution blocks until the resolver returns, and
  // with it every transfer of the loop.
  Set(CURLOPT_QUICK_EXIT, 1L);
  Set(CURLOPT_TCP_KEEPALIVE, 1L);
  Set(CURLOPT_CONNECTTIMEOUT_MS, std::max(1L, static_cast<long>(limits.connect_timeout.count())));
  Set(CURLOPT_MAXAGE_CONN, std::max(1L, static_cast<long>(limits.idle_timeout.count() / 1000)));
  Set(CURLOPT_DNS_CACHE_TIMEOUT, kDnsCacheSeconds);
  Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  // Wait for a pending connection that may support multiplexing instead of opening another one.
  Set(CURLOPT_PIPEWAIT, origin_.scheme == "https" && !request_.at_most_once ? 1L : 0L);
  // When a reused connection ends without a response, curl assumes that the server had closed it
  // and sends the request again; a fresh connection prevents that.
  Set(CURLOPT_FRESH_CONNECT, request_.at_most_once ? 1L : 0L);
  Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  Set(CURLOPT_HEADERFUNCTION, &CurlTransfer::OnHeader);
  Set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  Set(CURLOPT_WRITEFUNCTION, &CurlTransfer::OnBody);
  Set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (!request_.unix_socket.empty()) {
    Set(CURLOPT_UNIX_SOCKET_PATH, unix_socket_.Path().c_str());  // the one that was checked
    // Curl would find a connection by this path, which means another socket once the number of the
    // descriptor is used again.
    Set(CURLOPT_FRESH_CONNECT, 1L);
    Set(CURLOPT_FORBID_REUSE, 1L);
  }
  if (!connect_to_.empty()) Set(CURLOPT_CONNECT_TO, &connect_to_list_);
  SetMethodAndBody();
  SetTls();
  SetProxy();
  if (option_error_ != CURLE_OK) {
    return Error::Format(
        option_error_ == CURLE_OUT_OF_MEMORY ? ErrorCode::kTransient : ErrorCode::kInternal,
        "request to {}: curl refuses an option: {}", origin_.text,
        curl_easy_strerror(option_error_));
  }
  return {};
}

void CurlTransfer::SetMethodAndBody() {
  const std::string& method = request_.method;
  const bool always_has_body = method == "POST" || method == "PUT" || method == "PATCH";
  if (!request_.body.empty() || always_has_body) {
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    Set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : request_.body.Reveal().data());
  } else if (method == "HEAD") {
    Set(CURLOPT_NOBODY, 1L);
  }
  Set(CURLOPT_CUSTOMREQUEST, method.c_str());
}

void CurlTransfer::SetTls() {
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Upper bound for using an outdated system trust store.
  Set(CURLOPT_CA_CACHE_TIMEOUT, 60L);
  if (!material_) return;
  if (material_->skip_verify) {
    Set(CURLOPT_SSL_VERIFYPEER, 0L);
    Set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  const auto blob = [](std::string_view text) {
    return curl_blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
  };
  if (!material_->ca_pem.empty()) {
    const curl_blob roots = blob(material_->ca_pem);
    Set(CURLOPT_CAINFO_BLOB, &roots);
    // Otherwise the built-in directory is trusted too.
    Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  if (!material_->client_cert_pem.empty()) {
    const curl_blob certificate = blob(material_->client_cert_pem);
    const curl_blob key = blob(material_->client_key_pem.Reveal());
    Set(CURLOPT_SSLCERT_BLOB, &certificate);
    Set(CURLOPT_SSLKEY_BLOB, &key);
  }
}

// In all other cases curl reads the usual environment variables itself.
void CurlTransfer::SetProxy() {
  bool direct = request_.bypass_proxy || !request_.unix_socket.empty();
  if (!direct && !connect_to_.empty()) {
    const char* list = std::getenv("no_proxy");
    if (list == nullptr) list = std::getenv("NO_PROXY");
    direct = list != nullptr && MatchesNoProxy(list, origin_.host);
  }
  if (direct) Set(CURLOPT_PROXY, "");
}

std::size_t CurlTransfer::OnHeader(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<CurlTransfer*>(self)->Receive({data, size * count}, &CurlTransfer::TakeHeader);
}

std::size_t CurlTransfer::OnBody(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<CurlTransfer*>(self)->Receive({data, size * count}, &CurlTransfer::TakeBody);
}

std::size_t CurlTransfer::Receive(std::string_view bytes,
                                  bool (CurlTransfer::*take)(std::string_view)) {
  try {
    return (this->*take)(bytes) ? bytes.size() : 0;
  } catch (...) {
    thrown_ = std::current_exception();
    return 0;
  }
}

bool CurlTransfer::TakeHeader(std::string_view line) {
  last_received_ = std::chrono::steady_clock::now();
  header_bytes_ += line.size();
  if (!Trimmed(line).empty()) ++header_count_;
  too_large_ = header_bytes_ > kMaxHeaderBytes || header_count_ > kMaxHeaders;
  if (too_large_) return false;
  if (line.starts_with("HTTP/")) {
    response_.headers.clear();  // headers of a preceding 1xx response
    headers_complete_ = false;
    return true;
  }
  if (Trimmed(line).empty()) {
    headers_complete_ = true;
    if (receiver_ != nullptr && StatusCode() / 100 == 2) receiver_->OnHead();
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.starts_with(':')) return true;
  response_.headers.emplace_back(AsciiLower(Trimmed(line.substr(0, colon))),
                                 std::string(Trimmed(line.substr(colon + 1))));
  return true;
}

bool CurlTransfer::TakeBody(std::string_view bytes) {
  last_received_ = std::chrono::steady_clock::now();
  body_bytes_ += bytes.size();
  if (receiver_ != nullptr && StatusCode() / 100 == 2) {
    receiver_is_full_ = !receiver_->OnBytes(bytes);
    return !receiver_is_full_;
  }
  if (response_.body.empty()) {
    curl_off_t announced = -1;
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0) {
      const std::size_t length = static_cast<std::size_t>(announced);
      too_large_ = length > request_.max_response_bytes;
      if (too_large_) return false;
      if (!PayForBody(std::min(length, kMaxReserve))) return false;
      response_.body.Reserve(std::min(length, kMaxReserve));
    }
  }
  too_large_ = response_.body.size() + bytes.size() > request_.max_response_bytes;
  if (too_large_ || !PayForBody(response_.body.size() + bytes.size())) return false;
  response_.body.Append(bytes);
  return true;
}

bool CurlTransfer::PayForBody(std::size_t size) {
  const std::size_t wanted = size * kBytesPerAnswerByte;
  if (share_.bytes == nullptr || wanted <= response_.memory.amount()) return true;
  if (response_.memory.amount() > 0) {
    over_share_ = !response_.memory.Resize(wanted);
  } else if (auto granted = share_.bytes->TryTake(share_.namespace_name, wanted)) {
    response_.memory = *std::move(granted);
  } else {
    over_share_ = true;
  }
  return !over_share_;
}

Result<HttpResponse> CurlTransfer::Finish(CURLcode code) {
  if (thrown_) {
    return Error::Format(ErrorCode::kInternal,
                         "read the answer of {}: unexpected exception; see the agent's log",
                         origin_.text);
  }
  if (code != CURLE_OK) return Failure(code);
  // Curl reports a response that ends inside its headers as one without a body.
  if (!headers_complete_) {
    return Error::Format(ErrorCode::kTransient,
                         "read the answer of {}: the connection was cut inside the headers",
                         origin_.text);
  }
  response_.status = StatusCode();
  return std::move(response_);
}

int CurlTransfer::StatusCode() const {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

std::string CurlTransfer::Connection() const {
  if (!easy_) return "";
  const auto end = [this](CURLINFO address, CURLINFO port) {
    char* text = nullptr;  // owned by the handle
    SocketEnd found;
    curl_easy_getinfo(easy_.get(), port, &found.port);
    if (curl_easy_getinfo(easy_.get(), address, &text) == CURLE_OK && text != nullptr) {
      found.address = text;
    }
    return found;
  };
  const SocketEnd local = end(CURLINFO_LOCAL_IP, CURLINFO_LOCAL_PORT);
  if (local.port == 0) return "";
  return ConnectionName(local, end(CURLINFO_PRIMARY_IP, CURLINFO_PRIMARY_PORT));
}

std::string CurlTransfer::Step() const {
  const auto reached = [this](CURLINFO moment) {
    curl_off_t microseconds = 0;
    return easy_ && curl_easy_getinfo(easy_.get(), moment, &microseconds) == CURLE_OK &&
           microseconds > 0;
  };
  // Curl counts the TLS handshake as part of connecting; the local port is set once TCP is up.
  long local_port = 0;
  if (easy_) curl_easy_getinfo(easy_.get(), CURLINFO_LOCAL_PORT, &local_port);
  const char* step = "wait for the answer of";
  if (header_bytes_ > 0) {
    step = "read the answer of";
  } else if (!reached(CURLINFO_NAMELOOKUP_TIME_T)) {
    step = "reach";  // resolving its name, or waiting for a free connection
  } else if (!reached(CURLINFO_CONNECT_TIME_T) && local_port == 0) {
    step = "connect to";
  } else if (origin_.scheme == "https" && !reached(CURLINFO_APPCONNECT_TIME_T)) {
    step = "TLS handshake with";
  }
  return fmt::format("{} {}", step, origin_.text);
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
  if (IsServersRefusalOfOurCertificate(curl_words)) {
    return Error::Format(ErrorCode::kInvalid,
                         "TLS handshake with {}: the server refuses our client certificate ({}): "
                         "set a client cert and key that it trusts",
                         host, curl_words);
  }
  if (IsServersAlert(curl_words)) {
    // Possibly caused by this request's server name or missing client certificate.
    return Error::Format(ErrorCode::kTransient,
                         "TLS handshake with {}: the server ended it with an alert ({}): if it "
                         "persists, check the server name and the client cert",
                         host, curl_words)
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
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Error::Format(ErrorCode::kTransient, "resolve {}: {}", host, curl_words);
    case CURLE_COULDNT_CONNECT:
      return Error::Format(ErrorCode::kTransient, "connect to {}: {}", host, words);
    case CURLE_OPERATION_TIMEDOUT:
      return Error::Format(ErrorCode::kTransient, "{}: no answer within {}",
                           curl_words.starts_with("resolving") ? "resolve " + host : Step(),
                           FormatDuration(limits_.connect_timeout));
    case CURLE_SSL_CONNECT_ERROR:
      return Error::Format(ErrorCode::kTransient, "TLS handshake with {}: {}", host, curl_words);
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error::Format(ErrorCode::kInvalid,
                           "TLS handshake with {}: the server's certificate is not trusted ({}): "
                           "set the CA certificate that signed it, or the server name it is for",
                           host, curl_words);
    case CURLE_SSL_CACERT_BADFILE:
      return Error::Format(ErrorCode::kInvalid,
                           "TLS handshake with {}: the CA certificates cannot be used ({}): set a "
                           "PEM file, or install the system's ca-certificates",
                           host, curl_words);
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

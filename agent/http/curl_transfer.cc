#include "agent/http/curl_transfer.h"

#include <algorithm>
#include <cctype>

#include "agent/base/ascii.h"
#include "agent/base/trimmed.h"

namespace nodekeep {
namespace {

constexpr long kDnsCacheSeconds = 60;
// Bounds the memory that a Content-Length alone can allocate and charge.
constexpr std::size_t kMaxReserve = 64u << 10;

// A token of RFC 9110: the syntax of methods and header names.
bool IsToken(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || kMarks.find(static_cast<char>(c)) != std::string_view::npos;
  });
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

}  // namespace

Result<std::unique_ptr<CurlTransfer>> CurlTransfer::Prepare(
    HttpRequest request, std::shared_ptr<const TlsMaterial> material, const ProxyRules& proxies) {
  Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return origin.error();
  Status valid = CheckRequest(request, *origin);
  if (!valid.ok()) return valid.error();
  Result<Descriptor> socket = OpenSocket(request, *origin);
  if (!socket.ok()) return socket.error();
  std::shared_ptr<const Proxy> proxy;
  if (request.unix_socket.empty() && !request.bypass_proxy) {
    Result<std::shared_ptr<const Proxy>> chosen = proxies.For(*origin);
    if (!chosen.ok()) return chosen.error().Prepend("request to {}", origin->text);
    proxy = *std::move(chosen);
  }
  std::unique_ptr<CurlTransfer> transfer(
      new CurlTransfer(std::move(request), *std::move(origin), std::move(material)));
  transfer->unix_socket_ = *std::move(socket);
  transfer->proxy_ = std::move(proxy);
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

// Set in any case, because curl would read the environment otherwise, by rules of its own.
void CurlTransfer::SetProxy() {
  Set(CURLOPT_NOPROXY, "");
  Set(CURLOPT_PROXY, proxy_ ? proxy_->url.c_str() : "");
  if (!proxy_ || proxy_->user.empty()) return;
  SecretBytes password = proxy_->password.Clone();
  password.Append(std::string_view("\0", 1));
  Set(CURLOPT_PROXYUSERNAME, proxy_->user.c_str());
  Set(CURLOPT_PROXYPASSWORD, password.Reveal().data());
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
  if (std::optional<Error> other = NotTheServersAnswer()) return *std::move(other);
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

}  // namespace nodekeep

#include "agent/http/http_client.h"

namespace nodekeep {

HttpRequest HttpRequest::Clone() const {
  HttpRequest copy;
  copy.method = method;
  copy.url = url;
  copy.unix_socket = unix_socket;
  for (const HttpHeader& header : headers) {
    copy.headers.push_back({header.name, header.value.Clone()});
  }
  copy.body = body.Clone();
  copy.tls = tls;
  copy.tls_names = tls_names;
  copy.bypass_proxy = bypass_proxy;
  copy.at_most_once = at_most_once;
  copy.timeout = timeout;
  copy.idle_timeout = idle_timeout;
  copy.max_response_bytes = max_response_bytes;
  copy.server_state = server_state;
  return copy;
}

ErrorCode CodeOfStatus(int status) {
  switch (status) {
    case 401:
    case 403: return ErrorCode::kDenied;
    case 404:
    case 410: return ErrorCode::kNotFound;
    case 408:
    case 425: return ErrorCode::kTransient;
    case 429: return ErrorCode::kThrottled;
    default: return status >= 500 ? ErrorCode::kTransient : ErrorCode::kInvalid;
  }
}

ServerState StateByStatus(const HttpResponse& response) {
  switch (response.status) {
    case 429: return ServerState::kThrottles;
    case 502:
    case 503:
    case 504: return ServerState::kUnknown;
    default: return ServerState::kWorks;
  }
}

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

Result<HttpResponse> HttpClient::Send(const Context& context, HttpRequest request) {
  std::vector<HttpRequest> one;
  one.push_back(std::move(request));
  return std::move(SendAll(context, std::move(one)).front());
}

}  // namespace nodekeep

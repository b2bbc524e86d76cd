#include "agent/app/admin_client.h"

#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nodekeep {
namespace {

using admin::v1::Admin;

// gRPC reports each failure as "failed to connect to all addresses"; the errno shows users what to
// do.
Status Probe(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.empty() || socket.size() >= sizeof(address.sun_path)) {
    return Error::Format(ErrorCode::kInvalid, "admin socket \"{}\": not the path of a socket",
                         socket);
  }
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int code = errno;
  if (probe >= 0) close(probe);
  if (connected) return {};
  switch (code) {
    case ENOENT:
      return Error::Format(ErrorCode::kTransient,
                           "admin socket {}: not there: is the agent running on this machine? name "
                           "its socket with --admin-socket",
                           socket);
    case ECONNREFUSED:
      return Error::Format(
          ErrorCode::kTransient,
          "admin socket {}: nothing is listening: the agent has died, start it again", socket);
    case EACCES:
    case EPERM:
      return Error::Format(ErrorCode::kDenied,
                           "admin socket {}: permission denied: run this as root or as the agent's "
                           "own user",
                           socket);
    default:
      return Error::Format(ErrorCode::kTransient, "admin socket {}: {}", socket,
                           std::strerror(code));
  }
}

}  // namespace

Result<AdminClient> AdminClient::Connect(const std::string& socket, Duration timeout) {
  if (Status there = Probe(socket); !there.ok()) return there.error();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  auto channel =
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
  return AdminClient(socket, timeout, Admin::NewStub(channel));
}

template <typename Response, typename Method, typename Request>
Result<Response> AdminClient::Call(Method method, const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout_);
  Response response;
  const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
  if (status.ok()) return response;
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Error::Format(ErrorCode::kTransient,
                           "admin socket {}: the agent closed the connection ({}): it is stopping, "
                           "or you are neither root nor its own user",
                           socket_, status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Error::Format(ErrorCode::kDeadlineExceeded,
                           "admin socket {}: no response in time: raise --timeout", socket_);
    case grpc::StatusCode::NOT_FOUND: return Error(ErrorCode::kNotFound, status.error_message());
    default: return Error(ErrorCode::kInvalid, status.error_message());
  }
}

Result<admin::v1::StatusResponse> AdminClient::GetStatus() {
  return Call<admin::v1::StatusResponse>(&Admin::Stub::Status, admin::v1::StatusRequest());
}

Result<admin::v1::RefreshResponse> AdminClient::Refresh(const admin::v1::RefreshRequest& request) {
  return Call<admin::v1::RefreshResponse>(&Admin::Stub::Refresh, request);
}

Result<admin::v1::CacheListResponse> AdminClient::CacheList() {
  return Call<admin::v1::CacheListResponse>(&Admin::Stub::CacheList, admin::v1::CacheListRequest());
}

Result<admin::v1::CacheFlushResponse> AdminClient::CacheFlush() {
  return Call<admin::v1::CacheFlushResponse>(&Admin::Stub::CacheFlush,
                                             admin::v1::CacheFlushRequest());
}

Result<admin::v1::HealthResponse> AdminClient::Health() {
  return Call<admin::v1::HealthResponse>(&Admin::Stub::Health, admin::v1::HealthRequest());
}

}  // namespace nodekeep

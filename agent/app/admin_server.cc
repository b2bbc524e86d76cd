#include "agent/app/admin_server.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "csi/provider_door.h"

namespace nodekeep {
namespace {

// How long a call in flight may take when the agent stops; then it is cancelled.
constexpr std::chrono::milliseconds kFinishCalls{500};

// UnixListener would make it readable for everybody.
Status MakePrivateDirectory(const std::filesystem::path& directory) {
  if (directory.empty()) return {};
  std::error_code failed;
  std::filesystem::create_directories(directory.parent_path(), failed);
  if (failed || (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)) {
    return Error::Format(ErrorCode::kInvalid, "admin socket: create directory {}: {}",
                         directory.string(), failed ? failed.message() : std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::Open(const std::string& socket,
                                                       AdminBackend backend, Logger& log) {
  if (Status made = MakePrivateDirectory(std::filesystem::path(socket).parent_path()); !made.ok()) {
    return made.error();
  }
  std::unique_ptr<AdminServer> server(new AdminServer(std::move(backend)));
  server->server_ = StartLocalServer(server->service_);
  if (server->server_ == nullptr) {
    return Error(ErrorCode::kInternal, "admin socket: cannot start a gRPC server");
  }
  auto listener = UnixListener::Bind(socket, FeedTo(*server->server_), log);
  if (!listener.ok()) return listener.error().Prepend("admin");
  server->listener_ = *std::move(listener);
  return server;
}

AdminServer::~AdminServer() {
  listener_.reset();
  if (server_) server_->Shutdown(std::chrono::system_clock::now() + kFinishCalls);
}

}  // namespace nodekeep

#include "agent/app/admin_server.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace nodekeep {
namespace {

// UnixListener would create it world-readable.
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
  const ExceptionReporter report = backend.on_exception;
  std::unique_ptr<AdminServer> server(new AdminServer(std::move(backend)));
  auto local = LocalServer::Start({&server->service_}, {.on_exception = report}, log);
  if (!local.ok()) return local.error().Prepend("admin socket");
  server->server_ = *std::move(local);
  if (Status listening = server->server_->Listen(socket); !listening.ok()) {
    return listening.error().Prepend("admin");
  }
  server->path_ = socket;
  return server;
}

}  // namespace nodekeep

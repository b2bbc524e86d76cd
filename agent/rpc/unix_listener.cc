#include "agent/rpc/unix_listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "agent/base/file_descriptor.h"

namespace nodekeep {
namespace {

constexpr std::string_view kThread = "accept";
// After a temporary failure such as ENOMEM.
constexpr std::chrono::milliseconds kPollPause(100);

Error SystemError(const std::string& path, std::string_view step) {
  const int code = errno;
  return Error::Format(code == EACCES || code == EPERM ? ErrorCode::kDenied : ErrorCode::kInvalid,
                       "socket {}: {}: {}", path, step, std::strerror(code));
}

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Error::Format(ErrorCode::kInvalid,
                         "socket {}: the path has {} bytes, the limit is {}; use a shorter directory",
                         path, path.size(), sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Creates the directories above `path` that do not exist, with mode 0755 whatever the umask: with
// more, others could replace the socket; with less, its clients could not reach it.
Status MakeDirectories(const std::string& path) {
  std::filesystem::path directory;
  for (const std::filesystem::path& name : std::filesystem::path(path).parent_path()) {
    directory /= name;
    if (mkdir(directory.c_str(), 0700) == 0) {
      if (chmod(directory.c_str(), 0755) != 0) return SystemError(path, "set its directory's mode");
    } else if (errno != EEXIST) {
      return SystemError(path, "create its directory");
    }
  }
  return {};
}

FileDescriptor NewSocket() {
  return FileDescriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Removes the socket of a process that has ended. Errors: the path is in use.
Status ClearStale(const std::string& path, const sockaddr_un& address) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return SystemError(path, "check the existing file");
  }
  if (!S_ISSOCK(info.st_mode)) {
    return Error::Format(ErrorCode::kInvalid,
                         "socket {}: a file that is not a socket is in the way; remove it", path);
  }
  const FileDescriptor probe = NewSocket();
  // Only ECONNREFUSED proves that no process listens: other errors (full backlog, socket of another
  // type, connect not permitted) mean that one does.
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno != ECONNREFUSED) {
    return Error::Format(
        ErrorCode::kConflict,
        "socket {}: another process is serving it; stop that provider (or agent) first", path);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return SystemError(path, "remove the socket of a process that is gone");
  }
  return {};
}

class PosixUnixListener final : public UnixListener {
 public:
  PosixUnixListener(std::string path, FileDescriptor listener, OnConnection on_connection,
                    Logger& log, ExceptionReporter on_exception)
      : path_(std::move(path)),
        listener_(std::move(listener)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        on_connection_(std::move(on_connection)),
        log_(log),
        on_exception_(std::move(on_exception)) {
    struct stat info;
    if (lstat(path_.c_str(), &info) == 0) inode_ = info.st_ino;
    thread_ = std::jthread([this](std::stop_token stop) {
      RunGuarded(kThread, stop, SystemClock(), on_exception_, [&] { Run(stop); });
    });
  }

  ~PosixUnixListener() override {
    thread_.request_stop();
    const std::uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
    thread_.join();
    // The next agent may have bound the path meanwhile; its socket must not be removed.
    struct stat info;
    if (lstat(path_.c_str(), &info) == 0 && info.st_ino == inode_) unlink(path_.c_str());
  }

  const std::string& path() const override { return path_; }

 private:
  void Run(std::stop_token stop) {
    while (!stop.stop_requested()) {
      pollfd waits[2] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      if (poll(waits, 2, -1) < 0) {
        if (errno != EINTR) std::this_thread::sleep_for(kPollPause);
        continue;
      }
      if (stop.stop_requested()) return;
      // Caught per connection, so that an exception does not delay the next one.
      if (waits[0].revents & POLLIN) RunReported(kThread, on_exception_, [this] { AcceptOne(); });
    }
  }

  void AcceptOne() {
    FileDescriptor peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (peer.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log_.Error("cannot accept a connection", {{"socket", path_}, {"error", std::strerror(errno)}});
        // The backlog stays readable, so without a pause this loop would spin.
        pollfd pause{wake_.get(), POLLIN, 0};
        poll(&pause, 1, 100);
      }
      return;
    }
    ucred who{};
    socklen_t size = sizeof(who);
    if (getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 ||
        !PeerAllowed(who.uid, geteuid())) {
      log_.Warn("connection refused: the peer is neither root nor the agent's own user",
                {{"socket", path_}, {"uid", who.uid}, {"pid", who.pid}});
      return;
    }
    on_connection_(peer.Release());
  }

  const std::string path_;
  const FileDescriptor listener_;
  const FileDescriptor wake_;
  const OnConnection on_connection_;
  Logger& log_;
  const ExceptionReporter on_exception_;
  ino_t inode_ = 0;
  std::jthread thread_;  // last: stopped first
};

}  // namespace

bool PeerAllowed(unsigned peer_uid, unsigned own_uid) {
  return peer_uid == 0 || peer_uid == own_uid;
}

Result<std::unique_ptr<UnixListener>> UnixListener::Bind(const std::string& path,
                                                         OnConnection on_connection, Logger& log,
                                                         ExceptionReporter on_exception) {
  Result<sockaddr_un> address = AddressOf(path);
  if (!address.ok()) return address.error();
  if (Status made = MakeDirectories(path); !made.ok()) return made.error();
  if (Status clear = ClearStale(path, *address); !clear.ok()) return clear.error();

  FileDescriptor listener = NewSocket();
  if (listener.get() < 0) return SystemError(path, "create");
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return SystemError(path, "bind");
  }
  // No client can connect before listen, so the mode is set in time.
  if (chmod(path.c_str(), 0600) != 0) return SystemError(path, "set its mode to 0600");
  if (listen(listener.get(), 512) != 0) return SystemError(path, "listen");
  return std::unique_ptr<UnixListener>(std::make_unique<PosixUnixListener>(
      path, std::move(listener), std::move(on_connection), log, std::move(on_exception)));
}

}  // namespace nodekeep

#include "agent/rpc/unix_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

// Stores the connections that a listener passes on.
class Accepted {
 public:
  ~Accepted() {
    for (int fd : fds_) close(fd);
  }
  UnixListener::OnConnection Callback() {
    return [this](int fd) {
      MutexLock lock(mutex_);
      fds_.push_back(fd);
      changed_.notify_all();
    };
  }
  // The first connection; -1 after ten seconds without one.
  int Await() {
    MutexLock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [this] { return !fds_.empty(); });
    return fds_.empty() ? -1 : fds_.front();
  }

 private:
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<int> fds_;
};

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// A socket bound to `path` outside of UnixListener; `listen_backlog` < 0: it does not listen.
int BoundSocket(const std::string& path, int type, int listen_backlog) {
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  const sockaddr_un address = AddressOf(path);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  if (listen_backlog >= 0) REQUIRE(listen(fd, listen_backlog) == 0);
  return fd;
}

int Connect(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un address = AddressOf(path);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

Logger& Quiet() {
  static Logger log(LogLevel::kOff, LogFormat::kText);
  return log;
}

}  // namespace

TEST_CASE("unix listener: passes on usable connections, on a socket of mode 0600") {
  TempDir dir;
  const std::string path = dir / "new/parents/vault.sock";
  Accepted accepted;
  auto listener = UnixListener::Bind(path, accepted.Callback(), Quiet());
  REQUIRE(listener.ok());
  CHECK((*listener)->path() == path);
  struct stat info;
  REQUIRE(lstat(path.c_str(), &info) == 0);
  CHECK(S_ISSOCK(info.st_mode));
  CHECK((info.st_mode & 0777) == 0600);

  const int client = Connect(path);
  REQUIRE(client >= 0);
  const int server = accepted.Await();
  REQUIRE(server >= 0);
  CHECK((fcntl(server, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(server, F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(write(server, "hi", 2) == 2);
  char text[2];
  pollfd readable{client, POLLIN, 0};
  REQUIRE(poll(&readable, 1, 10'000) == 1);
  CHECK(read(client, text, 2) == 2);
  close(client);
}

TEST_CASE("unix listener: created directories have mode 0755 whatever the umask") {
  struct Row {
    std::string name;
    mode_t umask;
  };
  const Row rows[] = {{"none", 0}, {"usual", 022}, {"strict", 077}};
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir dir;
    std::filesystem::create_directory(dir / "own");
    std::filesystem::permissions(dir / "own", std::filesystem::perms(0700));
    const mode_t before = umask(row.umask);
    auto listener = UnixListener::Bind(
        dir / "own/new/parents/x.sock", [](int fd) { close(fd); }, Quiet());
    umask(before);
    REQUIRE(listener.ok());
    const auto mode = [&](const std::string& path) {
      struct stat info;
      REQUIRE(lstat((dir / path).c_str(), &info) == 0);
      return info.st_mode & 07777;
    };
    CHECK(mode("own") == 0700);  // it was there before
    CHECK(mode("own/new") == 0755);
    CHECK(mode("own/new/parents") == 0755);
    CHECK(mode("own/new/parents/x.sock") == 0600);
  }
}

TEST_CASE("unix listener: the socket is removed on destruction") {
  TempDir dir;
  const std::string path = dir / "vault.sock";
  Accepted accepted;
  { REQUIRE(UnixListener::Bind(path, accepted.Callback(), Quiet()).ok()); }
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("unix listener: replaces the stale socket of a dead process") {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    TempDir dir;
    const std::string path = dir / "vault.sock";
    close(BoundSocket(path, type, -1));
    REQUIRE(std::filesystem::exists(path));
    Accepted accepted;
    auto listener = UnixListener::Bind(path, accepted.Callback(), Quiet());
    REQUIRE(listener.ok());
    const int client = Connect(path);
    CHECK(client >= 0);
    close(client);
  }
}

TEST_CASE("unix listener: a path served by a live process is an error") {
  struct Row {
    std::string name;
    int type, backlog;
    bool fill;
  };
  const Row rows[] = {{"listening", SOCK_STREAM, 8, false},
                      {"listening, its backlog full", SOCK_STREAM, 0, true},
                      {"a socket of another type", SOCK_DGRAM, -1, false}};
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir dir;
    const std::string path = dir / "vault.sock";
    const int owner = BoundSocket(path, row.type, row.backlog);
    std::vector<int> waiting;
    while (row.fill) {
      waiting.push_back(Connect(path));
      if (waiting.back() < 0) break;
    }
    Accepted accepted;
    auto listener = UnixListener::Bind(path, accepted.Callback(), Quiet());
    REQUIRE(!listener.ok());
    CHECK(listener.error().code() == ErrorCode::kConflict);
    CHECK(listener.error().message() ==
          "socket " + path +
              ": another process is serving it; stop that provider (or agent) first");
    CHECK(std::filesystem::exists(path));
    for (int fd : waiting) {
      if (fd >= 0) close(fd);
    }
    close(owner);
  }
}

TEST_CASE("unix listener: a second agent does not replace the first one's socket") {
  TempDir dir;
  const std::string path = dir / "vault.sock";
  Accepted accepted;
  auto first = UnixListener::Bind(path, accepted.Callback(), Quiet());
  REQUIRE(first.ok());
  auto second = UnixListener::Bind(path, accepted.Callback(), Quiet());
  REQUIRE(!second.ok());
  CHECK(second.error().code() == ErrorCode::kConflict);
  const int client = Connect(path);
  CHECK(client >= 0);
  close(client);
}

TEST_CASE("unix listener: a file that is not a socket is not touched") {
  struct Row {
    std::string name;
    std::function<void(const std::string&)> make;
  };
  const Row rows[] = {
      {"a file", [](const std::string& path) { std::ofstream(path) << "precious"; }},
      {"a directory", [](const std::string& path) { std::filesystem::create_directory(path); }},
      {"a dangling link",
       [](const std::string& path) { std::filesystem::create_symlink("/nowhere", path); }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TempDir dir;
    const std::string path = dir / "vault.sock";
    row.make(path);
    Accepted accepted;
    auto listener = UnixListener::Bind(path, accepted.Callback(), Quiet());
    REQUIRE(!listener.ok());
    CHECK(listener.error().code() == ErrorCode::kInvalid);
    CHECK(listener.error().message().find("a file that is not a socket is in the way") !=
          std::string::npos);
    CHECK(std::filesystem::symlink_status(path).type() != std::filesystem::file_type::not_found);
  }
}

TEST_CASE("unix listener: a directory that cannot be created is an error that names the path") {
  TempDir dir;
  dir.Write("file", "in the way");
  const std::string path = dir / "file/vault.sock";
  Accepted accepted;
  auto listener = UnixListener::Bind(path, accepted.Callback(), Quiet());
  REQUIRE(!listener.ok());
  CHECK(listener.error().message().starts_with("socket " + path + ": "));
}

TEST_CASE("unix listener: a path may have at most 107 bytes") {
  TempDir dir;
  const std::size_t room = 107 - (dir / "").size();
  Accepted accepted;
  auto longest = UnixListener::Bind(dir / std::string(room, 's'), accepted.Callback(), Quiet());
  CHECK(longest.ok());
  auto longer = UnixListener::Bind(dir / std::string(room + 1, 's'), accepted.Callback(), Quiet());
  REQUIRE(!longer.ok());
  CHECK(longer.error().code() == ErrorCode::kInvalid);
  CHECK(longer.error().message().find("the path has 108 bytes, the limit is 107; use a shorter "
                                      "directory") != std::string::npos);
  CHECK(!UnixListener::Bind("", accepted.Callback(), Quiet()).ok());
}

TEST_CASE("unix listener: the socket of the next agent is not removed with the old one") {
  TempDir dir;
  const std::string path = dir / "vault.sock";
  Accepted accepted;
  auto first = UnixListener::Bind(path, accepted.Callback(), Quiet());
  REQUIRE(first.ok());
  std::filesystem::remove(path);
  auto second = UnixListener::Bind(path, accepted.Callback(), Quiet());
  REQUIRE(second.ok());
  first->reset();
  const int client = Connect(path);
  CHECK(client >= 0);
  close(client);
}

TEST_CASE("unix listener: only root and the agent's own user may connect") {
  struct Row {
    std::string name;
    unsigned peer, own;
    bool want;
  };
  const Row rows[] = {{"root to root", 0, 0, true},
                      {"root to a user's agent", 0, 1000, true},
                      {"the agent's user", 1000, 1000, true},
                      {"another user", 1001, 1000, false},
                      {"a user to root's agent", 1000, 0, false},
                      {"nobody", 65534, 0, false}};
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(PeerAllowed(row.peer, row.own) == row.want);
  }
}

TEST_CASE("unix listener: an exception affects only its own connection") {
  TempDir dir;
  const std::string path = dir / "vault.sock";
  Accepted accepted;
  std::atomic<int> connections = 0;
  std::vector<std::string> reports;
  auto listener = UnixListener::Bind(
      path,
      [&](int fd) {
        if (++connections == 1) {
          close(fd);
          throw std::runtime_error("defect");
        }
        accepted.Callback()(fd);
      },
      Quiet(),
      [&](std::string_view thread, std::string_view error) {
        reports.push_back(std::string(thread) + ": " + std::string(error));
      });
  REQUIRE(listener.ok());
  const int first = Connect(path);
  const int second = Connect(path);
  CHECK(accepted.Await() >= 0);
  listener->reset();
  CHECK(reports == std::vector<std::string>{"accept: defect"});
  close(first);
  close(second);
}

}  // namespace nodekeep

#include "agent/app/signals.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace nodekeep {
namespace {

// Editors and kubelet write to a directory several times for one change.
constexpr int kSettleMilliseconds = 200;

void Discard(int fd) {
  char buffer[4096];
  while (read(fd, buffer, sizeof(buffer)) > 0) {
  }
}

}  // namespace

Signals::Signals(const std::string& file) {
  sigemptyset(&watched_);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&watched_, signal);
  pthread_sigmask(SIG_BLOCK, &watched_, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &watched_, SFD_CLOEXEC | SFD_NONBLOCK);
  if (file.empty()) return;
  inotify_fd_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  // Relative to the working directory, as the file itself is.
  const auto above = std::filesystem::path(file).parent_path();
  const std::string directory = above.empty() ? "." : above.string();
  inotify_add_watch(inotify_fd_, directory.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE);
}

Signals::~Signals() {
  close(signal_fd_);
  if (inotify_fd_ >= 0) close(inotify_fd_);
}

Signals::Event Signals::Wait() {
  while (true) {
    pollfd waits[2] = {{signal_fd_, POLLIN, 0}, {inotify_fd_, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return Event::kStop;
    if (waits[0].revents & POLLIN) {
      signalfd_siginfo info;
      if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
      return info.ssi_signo == SIGHUP ? Event::kReload : Event::kStop;
    }
    if (waits[1].revents & POLLIN) {
      do {
        Discard(inotify_fd_);
      } while (poll(&waits[1], 1, kSettleMilliseconds) > 0);
      return Event::kFileChanged;
    }
  }
}

void Signals::RestoreDefaults() {
  for (int number : {SIGTERM, SIGINT}) signal(number, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &watched_, nullptr);
}

}  // namespace nodekeep

#pragma once

// Signals and changes of the configuration file as a stream of events, read by one thread.

#include <signal.h>

#include <string>

namespace nodekeep {

class Signals {
 public:
  enum class Event { kStop, kReload, kFileChanged };

  // Blocks SIGTERM, SIGINT and SIGHUP for the whole process: construct before any thread starts.
  // `file`: watched for changes, through its directory, since ConfigMap volumes swap a link there;
  // "" = none.
  explicit Signals(const std::string& file);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Blocks until the next event. Changes in quick succession are one event.
  Event Wait();

  // Restores the default action: the next SIGTERM or SIGINT ends the process.
  void RestoreDefaults();

 private:
  sigset_t watched_;
  int signal_fd_;
  int inotify_fd_ = -1;
};

}  // namespace nodekeep

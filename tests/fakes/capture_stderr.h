#pragma once

// Captures what this process writes to standard error while the object lives, without showing it.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fakes/temp_dir.h"

namespace nodekeep {

class CaptureStderr {
 public:
  CaptureStderr() : saved_(::dup(STDERR_FILENO)) {
    std::fflush(stderr);
    const int file =
        ::open((dir_ / "err").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
  ~CaptureStderr() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }
  CaptureStderr(const CaptureStderr&) = delete;
  CaptureStderr& operator=(const CaptureStderr&) = delete;

  std::string Text() const {
    std::fflush(stderr);
    std::ifstream file(dir_ / "err");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  TempDir dir_;
  const int saved_;
};

}  // namespace nodekeep

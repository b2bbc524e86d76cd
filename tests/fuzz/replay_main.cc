// Replays a corpus through a fuzz target, for builds without libFuzzer.
//
//   fuzz_json DIRECTORY|FILE...
//
// Fails on an input that takes more than a second of processor time, or, in a build with a
// sanitizer, more than 50 MB of heap at once. libFuzzer is given similar limits by its flags
// (cmake/Functions.cmake).

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Of the sanitizers' runtime; null without one.
extern "C" {
__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void*, std::size_t), void (*on_free)(const volatile void*));
__attribute__((weak)) std::size_t __sanitizer_get_allocated_size(const volatile void* memory);
}

namespace {

constexpr double kMaxSeconds = 1;
constexpr std::int64_t kMaxBytes = 50'000'000;

std::atomic<std::int64_t> bytes_now = 0;
std::atomic<std::int64_t> bytes_peak = 0;

void OnMalloc(const volatile void*, std::size_t size) {
  const std::int64_t now = bytes_now += static_cast<std::int64_t>(size);
  if (now > bytes_peak) bytes_peak = now;
}

void OnFree(const volatile void* memory) {
  if (memory == nullptr) return;
  bytes_now -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(memory));
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// The file itself, or every file below the directory, sorted.
std::vector<std::string> FilesAt(const char* path) {
  std::error_code failure;
  if (!std::filesystem::is_directory(path, failure)) return {path};
  std::vector<std::string> files;
  for (std::filesystem::recursive_directory_iterator at(path, failure), end; at != end && !failure;
       at.increment(failure)) {
    if (at->is_regular_file(failure)) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool Replay(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof()) {
    std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    return false;
  }
  // Printed before the run, so that a crash shows its input.
  std::printf("%s (%zu bytes)\n", path.c_str(), bytes.size());
  std::fflush(stdout);
  const double start = CpuSeconds();
  const std::int64_t bytes_before = bytes_now;
  bytes_peak = bytes_before;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  const double seconds = CpuSeconds() - start;
  const std::int64_t used = bytes_peak - bytes_before;
  if (seconds <= kMaxSeconds && used <= kMaxBytes) return true;
  std::fprintf(stderr, "%s: takes %.1f s and %.1f MB, more than %.0f s or %.0f MB\n", path.c_str(),
               seconds, static_cast<double>(used) / 1e6, kMaxSeconds,
               static_cast<double>(kMaxBytes) / 1e6);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (__sanitizer_install_malloc_and_free_hooks != nullptr) {
    __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree);
  }
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const std::string& path : FilesAt(argv[i])) {
      if (!Replay(path)) return 1;
      ++count;
    }
  }
  if (count == 0) {
    std::fprintf(stderr, "the corpus is empty: name its directory or files\n");
    return 1;
  }
  std::printf("%zu inputs replayed\n", count);
  return 0;
}

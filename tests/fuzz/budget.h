#pragma once

// A bound on what reading one input may cost, for readers of text that anyone may write: one second
// of processor time and 50 MB of heap for up to 1 MB of input. Heap is measured only in builds with
// a sanitizer, which also makes the reader slower.

#include <time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/require.h"

// Of the sanitizers' runtime; null without one.
extern "C" {
__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void*, std::size_t), void (*on_free)(const volatile void*));
__attribute__((weak)) std::size_t __sanitizer_get_allocated_size(const volatile void* memory);
}

namespace nodekeep {

class Budget {
 public:
  // Calls `read` and returns its result.
  template <typename Read>
  static auto Within(Read read) {
    static const bool is_sanitized = InstallHooks();
    const double start = CpuSeconds();
    const std::int64_t before = bytes_now_;
    bytes_peak_ = before;
    auto result = read();
    Require(CpuSeconds() - start <= (is_sanitized ? 5 : 1), "it is read within a second");
    Require(bytes_peak_ - before <= 50'000'000, "it is read within 50 MB");
    return result;
  }

 private:
  static bool InstallHooks() {
    return __sanitizer_install_malloc_and_free_hooks != nullptr &&
           __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree) != 0;
  }

  static void OnMalloc(const volatile void*, std::size_t size) {
    const std::int64_t now = bytes_now_ += static_cast<std::int64_t>(size);
    if (now > bytes_peak_) bytes_peak_ = now;
  }
  static void OnFree(const volatile void* memory) {
    if (memory == nullptr) return;
    bytes_now_ -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(memory));
  }

  static double CpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  }

  static inline std::atomic<std::int64_t> bytes_now_ = 0;
  static inline std::atomic<std::int64_t> bytes_peak_ = 0;
};

}  // namespace nodekeep

#pragma once

// Starts many callers at once. Catch2's assertions are not thread-safe: collect the results and
// check them afterwards.

#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace nodekeep {

// Starts `count` threads that call `run` with their index at the same time. Destruction joins them.
inline std::vector<std::jthread> RunConcurrently(std::size_t count,
                                                 const std::function<void(std::size_t)>& run) {
  auto start = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(count));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < count; ++i) {
    threads.emplace_back([run, start, i] {
      start->arrive_and_wait();
      run(i);
    });
  }
  return threads;
}

}  // namespace nodekeep

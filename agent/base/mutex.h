#pragma once

// A mutex for clang's thread-safety analysis (-Wthread-safety): a member that is GUARDED_BY a Mutex
// cannot be used without its lock, and a function that REQUIRES it cannot be called without it.
// `make lint` and ./test run the analysis; GCC ignores the annotations. std::mutex of libstdc++ is
// not annotated.
//
// The names of the macros are those of clang's documentation ("Thread Safety Analysis", mutex.h).

#include <mutex>

#if defined(__clang__)
#define NODEKEEP_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define NODEKEEP_THREAD_ANNOTATION(x)
#endif

#define CAPABILITY(x) NODEKEEP_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY NODEKEEP_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) NODEKEEP_THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES(...) NODEKEEP_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) NODEKEEP_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) NODEKEEP_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) NODEKEEP_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) NODEKEEP_THREAD_ANNOTATION(assert_capability(x))

namespace nodekeep {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

  // Tells the analysis that the caller holds the mutex, where it cannot see it: in the predicate of
  // a wait, in a callback that runs under the lock. Checks nothing.
  void AssertHeld() const ASSERT_CAPABILITY(this) {}

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a Mutex for its scope; unlock() and lock() between. Wait on it with a
// std::condition_variable_any, or on native() with a std::condition_variable.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() RELEASE() {}

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() ACQUIRE() { lock_.lock(); }
  void unlock() RELEASE() { lock_.unlock(); }
  std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace nodekeep

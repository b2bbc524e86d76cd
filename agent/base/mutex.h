#pragma once

// A mutex for clang's thread-safety analysis (-Wthread-safety), which std::mutex of libstdc++ is
// not annotated for. A member marked NODEKEEP_GUARDED_BY cannot be used without the mutex, and a
// function marked NODEKEEP_REQUIRES cannot be called without it: a build with clang fails (`make
// lint`, ./test). Other compilers ignore the marks. Their names are those of clang's documentation,
// with a prefix, because Protobuf defines some of them too.

#include <mutex>

#if defined(__clang__)
#define NODEKEEP_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define NODEKEEP_THREAD_ANNOTATION(x)
#endif

#define NODEKEEP_CAPABILITY(x) NODEKEEP_THREAD_ANNOTATION(capability(x))
#define NODEKEEP_SCOPED_CAPABILITY NODEKEEP_THREAD_ANNOTATION(scoped_lockable)
#define NODEKEEP_GUARDED_BY(x) NODEKEEP_THREAD_ANNOTATION(guarded_by(x))
#define NODEKEEP_REQUIRES(...) NODEKEEP_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define NODEKEEP_EXCLUDES(...) NODEKEEP_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define NODEKEEP_ACQUIRE(...) NODEKEEP_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define NODEKEEP_RELEASE(...) NODEKEEP_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define NODEKEEP_ASSERT_CAPABILITY(x) NODEKEEP_THREAD_ANNOTATION(assert_capability(x))
#define NODEKEEP_NO_THREAD_SAFETY_ANALYSIS NODEKEEP_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace nodekeep {

class NODEKEEP_CAPABILITY("mutex") Mutex {
 public:
  void lock() NODEKEEP_ACQUIRE() { mutex_.lock(); }
  void unlock() NODEKEEP_RELEASE() { mutex_.unlock(); }

  // Tells the analysis that the caller holds the mutex, where it cannot see it: in the predicate of
  // a wait, in a callback that runs under the lock. Checks nothing.
  void AssertHeld() const NODEKEEP_ASSERT_CAPABILITY(this) {}

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a Mutex for its scope; unlock() and lock() between. Wait on it with a
// std::condition_variable_any, or on native() with a std::condition_variable.
class NODEKEEP_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) NODEKEEP_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() NODEKEEP_RELEASE() {}

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() NODEKEEP_ACQUIRE() { lock_.lock(); }
  void unlock() NODEKEEP_RELEASE() { lock_.unlock(); }
  bool owns_lock() const { return lock_.owns_lock(); }
  std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace nodekeep

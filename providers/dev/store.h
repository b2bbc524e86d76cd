#pragma once

// The store in memory: the current content of its path and earlier versions, encrypted.
//
// A thread watches the path (inotify, and polling every few seconds for file systems without it)
// and reads it again when it changes. Content that cannot be read or parsed is logged, and the last
// good content stays in use. Reads of a store that does not exist return kTransient, so that the
// policy for backends that are down applies.
//
// Values are encrypted (Sealer), as in the cache. Thread-safe. No I/O under the lock.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/thread_guard.h"
#include "agent/secrets/sealer.h"
#include "providers/dev/content.h"

namespace nodekeep::dev {

// How many versions of one secret are kept, including the current one but not the `versions` listed
// in the store file.
inline constexpr std::size_t kKeptVersions = 8;

struct StoreAnswer {
  SecretBytes value;    // empty when `unchanged`
  std::string version;  // "<version>+<hash>", or the hash when the author gave no version
  bool unchanged = false;
};

class DevStore {
 public:
  // `path` is absolute. Reads the store once before it returns; a store that is missing or broken
  // is not an error here. `on_exception`: for its thread, "dev-store".
  DevStore(std::string path, SecretBytes version_key, Logger& log,
           ExceptionReporter on_exception = {});
  ~DevStore();

  // `account`: "namespace/name" of the reader. `version`: "" for the current one, else the author's
  // number or StoreAnswer::version. Errors: kNotFound (secret, version), kDenied (the account is
  // not listed), kTransient (the store does not exist or was never valid), kPrecondition (the file
  // of this secret is refused).
  Result<StoreAnswer> Read(const std::string& name, const std::string& version,
                           const std::string& account, const std::string& known_version) const;

  // How many times the path has been read, with or without success.
  std::uint64_t loads() const;
  // Waits, in real time, until `loads` exceeds `seen`. False after `longest`. For tests.
  bool AwaitLoad(std::uint64_t seen, std::chrono::milliseconds longest) const;

 private:
  struct Kept {
    std::string version;  // as written; "" = none
    std::string hash;
    SealedBytes sealed;
    std::string Text() const { return version.empty() ? hash : version + "+" + hash; }
  };
  struct Secret {
    std::vector<std::shared_ptr<const Kept>> versions;  // the current one first
    std::optional<std::vector<std::string>> service_accounts;
    std::optional<Error> refused;  // and there is no earlier good content
    bool refused_now = false;      // at the last load, which logged it
  };
  using Secrets = std::map<std::string, Secret>;
  class Watch;

  void Run(std::stop_token stop);
  // Reads the path and replaces the secrets. Called by one thread at a time.
  void Load();
  std::shared_ptr<const Secrets> Merge(Content content, const Secrets& before);
  Secret MergeSecret(const std::string& name, WrittenSecret written, const Secret* before);
  std::shared_ptr<const Kept> Seal(const std::string& name, WrittenVersion written);
  static bool Same(const Secrets& a, const Secrets& b);

  const std::string path_;
  const SecretBytes version_key_;
  Logger& log_;
  const std::unique_ptr<Sealer> sealer_;
  std::string logged_problem_;  // used by Load only

  mutable Mutex mutex_;
  mutable std::condition_variable_any loaded_;
  // Null until the path was valid once.
  std::shared_ptr<const Secrets> secrets_ NODEKEEP_GUARDED_BY(mutex_);
  std::optional<Error> unusable_ NODEKEEP_GUARDED_BY(mutex_);  // why no read can be answered
  std::uint64_t loads_ NODEKEEP_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;  // last member: stopped first
};

}  // namespace nodekeep::dev

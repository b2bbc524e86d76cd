#pragma once

// The store in memory: what is at its path now, sealed, with the versions that were there before.
//
// A thread watches the path (inotify, and a look at the files every few seconds for file systems
// that tell nothing) and reads it again when it changes. What cannot be read or understood is
// logged and changes nothing: the last good content goes on. A store that is gone answers
// kTransient until it is back, so that policy about backends that are down applies to it.
//
// Values are held sealed (Sealer), as the cache holds them. Thread-safe. No I/O under the lock.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/base/thread_guard.h"
#include "agent/secrets/sealer.h"
#include "providers/dev/content.h"

namespace nodekeep::dev {

// Versions of one secret that are kept, those listed in the store file not counted.
inline constexpr std::size_t kKeptVersions = 8;

struct StoreAnswer {
  SecretBytes value;    // empty when `unchanged`
  std::string version;  // "<version>+<hash>", or the hash when the author gave no version
  bool unchanged = false;
};

class DevStore {
 public:
  // `path` is absolute. Reads the store once before it returns; a store that is missing or broken
  // is not an error here. `on_exception`: of its thread, "dev-store".
  DevStore(std::string path, SecretBytes version_key, Logger& log,
           ExceptionReporter on_exception = {});
  ~DevStore();

  // `account`: "namespace/name" of who asks. `version`: "" for the current one, else as its author
  // numbered it or as StoreAnswer::version spells it. Errors: kNotFound (secret, version), kDenied
  // (the account is not listed), kTransient (no store there, or none that was ever good),
  // kPrecondition (the file of this secret is refused).
  Result<StoreAnswer> Read(const std::string& name, const std::string& version,
                           const std::string& account, const std::string& known_version) const;

  // How many times the path has been read, good or not.
  std::uint64_t loads() const;
  // Waits, in real time, until `loads` is above `seen`. False when it took too long. For tests.
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
    std::optional<Error> refused;  // and there was no good content before
    bool refused_now = false;      // at the last load, logged then
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

  mutable std::mutex mutex_;
  mutable std::condition_variable_any loaded_;
  // Guarded by mutex_.
  std::shared_ptr<const Secrets> secrets_;  // null until the path was good once
  std::optional<Error> unusable_;           // why nothing can be answered
  std::uint64_t loads_ = 0;

  std::jthread thread_;  // last: stopped first
};

}  // namespace nodekeep::dev

#include "providers/dev/store.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/mutex.h"
#include "agent/base/utf8.h"

namespace nodekeep::dev {
namespace {

using std::chrono::milliseconds;

// Polling interval, because network file systems send no inotify events and inotify has limits.
constexpr milliseconds kLookEvery{5000};
// A change often causes several events, and a file written in place is complete only at the last.
constexpr milliseconds kQuiet{20};
constexpr int kMostQuietWaits = 25;

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                  IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

std::string Associated(const std::string& name, const std::string& hash) {
  return name + '\0' + hash;
}

bool Matches(std::string_view pattern, std::string_view text) {
  return pattern == "*" || pattern == text;
}

bool Allows(const std::vector<std::string>& patterns, std::string_view account) {
  const std::size_t slash = account.find('/');
  if (slash == std::string_view::npos) return false;
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    const std::size_t border = pattern.find('/');
    return Matches(pattern.substr(0, border), account.substr(0, slash)) &&
           Matches(pattern.substr(border + 1), account.substr(slash + 1));
  });
}

}  // namespace

// The file descriptors of the watching thread.
class DevStore::Watch {
 public:
  explicit Watch(std::stop_token stop)
      : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), on_stop_(stop, Wake{wake_.fd}) {}

  // Replaces all watches: directories come and go, and a watched inode may no longer be the one at
  // its path. False: no watch is available, and changes are found by polling only.
  bool Cover(const std::vector<std::string>& directories) {
    inotify_.Close();
    inotify_.fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify_.fd < 0) return false;
    for (const std::string& directory : directories) {
      const int added = ::inotify_add_watch(inotify_.fd, directory.c_str(), kEvents);
      if (added < 0 && errno == ENOSPC) return false;
    }
    return true;
  }

  // Waits for an event, a request to stop, or `longest`. True: an event.
  bool Wait(milliseconds longest) {
    std::array<pollfd, 2> fds{{{wake_.fd, POLLIN, 0}, {inotify_.fd, POLLIN, 0}}};
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(longest.count()));
    if (ready <= 0 || (fds[1].revents & POLLIN) == 0) return false;
    std::array<char, 4096> events;
    while (::read(inotify_.fd, events.data(), events.size()) > 0) {
    }
    return true;
  }

 private:
  struct Wake {
    int fd;
    void operator()() const {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
    }
  };

  struct Descriptor {
    explicit Descriptor(int its_fd = -1) : fd(its_fd) {}
    ~Descriptor() { Close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    void Close() {
      if (fd >= 0) ::close(fd);
      fd = -1;
    }
    int fd;
  };

  Descriptor wake_;
  Descriptor inotify_;
  // Last member, destroyed first: it must not write to a closed or reused descriptor.
  std::stop_callback<Wake> on_stop_;
};

DevStore::DevStore(std::string path, SecretBytes version_key, Logger& log,
                   ExceptionReporter on_exception)
    : path_(std::move(path)),
      version_key_(version_key.empty() ? RandomBytes(32) : std::move(version_key)),
      log_(log),
      sealer_(Sealer::Create()) {
  Load();
  thread_ = std::jthread([this, report = std::move(on_exception)](std::stop_token stop) {
    RunGuarded("dev-store", stop, SystemClock(), report, [&] { Run(stop); });
  });
}

DevStore::~DevStore() = default;

void DevStore::Run(std::stop_token stop) {
  Watch watch(stop);
  bool covered = true;
  const auto cover = [&] {
    const bool was_covered = std::exchange(covered, watch.Cover(DirectoriesToWatch(path_)));
    if (covered || !was_covered) return;
    log_.Warn("dev store: changes are seen with a delay",
              {{"path", path_},
               {"error",
                "no inotify watch is available; raise fs.inotify.max_user_instances "
                "and fs.inotify.max_user_watches"},
               {"looked_at_every_ms", kLookEvery.count()}});
  };
  // Watched before it is read, so that no change is missed in between.
  cover();
  std::string stamp;
  bool told = false;
  while (!stop.stop_requested()) {
    std::string now = ContentStamp(path_);
    if (told || now != stamp) {
      Load();
      stamp = std::move(now);
    }
    told = watch.Wait(kLookEvery);
    for (int i = 0; told && i < kMostQuietWaits && watch.Wait(kQuiet); ++i) {
    }
    if (told || !covered) cover();
  }
}

void DevStore::Load() {
  Result<Content> content = ReadContent(path_);
  std::shared_ptr<const Secrets> before;
  {
    MutexLock lock(mutex_);
    before = secrets_;
  }
  std::shared_ptr<const Secrets> secrets = before;
  std::optional<Error> unusable;
  std::string problem;
  if (content.ok()) {
    secrets = Merge(*std::move(content), before ? *before : Secrets());
    if (before == nullptr || !logged_problem_.empty() || !Same(*before, *secrets)) {
      log_.Info("dev store read", {{"path", path_}, {"secrets", secrets->size()}});
    }
  } else if (content.error().code() == ErrorCode::kNotFound) {
    problem = fmt::format("dev store \"{}\" does not exist: create it, or set dev.path", path_);
    unusable = Error(ErrorCode::kTransient, problem);
  } else {
    problem = fmt::format("dev store \"{}\": {}", path_, content.error().message());
    if (before == nullptr) unusable = Error(ErrorCode::kTransient, problem);
  }
  if (!problem.empty() && problem != logged_problem_) {
    log_.Warn("dev store not usable",
              {{"error", problem}, {"serving", unusable ? "nothing" : "the last good content"}});
  }
  logged_problem_ = problem;
  MutexLock lock(mutex_);
  secrets_ = std::move(secrets);
  unusable_ = std::move(unusable);
  ++loads_;
  loaded_.notify_all();
}

bool DevStore::Same(const Secrets& a, const Secrets& b) {
  const auto same_version = [](const auto& x, const auto& y) { return x->Text() == y->Text(); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    const Secret& s = x.second;
    const Secret& t = y.second;
    return x.first == y.first && s.service_accounts == t.service_accounts &&
           s.refused.has_value() == t.refused.has_value() &&
           std::equal(s.versions.begin(), s.versions.end(), t.versions.begin(), t.versions.end(),
                      same_version);
  });
}

std::shared_ptr<const DevStore::Secrets> DevStore::Merge(Content content, const Secrets& before) {
  auto secrets = std::make_shared<Secrets>();
  for (auto& [name, written] : content) {
    auto old = before.find(name);
    const bool was_refused = old != before.end() && old->second.refused_now;
    if (written.refused && !was_refused) {
      log_.Warn("dev store file not used",
                {{"path", path_ + "/" + name}, {"error", written.refused->message()}});
    }
    (*secrets)[name] =
        MergeSecret(name, std::move(written), old == before.end() ? nullptr : &old->second);
  }
  return secrets;
}

DevStore::Secret DevStore::MergeSecret(const std::string& name, WrittenSecret written,
                                       const Secret* before) {
  // For a file that became unusable, as for the whole store, the last good content stays in use.
  if (written.refused && before != nullptr && !before->refused) {
    Secret secret = *before;
    secret.refused_now = true;
    return secret;
  }
  Secret secret;
  secret.refused_now = written.refused.has_value();
  secret.service_accounts = std::move(written.service_accounts);
  secret.refused = std::move(written.refused);
  std::set<std::string> names;  // a version's name or hash; the newest of equal ones is kept
  for (WrittenVersion& version : written.versions) {
    secret.versions.push_back(Seal(name, std::move(version)));
    const Kept& kept = *secret.versions.back();
    names.insert(kept.version.empty() ? kept.hash : kept.version);
  }
  if (before == nullptr) return secret;
  const std::size_t most = secret.versions.size() + kKeptVersions - 1;
  for (const std::shared_ptr<const Kept>& kept : before->versions) {
    if (secret.versions.size() >= most) break;
    if (names.insert(kept->version.empty() ? kept->hash : kept->version).second) {
      secret.versions.push_back(kept);
    }
  }
  return secret;
}

std::shared_ptr<const DevStore::Kept> DevStore::Seal(const std::string& name,
                                                     WrittenVersion written) {
  constexpr std::size_t kHashBytes = 12;
  auto kept = std::make_shared<Kept>();
  kept->version = std::move(written.version);
  const SecretBytes code = HmacSha256(version_key_, {written.value.Reveal()});
  kept->hash = HexEncode(code.Reveal().substr(0, kHashBytes));
  kept->sealed = sealer_->Seal(Associated(name, kept->hash), written.value);
  return kept;
}

Result<StoreAnswer> DevStore::Read(const std::string& name, const std::string& version,
                                   const std::string& account,
                                   const std::string& known_version) const {
  std::shared_ptr<const Secrets> secrets;
  {
    MutexLock lock(mutex_);
    if (unusable_) return *unusable_;
    secrets = secrets_;
  }
  auto found = secrets->find(name);
  if (found == secrets->end()) {
    return Error::Format(ErrorCode::kNotFound, "no secret \"{}\" in dev store {}", Excerpt(name),
                         path_);
  }
  const Secret& secret = found->second;
  if (secret.service_accounts && !Allows(*secret.service_accounts, account)) {
    return Error::Format(ErrorCode::kDenied,
                         "secret \"{}\" of dev store {} is not for service account \"{}\": add it "
                         "to the secret's serviceAccounts",
                         Excerpt(name), path_, account);
  }
  if (secret.refused) {
    return Error(ErrorCode::kPrecondition, secret.refused->message())
        .Prepend("file \"{}\" of dev store {}", name, path_);
  }
  auto kept = std::find_if(secret.versions.begin(), secret.versions.end(), [&](const auto& each) {
    return version.empty() || version == each->version || version == each->Text();
  });
  if (kept == secret.versions.end()) {
    return Error::Format(ErrorCode::kNotFound,
                         "no version \"{}\" of secret \"{}\" in dev store {}: it may be older than "
                         "the versions that are kept",
                         Excerpt(version), Excerpt(name), path_);
  }
  StoreAnswer answer;
  answer.version = (*kept)->Text();
  answer.unchanged = !known_version.empty() && known_version == answer.version;
  if (answer.unchanged) return answer;
  Result<SecretBytes> value = sealer_->Unseal(Associated(name, (*kept)->hash), (*kept)->sealed);
  if (!value.ok()) return value.error();
  answer.value = *std::move(value);
  return answer;
}

std::uint64_t DevStore::loads() const {
  MutexLock lock(mutex_);
  return loads_;
}

bool DevStore::AwaitLoad(std::uint64_t seen, milliseconds longest) const {
  MutexLock lock(mutex_);
  return loaded_.wait_for(lock, longest, [&] {
    mutex_.AssertHeld();
    return loads_ > seen;
  });
}

}  // namespace nodekeep::dev

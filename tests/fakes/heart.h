#pragma once

// The heart as App builds it, for tests: everything between a plan and a bundle, over a fake or a
// real clock. Members stand in build order; destruction is shutdown.

#include <memory>
#include <string>
#include <vector>

#include "agent/secrets/fetcher.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_provider.h"

namespace nodekeep {

struct HeartOptions {
  std::size_t cache_bytes = 16 << 20;
  RetryPolicy retry{.attempts = 3};
  Duration login_budget = std::chrono::seconds(30);
  Duration fetch_budget = std::chrono::seconds(30);
  Duration stale_patience = std::chrono::seconds(2);
  Duration remember_denial = std::chrono::seconds(10);
  // Leases are renewed by Tick, called by the test, unless it sets a shorter tick.
  Duration lease_tick = std::chrono::hours(24);
  std::function<bool(const std::string&)> directory_exists = [](const std::string&) {
    return true;
  };
  LogLevel log_level = LogLevel::kOff;
  std::size_t pool_threads = 128;
  ExceptionReporter on_exception{};  // of the pool
};

struct Heart {
  explicit Heart(const Clock& its_clock, HeartOptions options = {})
      : clock(its_clock),
        log(options.log_level, LogFormat::kJson),
        pool({.max_threads = options.pool_threads,
              .max_queued = 4096,
              .on_exception = options.on_exception}),
        sealer(Sealer::Create()),
        cache(options.cache_bytes, *sealer, clock, metrics),
        credentials({.retry = options.retry,
                     .login_budget = options.login_budget,
                     .remember_denial = options.remember_denial},
                    pool, clock, rng, log, metrics),
        leases({.tick = options.lease_tick, .directory_exists = options.directory_exists}, cache,
               credentials, pool, clock, log, metrics),
        fetcher({.retry = options.retry,
                 .fetch_budget = options.fetch_budget,
                 .stale_patience = options.stale_patience,
                 .version_key = SecretBytes("the version key of the tests")},
                cache, credentials, leases, pool, clock, rng, log, metrics) {}

  Result<Bundle> Fetch(const PlanPtr& plan) { return fetcher.Fetch(Context(), plan); }

  const Clock& clock;
  FakeRng rng{0.0};  // no jitter, no delay: back-off is tested with the retry loop
  Logger log;
  Metrics metrics{"test"};
  WorkerPool pool;
  std::unique_ptr<Sealer> sealer;
  Cache cache;
  CredentialCache credentials;
  LeaseKeeper leases;
  Fetcher fetcher;
};

// What the door does before the heart: attributes to plan. Errors: those of Parse.
inline Result<PlanPtr> MakePlan(std::shared_ptr<Provider> backend, const std::string& provider,
                                const std::map<std::string, std::string>& attributes,
                                PodIdentity identity) {
  MountInput input;
  input.attributes = attributes;
  input.permission = "420";
  input.target_path = "/pods/" + identity.pod_uid + "/volumes/kubernetes.io~csi/secrets/mount";
  Result<ParsedMount> mount = backend->Parse(input);
  if (!mount.ok()) return mount.error();
  TakeCredentials(*mount, input, identity);
  auto plan = std::make_shared<FetchPlan>();
  plan->provider = provider;
  plan->backend = std::move(backend);
  plan->mount = *std::move(mount);
  plan->identity = std::move(identity);
  plan->target_path = input.target_path;
  return PlanPtr(std::move(plan));
}

// A plan for the paths of a FakeProvider; `objects` as its Parse reads them, which must succeed.
inline PlanPtr FakePlan(std::shared_ptr<FakeProvider> backend, const std::string& objects,
                        PodIdentity identity,
                        std::map<std::string, std::string> attributes = {}) {
  attributes["objects"] = objects;
  return *MakePlan(std::move(backend), "fake", attributes, std::move(identity));
}

// The contents of a bundle's file; "(no such file)" when it has none of that path.
inline std::string ContentsOf(const Bundle& bundle, const std::string& path) {
  for (const BundleFile& file : bundle.files) {
    if (file.path == path) return std::string(file.contents.Reveal());
  }
  return "(no such file)";
}

}  // namespace nodekeep

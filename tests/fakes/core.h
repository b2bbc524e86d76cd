#pragma once

// The core as the agent builds it, for tests: everything between a plan and a bundle, with a fake
// or a real clock. Members are declared in construction order; destruction is shutdown.

#include <memory>
#include <string>
#include <vector>

#include "agent/mount/assemble.h"
#include "agent/mount/mount_metrics.h"
#include "agent/mount/mount_plan.h"
#include "agent/secrets/fetcher.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_provider.h"

namespace nodekeep {

struct CoreOptions {
  std::size_t cache_bytes = 16 << 20;
  RetryPolicy retry{.attempts = 3};
  Duration login_budget = std::chrono::seconds(30);
  Duration fetch_budget = std::chrono::seconds(30);
  Duration stale_patience = std::chrono::seconds(2);
  Duration remember_denial = std::chrono::seconds(10);
  // The test renews leases by calling Tick, unless it sets a shorter tick.
  Duration lease_tick = std::chrono::hours(24);
  LogLevel log_level = LogLevel::kOff;
  std::size_t pool_threads = 128;
  std::size_t lease_threads = 32;
  std::size_t lease_places = 4096;  // in the queue of those threads
  std::size_t max_leases = 8192;
  ExceptionReporter on_exception{};  // of the pool
};

struct Core {
  explicit Core(const Clock& its_clock, CoreOptions options = {})
      : clock(its_clock),
        log(options.log_level, LogFormat::kJson),
        pool({.max_threads = options.pool_threads,
              .max_queued = 4096,
              .on_exception = options.on_exception}),
        sealer(Sealer::Create()),
        cache(options.cache_bytes, *sealer, clock, fetch_metrics),
        credentials({.retry = options.retry,
                     .login_budget = options.login_budget,
                     .remember_denial = options.remember_denial},
                    pool, clock, rng, log, fetch_metrics),
        lease_pool({.max_threads = options.lease_threads,
                    .max_queued = options.lease_places,
                    .on_exception = options.on_exception}),
        lease_shares({.name = "leases", .capacity = options.max_leases}),
        leases({.tick = options.lease_tick}, cache, credentials, lease_pool, lease_shares, clock,
               log, fetch_metrics),
        fetcher({.retry = options.retry,
                 .fetch_budget = options.fetch_budget,
                 .stale_patience = options.stale_patience},
                cache, credentials, leases, pool, clock, rng, fetch_metrics) {}

  // As MountService does: the read uses the share of the pod's namespace, and joins only the reads
  // of that namespace. Unless `context` names another one.
  Result<Bundle> Fetch(const MountPlanPtr& plan, const Context& context = Context()) {
    const Context own = context.namespace_name().empty()
                            ? context.WithNamespace(plan->read->identity.namespace_name)
                            : context;
    return AssembleBundle(*plan, fetcher.Read(own, plan->read), version_key);
  }
  std::optional<Result<Bundle>> FetchFromMemory(const MountPlanPtr& plan) {
    std::optional<Answers> answers = fetcher.ReadFromMemory(plan->read);
    if (!answers) return std::nullopt;
    return AssembleBundle(*plan, *std::move(answers), version_key);
  }

  const Clock& clock;
  FakeRng rng{0.0};  // no jitter, no delay: back-off is tested with the retry loop
  Logger log;
  MetricsRegistry metrics;
  FetchMetrics fetch_metrics{metrics};
  MountMetrics mount_metrics{metrics};
  WorkerPool pool;
  std::unique_ptr<Sealer> sealer;
  Cache cache;
  CredentialCache credentials;
  WorkerPool lease_pool;
  SharedResource lease_shares;
  LeaseKeeper leases;
  Fetcher fetcher;
  SharedResource class_bytes{{.name = "class_bytes", .capacity = 32 << 20}};
  SharedResource answer_bytes{{.name = "answer_bytes", .capacity = 128 << 20}};
  const SecretBytes version_key{"the version key of the tests"};
};

// The plan of a mount as the agent creates it. Errors: those of PlanMount.
inline Result<MountPlanPtr> MakePlan(const Provider& provider, const std::string& name,
                                     const std::map<std::string, std::string>& parameters,
                                     Identity identity, const PlanOptions& options = {}) {
  MountRequest request;
  request.provider = name;
  request.parameters = parameters;
  request.target_path = "/pods/" + identity.PodUid() + "/volumes/kubernetes.io~csi/secrets/mount";
  request.identity = std::move(identity);
  return PlanMount(Context(), provider, std::move(request), options);
}

// A copy of `plan` that a test may change.
inline std::shared_ptr<ReadPlan> CopyOf(const ReadPlan& plan) {
  auto copy = std::make_shared<ReadPlan>();
  copy->route = plan.route;
  copy->identity = plan.identity.Clone();
  copy->audiences = plan.audiences;
  copy->reads = plan.reads;
  copy->login_keys = plan.login_keys;
  copy->max_age = plan.max_age;
  copy->holder = plan.holder;
  return copy;
}

// A plan for the paths of a FakeProvider. `objects` has the format of FakeProvider::Parse and must
// be valid.
inline MountPlanPtr FakePlan(const std::shared_ptr<FakeProvider>& backend,
                             const std::string& objects, Identity identity,
                             std::map<std::string, std::string> parameters = {},
                             const PlanOptions& options = {}) {
  parameters["objects"] = objects;
  return *MakePlan(ProviderOf(backend), "fake", parameters, std::move(identity), options);
}

// The contents of the bundle's file at `path`; "(no such file)" if there is none.
inline std::string ContentsOf(const Bundle& bundle, const std::string& path) {
  for (const BundleFile& file : bundle.files) {
    if (file.path == path) return std::string(file.contents.Reveal());
  }
  return "(no such file)";
}

}  // namespace nodekeep

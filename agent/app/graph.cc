#include "agent/app/graph.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>
#include <string_view>

#include "agent/app/configured_hosts.h"
#include "agent/app/version.h"
#include "agent/app/version_key.h"
#include "agent/base/digest.h"
#include "agent/base/environment.h"

namespace nodekeep {
namespace {

// How often heap memory that a burst of mounts has freed is returned to the system.
constexpr Duration kTrimEvery = std::chrono::seconds(20);

// The host label of the API server in the metrics of its gate.
constexpr std::string_view kApiServer = "(api server)";

BackendGate::Options GateOptions(const Config& config) {
  BackendGate::Options options;
  options.rate.rate = config.fetch.rate_per_second;
  options.rate.burst = config.fetch.burst;
  options.max_concurrent = static_cast<std::size_t>(config.fetch.concurrency);
  return options;
}

BackendGate::Options BackendGateOptions(const Config& config, Shares& shares) {
  BackendGate::Options options = GateOptions(config);
  options.in_flight = &shares.backend_requests;
  return options;
}

// With HTTP/1.1 each request in flight has a connection.
CurlClient::Options CurlOptions(const Config& config, Shares& shares,
                                const ExceptionReporter& on_exception) {
  CurlClient::Options options;
  options.max_connections_per_host = static_cast<std::size_t>(config.fetch.concurrency);
  options.max_connections = kBackendRequests;
  options.answer_bytes = &shares.answer_bytes;
  options.on_exception = on_exception;
  return options;
}

CurlClient::Options KubeCurlOptions(const Config& config, const ExceptionReporter& on_exception) {
  CurlClient::Options options;
  options.max_connections_per_host = static_cast<std::size_t>(config.fetch.concurrency);
  options.on_exception = on_exception;
  return options;
}

BackendGate::Options KubeGateOptions(const Config& config) {
  BackendGate::Options options = GateOptions(config);
  // As for watches (ReadKubeAnswer): the node depends on the API server.
  options.longest_hold = std::chrono::seconds(30);
  options.metric_host = kApiServer;
  return options;
}

std::set<std::string, std::less<>> NamedHosts(const Config& config) {
  std::set<std::string, std::less<>> hosts = ConfiguredHosts(config);
  hosts.emplace(kApiServer);
  return hosts;
}

// Above what a reply to a driver and a volume can hold, whose own errors say more.
std::size_t MaxBundleBytes(const Config& config) {
  return std::max(
      {std::size_t{8} << 20, config.driver.volume_bytes, 2 * config.provider_door.max_reply_bytes});
}

RetryPolicy Retries(const Config& config) {
  RetryPolicy retry;
  retry.attempts = config.fetch.attempts;
  return retry;
}

// The configured kubeconfig, else the in-cluster connection; empty outside a pod.
Result<std::optional<KubeConnection>> ApiServer(const Config& config) {
  if (!config.kubeconfig.empty()) {
    auto named = ReadKubeconfig(config.kubeconfig);
    if (!named.ok()) return named.error();
    return std::optional<KubeConnection>(*std::move(named));
  }
  auto own = InClusterConnection(ProcessEnvironment());
  if (own.ok()) return std::optional<KubeConnection>(*std::move(own));
  if (own.error().code() == ErrorCode::kPrecondition) return std::optional<KubeConnection>();
  return own.error();
}

// How long the start may wait for the version key from the API server.
constexpr Duration kVersionKeyBudget = std::chrono::seconds(15);

// A failure does not stop the start: with a process-local key, versions merely change once more.
SecretBytes VersionKey(const Config& config, const std::optional<KubeConnection>& api_server,
                       Logger& log) {
  if (config.version_key_secret.empty()) return RandomBytes(32);
  Result<SecretBytes> key = Error(ErrorCode::kPrecondition, "the agent has no kubeconfig");
  if (api_server) {
    SystemClock clock;
    SystemRng rng;
    CurlClient curl({});
    KubeClient kube(curl, api_server->Clone(), clock, rng, {});
    key = SharedVersionKey(Context(clock.Now() + kVersionKeyBudget, {}), kube,
                           config.version_key_secret);
  }
  if (key.ok()) return *std::move(key);
  log.Warn("no shared version key; using a key of this process until the next start",
           {{"secret", config.version_key_secret}, {"error", key.error().message()}});
  return RandomBytes(32);
}

}  // namespace

Result<std::unique_ptr<Graph>> Graph::Create(const LoadedConfig& loaded, Logger& log) {
  auto api_server = ApiServer(loaded.config);
  if (!api_server.ok()) return api_server.error();
  std::unique_ptr<Graph> graph(new Graph(loaded, log, *std::move(api_server)));
  if (Status made = graph->providers.Configure(loaded.config, loaded.sources.providers);
      !made.ok()) {
    return made.error();
  }
  graph->gate_metrics.NameHosts(NamedHosts(loaded.config));
  return graph;
}

Graph::Graph(const LoadedConfig& loaded, Logger& its_log, std::optional<KubeConnection> api_server)
    : log(its_log),
      agent_metrics(metrics, Version()),
      gate_metrics(metrics),
      fetch_metrics(metrics),
      mount_metrics(metrics),
      share_metrics(metrics),
      on_exception([this](std::string_view thread, std::string_view error) {
        agent_metrics.CountInternalError(thread);
        log.Error(kUnexpectedException, {{"thread", thread}, {"error", error}});
      }),
      on_refusal([this](std::string_view resource, const std::string& namespace_name) {
        share_metrics.CountRefusal(resource, namespace_name);
      }),
      shares(loaded.config, on_refusal),
      version_key(VersionKey(loaded.config, api_server, its_log)),
      backend_pool({.max_threads = kBackendThreads,
                    .name = "backend-pool",
                    .on_exception = on_exception,
                    .on_refusal = on_refusal}),
      lease_pool({.max_threads = kLeaseThreads,
                  .max_queued = 2 * kLeases,  // a place for each lease of a namespace
                  .name = "lease-pool",
                  .on_exception = on_exception,
                  .on_refusal = on_refusal}),
      curl(CurlOptions(loaded.config, shares, on_exception)),
      gate(curl, clock, rng, gate_metrics, BackendGateOptions(loaded.config, shares)),
      providers(gate, clock, log, version_key, on_exception,
                {.identities = &shares.identities, .on_refusal = on_refusal}),
      sealer(Sealer::Create()),
      cache(loaded.config.cache.max_bytes, *sealer, clock, fetch_metrics),
      credentials({.retry = Retries(loaded.config), .login_budget = loaded.config.fetch.budget},
                  backend_pool, clock, rng, log, fetch_metrics),
      leases({.on_exception = on_exception}, cache, credentials, lease_pool, shares.leases, clock,
             log, fetch_metrics),
      fetcher({.retry = Retries(loaded.config),
               .fetch_budget = loaded.config.fetch.budget,
               .stale_patience = loaded.config.fetch.stale_patience},
              cache, credentials, leases, backend_pool, clock, rng, fetch_metrics),
      ledger(clock),
      kube_curl(api_server
                    ? std::make_unique<CurlClient>(KubeCurlOptions(loaded.config, on_exception))
                    : nullptr),
      kube_gate(api_server ? std::make_unique<BackendGate>(*kube_curl, clock, rng, gate_metrics,
                                                           KubeGateOptions(loaded.config))
                           : nullptr),
      kube(api_server
               ? std::make_unique<KubeClient>(
                     *kube_gate, *std::move(api_server), clock, rng,
                     KubeClient::Options{.user_agent = fmt::format("nodekeep/{}", Version())})
               : nullptr),
      tokens(kube ? std::make_unique<KubeTokenSource>(*kube) : nullptr),
      mounts({.version_key = version_key.Clone(),
              .tokens = tokens.get(),
              .max_bundle_bytes = MaxBundleBytes(loaded.config)},
             {.providers = [this](const std::string& name) { return providers.Find(name); },
              .fetcher = fetcher,
              .ledger = ledger,
              .clock = clock,
              .log = log,
              .metrics = mount_metrics,
              .class_bytes = shares.class_bytes,
              .answer_bytes = shares.answer_bytes}),
      upkeep_([this, rotation = loaded.config.cache.key_rotation](std::stop_token stop) {
        RunGuarded("upkeep", stop, clock, on_exception, [&] { Upkeep(stop, rotation); });
      }) {
  if (sealer->key_memory() == "plain memory") {
    log.Warn("the cache key is in swappable memory: neither memfd_secret nor mlock is allowed",
             {{"fix", "raise RLIMIT_MEMLOCK to at least 64 KiB"}});
  }
}

Graph::~Graph() = default;

std::vector<BackendState> Graph::BackendStates() const {
  std::vector<BackendState> states = gate.States();
  if (kube_gate) {
    std::vector<BackendState> own = kube_gate->States();
    states.insert(states.end(), std::make_move_iterator(own.begin()),
                  std::make_move_iterator(own.end()));
  }
  std::sort(states.begin(), states.end(),
            [](const auto& a, const auto& b) { return a.host < b.host; });
  return states;
}

Status Graph::Reconfigure(const LoadedConfig& loaded) {
  if (Status made = providers.Configure(loaded.config, loaded.sources.providers); !made.ok()) {
    return made;
  }
  gate_metrics.NameHosts(NamedHosts(loaded.config));
  log.SetLevel(loaded.config.log_level);
  cache.SetMaxBytes(loaded.config.cache.max_bytes);
  return {};
}

void Graph::Upkeep(std::stop_token stop, Duration key_rotation) {
  const Context context(SteadyTime::max(), stop);
  SteadyTime next_rotation = clock.Now() + key_rotation;
  while (Sleep(context, clock, kTrimEvery).ok()) {
    malloc_trim(0);
    if (clock.Now() < next_rotation) continue;
    cache.RotateKey();
    next_rotation = clock.Now() + key_rotation;
  }
}

}  // namespace nodekeep

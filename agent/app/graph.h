#pragma once

// The object graph of the agent without its servers: everything from a request to a bundle, built
// once by constructor references. `run` adds the servers; `get` uses it directly.
//
// Members are declared in build order; destruction is shutdown.

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "agent/app/agent_metrics.h"
#include "agent/app/config.h"
#include "agent/app/provider_set.h"
#include "agent/app/shares.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/metrics.h"
#include "agent/base/share_metrics.h"
#include "agent/base/thread_guard.h"
#include "agent/base/worker_pool.h"
#include "agent/http/backend_gate.h"
#include "agent/http/curl_client.h"
#include "agent/identity/kube_token_source.h"
#include "agent/kube/kube_client.h"
#include "agent/mount/mount_ledger.h"
#include "agent/mount/mount_metrics.h"
#include "agent/mount/mount_service.h"
#include "agent/secrets/cache.h"
#include "agent/secrets/credential_cache.h"
#include "agent/secrets/fetcher.h"
#include "agent/secrets/lease_keeper.h"
#include "agent/secrets/sealer.h"

namespace nodekeep {

class Graph {
 public:
  // Errors: invalid settings of a provider, a kubeconfig that cannot be read.
  static Result<std::unique_ptr<Graph>> Create(const LoadedConfig& loaded, Logger& log);
  ~Graph();

  // The hosts of both gates, sorted by name; `nodekeep status` shows them.
  std::vector<BackendState> BackendStates() const;

  // Applies the live settings (config_settings.h) of `loaded`. On an error nothing has changed.
  Status Reconfigure(const LoadedConfig& loaded);

  SystemClock clock;
  SystemRng rng;
  Logger& log;
  MetricsRegistry metrics;
  AgentMetrics agent_metrics;
  GateMetrics gate_metrics;
  FetchMetrics fetch_metrics;
  MountMetrics mount_metrics;
  ShareMetrics share_metrics;
  const ExceptionReporter on_exception;  // into the log and a metric
  const RefusalReporter on_refusal;      // into a metric
  Shares shares;
  const SecretBytes version_key;
  WorkerPool backend_pool;  // calls to backends: a separate pool, because mounts wait for them
  WorkerPool lease_pool;    // renewals and revocations
  CurlClient curl;
  BackendGate gate;
  ProviderSet providers;
  const std::unique_ptr<Sealer> sealer;
  Cache cache;
  CredentialCache credentials;
  LeaseKeeper leases;
  Fetcher fetcher;
  MountLedger ledger;
  // Null without an API server, as are `kube` and `tokens`. The API server has connections, limits
  // and a breaker of its own: what a class makes the agent send to a backend, even to one with the
  // API server's address, does not affect it.
  const std::unique_ptr<CurlClient> kube_curl;
  const std::unique_ptr<BackendGate> kube_gate;
  const std::unique_ptr<KubeClient> kube;
  const std::unique_ptr<TokenSource> tokens;
  MountService mounts;

 private:
  Graph(const LoadedConfig& loaded, Logger& its_log, std::optional<KubeConnection> api_server);
  void Upkeep(std::stop_token stop, Duration key_rotation);

  std::jthread upkeep_;  // last: stopped first
};

}  // namespace nodekeep

#include "agent/app/agent.h"

#include <malloc.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <google/protobuf/stubs/logging.h>

#include "agent/app/admin_server.h"
#include "agent/app/driver.h"
#include "agent/app/graph.h"
#include "agent/app/http_endpoint.h"
#include "agent/app/signals.h"
#include "agent/app/version.h"
#include "agent/base/mutex.h"
#include "agent/base/read_file.h"
#include "agent/base/yaml.h"
#include "csi/provider_servers.h"

namespace nodekeep {
namespace {

// Empty if the file cannot be read; that differs from any text, so the reload reports the reason.
std::optional<SecretBytes> ReadText(const std::string& path) {
  Result<SecretBytes> text = ReadFile(path, kMaxYamlBytes);
  return text.ok() ? std::optional(*std::move(text)) : std::nullopt;
}

bool IsSame(const std::optional<SecretBytes>& a, const std::optional<SecretBytes>& b) {
  return a && b ? a->Reveal() == b->Reveal() : !a && !b;
}

std::vector<ProviderServers::NamedProvider> NamedProviders(const LoadedConfig& loaded) {
  std::vector<ProviderServers::NamedProvider> named;
  for (const ProviderEntry& entry : loaded.sources.providers) {
    const std::vector<std::string>& enabled = loaded.config.enabled_providers;
    if (std::find(enabled.begin(), enabled.end(), entry.name) == enabled.end()) continue;
    named.push_back({std::string(entry.name), std::string(entry.runtime_name)});
  }
  return named;
}

class Agent {
 public:
  Agent(LoadedConfig loaded, Graph& graph, Logger& log)
      : graph_(graph),
        log_(log),
        loaded_(std::move(loaded)),
        file_text_(ReadText(loaded_.sources.file)),
        mount_pool_({.max_threads = kMountThreads,
                     .name = "mount-pool",
                     .on_exception = graph.on_exception,
                     .on_refusal = graph.on_refusal}),
        provider_servers_({.directories = loaded_.config.provider_dirs,
                           .providers = NamedProviders(loaded_),
                           .version = std::string(Version()),
                           .mount_budget = loaded_.config.mount_budget,
                           .max_reply_bytes = loaded_.config.provider_door.max_reply_bytes,
                           .on_exception = graph.on_exception},
                          graph.mounts, mount_pool_, graph.clock, log) {
    if (loaded_.config.driver.enabled && graph.kube) {
      driver_ = std::make_unique<Driver>(loaded_.config, graph, *graph.kube, mount_pool_);
    }
    // A reload must not wait for a pipe, because this thread also handles SIGTERM.
    loaded_.sources.file_kind = FileKind::kRegular;
    state_.config_file = loaded_.sources.file;
    state_.ready = Error(ErrorCode::kPrecondition, "starting");
  }

  // The admin server first, so that `nodekeep status` can report a failing start.
  Status Open() {
    const Config& config = loaded_.config;
    if (config.driver.enabled && !driver_) {
      return Error(ErrorCode::kInvalid,
                   "driver: needs the API server for SecretProviderClasses; set kubeconfig, or "
                   "run the agent in a pod");
    }
    auto admin = AdminServer::Open(
        config.admin_socket,
        AdminBackend{graph_.cache, graph_.credentials, graph_.leases, graph_.ledger, graph_.fetcher,
                     [this] { return graph_.BackendStates(); }, *graph_.sealer, graph_.clock,
                     std::string(Version()), config.node_name, [this] { return State(); },
                     [this] { return driver_ ? driver_->Volumes() : std::vector<VolumeRecord>(); },
                     [this] {
                       if (driver_) driver_->RefreshAll();
                     },
                     graph_.on_exception},
        log_);
    if (!admin.ok()) return admin.error();
    admin_ = *std::move(admin);
    if (!config.http_address.empty()) {
      auto http =
          HttpEndpoint::Start(config.http_address, {.metrics = [this] { return Scrape(); },
                                                    .ready = [this] { return State().ready; },
                                                    .on_exception = graph_.on_exception});
      if (!http.ok()) return http.error();
      http_ = *std::move(http);
    }
    if (Status open = provider_servers_.Open(); !open.ok()) return open;
    // Last, because kubelet sends publishes as soon as the driver is registered.
    if (driver_) {
      if (Status open = driver_->Open(); !open.ok()) return open;
    }
    MutexLock lock(mutex_);
    for (const std::string& path : provider_servers_.SocketPaths()) {
      state_.sockets.push_back({std::filesystem::path(path).stem(), path});
    }
    if (driver_) state_.sockets.push_back({loaded_.config.driver.name, driver_->socket_path()});
    state_.sockets.push_back({"", admin_->path()});
    state_.ready = Status();
    return {};
  }

  void Stop() {
    const Duration grace = loaded_.config.shutdown_grace;
    log_.Info("stopping", {{"grace_ms", grace.count()}});
    {
      MutexLock lock(mutex_);
      state_.ready = Error(ErrorCode::kShuttingDown, "stopping");
    }
    const SteadyTime deadline = graph_.clock.Now() + grace;
    if (driver_) driver_->Stop(deadline);
    provider_servers_.Stop(deadline);
    log_.Info("stopped");
  }

  // Editors and kubelet may write a file without changing it; a signal always reloads.
  void ReloadIfChanged() {
    if (!IsSame(ReadText(loaded_.sources.file), file_text_)) Reload();
  }

  void Reload() {
    file_text_ = ReadText(loaded_.sources.file);
    Result<LoadedConfig> next = LoadConfig(loaded_.sources);
    const Status taken = next.ok() ? graph_.Reconfigure(*next) : Status(next.error());
    graph_.agent_metrics.CountReload(taken.ok());
    {
      MutexLock lock(mutex_);
      state_.last_reload = graph_.clock.Wall();
      state_.reload_error = taken.ok() ? "" : taken.error().message();
    }
    if (!taken.ok()) {
      log_.Error("configuration refused; the old one stays in force",
                 {{"file", loaded_.sources.file}, {"error", taken.error().message()}});
      return;
    }
    for (const std::string& path : NeedRestart(loaded_, *next)) {
      log_.Warn("setting changed; it takes effect with the next start", {{"setting", path}});
    }
    loaded_ = *std::move(next);
    log_.Info("configuration reloaded", {{"file", loaded_.sources.file}});
  }

 private:
  AgentState State() {
    AgentState state;
    {
      MutexLock lock(mutex_);
      state = state_;
    }
    if (state.ready.ok() && driver_) state.ready = driver_->Ready();
    return state;
  }

  std::string Scrape() {
    if (driver_) driver_->MeasureVolumes();
    return graph_.metrics.Render();
  }

  Graph& graph_;
  Logger& log_;
  LoadedConfig loaded_;  // used by the main thread only, as is file_text_
  std::optional<SecretBytes> file_text_;

  Mutex mutex_;
  AgentState state_ NODEKEEP_GUARDED_BY(mutex_);

  WorkerPool mount_pool_;
  ProviderServers provider_servers_;
  std::unique_ptr<Driver> driver_;  // null when this agent is not the driver
  std::unique_ptr<HttpEndpoint> http_;
  std::unique_ptr<AdminServer> admin_;
};

// Some container runtimes set 1024, which many pods that start at once can exhaust.
void RaiseDescriptorLimit() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

void HardenProcess() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);
  // Each arena keeps its own free memory; two are enough for threads that mostly wait.
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

void BindSymbolsNow(char** argv) {
  constexpr char kBindNow[] = "LD_BIND_NOW";
  constexpr char kDone[] = "NODEKEEP_SYMBOLS_BOUND";
  if (getenv(kDone) != nullptr) return;
  // A loader in secure mode ignores the variable; one that was started as a program of its own is
  // what /proc/self/exe names.
  if (getauxval(AT_SECURE) != 0 || getauxval(AT_BASE) == 0) return;
  std::error_code failed;
  // By its path, so that the process keeps its name.
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed || setenv(kBindNow, "1", 1) != 0 || setenv(kDone, "1", 1) != 0) return;
  execv(program.c_str(), argv);
}

int RunAgent(const LoadedConfig& loaded) {
  HardenProcess();
  RaiseDescriptorLimit();
  Signals signals(loaded.sources.file);  // before the first thread
  // Protobuf's own log lines about malformed requests are not JSON; the caller gets the error.
  google::protobuf::SetLogHandler(nullptr);
  Logger log(loaded.config.log_level, loaded.config.log_format);
  Result<std::unique_ptr<Graph>> graph = Graph::Create(loaded, log);
  if (!graph.ok()) {
    log.Error("cannot start", {{"error", graph.error().message()}});
    return 1;
  }
  Agent agent(loaded, **graph, log);
  if (Status open = agent.Open(); !open.ok()) {
    log.Error("cannot start", {{"error", open.error().message()}});
    return 1;
  }
  log.Info("ready", {{"version", Version()},
                     {"node", loaded.config.node_name},
                     {"key_memory", (*graph)->sealer->key_memory()}});
  while (true) {
    const Signals::Event event = signals.Wait();
    RunReported("main", (*graph)->on_exception, [&] {
      switch (event) {
        case Signals::Event::kReload: agent.Reload(); break;
        case Signals::Event::kFileChanged: agent.ReloadIfChanged(); break;
        case Signals::Event::kStop:
          signals.RestoreDefaults();
          agent.Stop();
          break;
      }
    });
    if (event == Signals::Event::kStop) return 0;
  }
}

}  // namespace nodekeep

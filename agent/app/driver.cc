#include "agent/app/driver.h"

#include <set>

#include "agent/app/version.h"
#include "agent/base/on_exit.h"
#include "csi/startup_taint.h"
#include "csi/volume_scan.h"

namespace nodekeep {
namespace {

// Interval of the sweep for unused Secrets, which sends no request if there are none.
constexpr Duration kUpkeepEvery = std::chrono::seconds(5);
constexpr Duration kTaintBudget = std::chrono::seconds(3);
constexpr Duration kFinalSweepBudget = std::chrono::seconds(5);

std::vector<std::string> ForeignDirectories(const Config& config) {
  std::vector<std::string> directories = config.driver.additional_provider_dirs;
  directories.insert(directories.end(), config.provider_dirs.begin(), config.provider_dirs.end());
  return directories;
}

}  // namespace

Driver::Driver(const Config& config, Graph& graph, KubeClient& kube, WorkerPool& pool)
    : graph_(graph),
      kube_(kube),
      options_(config.driver),
      node_name_(config.node_name),
      metrics_(graph.metrics,
               [this](const std::string& provider) { return source_.Serves(provider); }),
      budget_(graph.shares.volume_bytes, graph.shares.rotation_bytes, mounter_),
      refreshes_(
          {.group_of = [this](const std::string& path) { return registry_.NamespaceOf(path); },
           .max_in_work = kRefreshesAtOnce},
          graph.clock, graph.rng),
      watch_connections_(WatchConnections(kClassWatches + 1, graph.on_exception)),
      watches_({.http = watch_connections_,
                .connection = kube.connection(),
                .clock = graph.clock,
                .rng = graph.rng,
                .log = graph.log,
                .policy = {.user_agent = "nodekeep/" + std::string(Version())},
                .on_exception = graph.on_exception}),
      live_classes_({}, kube, graph.backend_pool, graph.clock),
      classes_(watches_, live_classes_, graph.shares.class_watches,
               [this](const WatchedClasses::Key& key) {
                 for (const std::string& path : registry_.PathsOfClass(key.first, key.second)) {
                   refreshes_.Add(path);
                 }
               }),
      pods_(watches_, config.node_name),
      foreign_({.directories = ForeignDirectories(config)}, graph.clock),
      source_(graph.mounts, foreign_),
      mirror_({.node_name = config.node_name}, kube, pods_, graph.clock),
      recorder_(kube, graph.clock, graph.rng, graph.log,
                {.component = "csi-secrets-store-rotation",
                 .host = config.node_name,
                 .on_exception = graph.on_exception}),
      events_(recorder_),
      volumes_(
          {.refresh_after = config.policy.refresh_after, .volume_size = config.driver.volume_bytes},
          {.mounter = mounter_,
           .classes = classes_,
           .pods = pods_,
           .source = source_,
           .mirror = mirror_,
           .events = events_,
           .registry = registry_,
           .budget = budget_,
           .refreshes = refreshes_,
           .clock = graph.clock,
           .rng = graph.rng,
           .log = graph.log,
           .metrics = metrics_}),
      recovery_({.kubelet_root = config.driver.kubelet_root, .driver_name = config.driver.name},
                {.mounter = mounter_,
                 .pods = pods_,
                 .classes = classes_,
                 .mirror = mirror_,
                 .registry = registry_,
                 .budget = budget_,
                 .refreshes = refreshes_,
                 .clock = graph.clock,
                 .log = graph.log}),
      rotation_({.budget = config.mount_budget, .on_exception = graph.on_exception},
                {.volumes = volumes_,
                 .registry = registry_,
                 .refreshes = refreshes_,
                 .pool = pool,
                 .clock = graph.clock}),
      server_({.driver_name = config.driver.name,
               .node_name = config.node_name,
               .kubelet_root = config.driver.kubelet_root,
               .version = std::string(Version()),
               .budget = config.mount_budget,
               .ready = [] { return Status(); },
               .on_registered = [this] { OnRegistered(); },
               .on_exception = graph.on_exception},
              volumes_, registry_, pool, graph.clock, graph.log),
      upkeep_([this](std::stop_token stop) {
        RunGuarded("driver-upkeep", stop, graph_.clock, graph_.on_exception, [&] { Upkeep(stop); });
      }) {}

void Driver::Upkeep(std::stop_token stop) {
  const Context context(SteadyTime::max(), stop);
  if (!recovered_) recovered_ = recovery_.Run(context);
  while (Sleep(context, graph_.clock, kUpkeepEvery).ok()) {
    RemoveTaint(context);
    if (!recovered_) recovered_ = recovery_.Run(context);
    EndUnusedWatches();
    if (!recovered_) continue;
    LogWarnings(mirror_.Sweep(context), "cannot release a mirrored Secret; retrying");
  }
}

void Driver::Stop(SteadyTime deadline) {
  server_.Stop(deadline);
  if (!recovered_) return;
  const SteadyTime end = std::min(deadline, graph_.clock.Now() + kFinalSweepBudget);
  LogWarnings(mirror_.FinalSweep(Context().WithDeadline(end)),
              "cannot release a mirrored Secret; it stays until its owners are gone");
}

void Driver::LogWarnings(const std::vector<Error>& faults, std::string_view what) {
  for (const Error& error : faults) graph_.log.Warn(what, {{"error", error.message()}});
}

Status Driver::Ready() const {
  if (Status ready = server_.Ready(); !ready.ok()) return ready;
  return pods_.state();
}

void Driver::RefreshAll() {
  for (const VolumeRecord& record : registry_.List()) refreshes_.Add(record.volume->target_path);
}

void Driver::MeasureVolumes() {
  std::map<std::string_view, std::size_t> counts = {
      {"current", 0}, {"failing", 0}, {"stale", 0}, {"taken_over", 0}};
  const WallTime now = graph_.clock.Wall();
  WallTime oldest = now;
  std::size_t not_mirrored = 0;
  for (const VolumeRecord& record : registry_.List()) {
    ++counts[StateNameOf(record.state)];
    if (!record.state.mirror_error.empty()) ++not_mirrored;
    if (record.state.current_at != WallTime()) oldest = std::min(oldest, record.state.current_at);
  }
  for (const auto& [state, count] : counts) metrics_.SetVolumes(state, count);
  metrics_.SetVolumesNotMirrored(not_mirrored);
  metrics_.SetOldestContent(now - oldest);
  metrics_.SetEventsDropped(recorder_.dropped());
}

void Driver::OnRegistered() {
  taint_may_remain_ = !options_.startup_taint.empty();
  RemoveTaint(Context().WithDeadline(graph_.clock.Now() + kTaintBudget));
}

void Driver::RemoveTaint(const Context& context) {
  if (!taint_may_remain_.exchange(false)) return;
  const OnThrow again([this] { taint_may_remain_ = true; });
  const Result<bool> removed =
      RemoveStartupTaint(context, kube_, node_name_, options_.startup_taint);
  if (removed.ok()) {
    if (*removed) graph_.log.Info("start-up taint removed", {{"taint", options_.startup_taint}});
    return;
  }
  taint_may_remain_ = !removed.error().IsFinal() || removed.error().code() == ErrorCode::kConflict;
  graph_.log.Warn("cannot remove the start-up taint", {{"error", removed.error().message()}});
}

void Driver::EndUnusedWatches() {
  std::set<WatchedClasses::Key> in_use;
  for (const VolumeRecord& record : registry_.List()) {
    in_use.emplace(record.volume->namespace_name, record.volume->class_name);
  }
  classes_.KeepOnly(in_use);
}

}  // namespace nodekeep

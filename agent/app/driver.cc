#include "agent/app/driver.h"

#include "agent/app/version.h"

namespace nodekeep {
namespace {

std::vector<std::string> ForeignDirectories(const Config& config) {
  std::vector<std::string> directories = config.driver.additional_provider_dirs;
  directories.insert(directories.end(), config.provider_dirs.begin(), config.provider_dirs.end());
  return directories;
}

}  // namespace

Driver::Driver(const Config& config, Graph& graph, WorkerPool& pool)
    : classes_({}, graph.kube.get(), graph.backend_pool, graph.clock),
      foreign_({.directories = ForeignDirectories(config)}, graph.clock),
      source_(graph.road, foreign_),
      registry_(graph.clock),
      road_({.refresh_after = config.policy.refresh_after,
             .volume_size = config.driver.volume_bytes},
            {.mounter = mounter_,
             .classes = classes_,
             .source = source_,
             .mirror = mirror_,
             .events = events_,
             .registry = registry_,
             .clock = graph.clock,
             .rng = graph.rng,
             .log = graph.log,
             .metrics = graph.metrics}),
      rotation_(road_, registry_, pool, graph.clock, config.mount_budget),
      door_({.driver_name = config.driver.name,
             .node_name = config.node_name,
             .kubelet_root = config.driver.kubelet_root,
             .version = std::string(Version()),
             .budget = config.mount_budget,
             .ready = [] { return Status(); },
             .on_registered = [] {}},
            road_, registry_, pool, graph.clock, graph.log) {}

}  // namespace nodekeep

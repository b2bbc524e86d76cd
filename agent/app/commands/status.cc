#include <fmt/format.h>

#include "agent/app/commands/commands.h"
#include "agent/app/render.h"

namespace nodekeep {
namespace {

using admin::v1::StatusResponse;

// Errors of mounts and backends are long; the table truncates them, -o json shows them in full.
constexpr std::size_t kShownError = 160;

std::string Shortened(const std::string& text) {
  return text.size() <= kShownError ? text : text.substr(0, kShownError) + "...";
}

std::string Head(const StatusResponse& status) {
  std::string text =
      fmt::format("nodekeep {} on {}, up {}, {}\n", status.version(), status.node(),
                  ShortDuration(status.uptime_seconds()),
                  status.ready() ? "ready" : "not ready: " + status.not_ready_reason());
  text += fmt::format("cache: {} entries, {} of {}, sealed; key in {}\n", status.cache().entries(),
                      ShortSize(status.cache().bytes()), ShortSize(status.cache().max_bytes()),
                      status.key_memory());
  const auto& config = status.config();
  text += fmt::format("configuration: {}", config.file().empty() ? "no file" : config.file());
  if (!config.reload_error().empty()) {
    text += fmt::format("; reload of {} refused, the previous one is in force: {}",
                        config.last_reload(), config.reload_error());
  } else if (!config.last_reload().empty()) {
    text += fmt::format("; reloaded {}", config.last_reload());
  }
  return text + "\n";
}

std::string Section(const TextTable& table) { return table.empty() ? "" : "\n" + table.Text(); }

std::string Mounts(const StatusResponse& status) {
  TextTable table(
      {"MOUNT OF POD", "PROVIDER", "OUTCOME", "AGO", "TOOK", "CACHED", "READ", "STALE"});
  std::string errors;
  for (const auto& mount : status.mounts()) {
    const std::string pod = mount.namespace_() + "/" + mount.pod();
    table.Add(
        {pod, mount.provider(), mount.outcome(), ShortDuration(mount.age_seconds()),
         fmt::format("{:.0f} ms", mount.took_seconds() * 1000),
         fmt::format("{}/{}", mount.hits(), mount.refs()), fmt::format("{}", mount.backend_reads()),
         mount.stale() == 0
             ? "-"
             : fmt::format("{}, {} old", mount.stale(), ShortDuration(mount.stale_age_seconds()))});
    const std::string& error = mount.error().empty() ? mount.stale_reason() : mount.error();
    if (!error.empty()) errors += fmt::format("  {}: {}\n", pod, Printable(Shortened(error)));
  }
  std::string text = Section(table);
  if (!errors.empty()) text += "\nWHY\n" + errors;
  return text;
}

std::string Volumes(const StatusResponse& status) {
  TextTable table({"VOLUME OF POD", "CLASS", "PROVIDER", "CONTENT AGE", "CONDITION"});
  for (const auto& volume : status.volumes()) {
    table.Add({volume.namespace_() + "/" + volume.pod(), volume.class_(),
               volume.provider().empty() ? "-" : volume.provider(),
               volume.has_age_seconds() ? ShortDuration(volume.age_seconds()) : "-",
               Printable(Shortened(volume.condition()))});
  }
  return Section(table);
}

std::string Table(const StatusResponse& status) {
  TextTable sockets({"SOCKET", "SERVES"});
  for (const auto& socket : status.sockets()) {
    sockets.Add({socket.path(), socket.provider().empty() ? "admin" : socket.provider()});
  }
  TextTable sessions({"LOGIN", "PROVIDER", "AGE", "EXPIRES IN"});
  for (const auto& session : status.sessions()) {
    sessions.Add(
        {session.scope(), session.provider(), ShortDuration(session.age_seconds()),
         session.has_expires_in_seconds() ? ShortDuration(session.expires_in_seconds()) : "never"});
  }
  TextTable leases({"LEASE", "LEFT", "PODS", "STATE"});
  for (const auto& lease : status.leases()) {
    leases.Add({lease.ref(), ShortDuration(lease.left_seconds()),
                fmt::format("{}", lease.holders()), lease.retiring() ? "retiring" : "current"});
  }
  TextTable backends({"BACKEND", "STATE", "RATE", "IN FLIGHT", "LAST ERROR"});
  for (const auto& backend : status.backends()) {
    std::string state = backend.breaker_open() ? "down" : "up";
    if (backend.held_for_seconds() > 0) {
      state += ", held back " + ShortDuration(backend.held_for_seconds());
      if (!backend.held_namespaces().empty()) {
        state += fmt::format(" for {}", fmt::join(backend.held_namespaces(), ", "));
      }
    }
    backends.Add({backend.host(), state, fmt::format("{:.0f}/s", backend.rate_per_second()),
                  fmt::format("{}", backend.in_flight()),
                  backend.last_error().empty() ? "-" : Shortened(backend.last_error())});
  }
  return Head(status) + Section(sockets) + Section(backends) + Section(sessions) + Section(leases) +
         Volumes(status) + Mounts(status);
}

}  // namespace

void AddStatus(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand(
      "status",
      "Shows the agent's sockets, cache, backends, logins and last mounts; never a secret");
  auto agent = AddAgentFlags(*command, "10s");
  auto output = AddOutput(*command);
  Examples(*command, {"nodekeep status", "nodekeep status -o json",
                      "kubectl exec -n kube-system ds/nodekeep -- nodekeep status"});
  command->callback([&chosen, agent, output] {
    chosen.run = [&chosen, agent, output] {
      Result<AdminClient> client = agent->Connect(chosen.io);
      if (!client.ok()) return Fail(chosen.io, client.error());
      const Result<StatusResponse> status = client->GetStatus();
      if (!status.ok()) return Fail(chosen.io, status.error());
      Print(chosen.io, *output, MessageAsJson(*status), [&] { return Table(*status); });
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

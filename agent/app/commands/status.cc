#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/app/commands/commands.h"
#include "agent/app/login_key.h"
#include "agent/app/render.h"
#include "agent/base/utf8.h"

namespace nodekeep {
namespace {

using admin::v1::StatusResponse;

// A terminal has 120 columns as a rule. Longer texts are shortened in the tables, and errors are
// listed below them; -o json shows everything.
constexpr std::size_t kPodWidth = 42;
constexpr std::size_t kClassWidth = 24;
constexpr std::size_t kRefWidth = 76;
constexpr std::size_t kHostWidth = 48;
constexpr std::size_t kShownError = 400;

// At most `width` characters: the middle is left out, because names often differ at their end.
std::string Fitted(const std::string& text, std::size_t width) {
  std::string printable = Printable(text);
  if (printable.size() <= width) return printable;
  const std::size_t tail = (width - 3) / 2;
  return ReplaceInvalidUtf8(printable.substr(0, width - 3 - tail) + "..." +
                            printable.substr(printable.size() - tail));
}

// The explanations of what the tables say in a word.
class Reasons {
 public:
  void Add(std::string_view what, const std::string& text) {
    const std::string shown =
        text.size() <= kShownError ? text : text.substr(0, kShownError) + "...";
    lines_ += fmt::format("  {}: {}\n", Printable(what), Printable(shown));
  }
  std::string Text() const { return lines_.empty() ? "" : "\nWHY\n" + lines_; }

 private:
  std::string lines_;
};

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

std::string Sockets(const StatusResponse& status) {
  TextTable table({"SOCKET", "SERVES"});
  for (const auto& socket : status.sockets()) {
    table.Add({socket.path(), socket.provider().empty() ? "admin" : socket.provider()});
  }
  return Section(table);
}

std::string Backends(const StatusResponse& status, Reasons& reasons) {
  TextTable table({"BACKEND", "STATE", "RATE", "IN FLIGHT"});
  for (const auto& backend : status.backends()) {
    std::string state = backend.breaker_open() ? "down" : "up";
    if (backend.held_for_seconds() > 0) {
      state += ", held back " + ShortDuration(backend.held_for_seconds());
      if (!backend.held_namespaces().empty()) {
        state += fmt::format(" for {}", fmt::join(backend.held_namespaces(), ", "));
      }
    }
    table.Add({Fitted(backend.host(), kHostWidth), Fitted(state, kPodWidth),
               fmt::format("{:.0f}/s", backend.rate_per_second()),
               fmt::format("{}", backend.in_flight())});
    if (!backend.last_error().empty()) {
      reasons.Add(backend.host(), "last error: " + backend.last_error());
    }
  }
  return Section(table);
}

std::string Logins(const StatusResponse& status) {
  TextTable table({"LOGIN OF", "PROVIDER", "AT", "AGE", "EXPIRES IN"});
  for (const auto& session : status.sessions()) {
    const LoginSummary login = SummaryOf(session.scope());
    table.Add(
        {Fitted(login.who, kPodWidth), session.provider(), Fitted(login.where, kPodWidth - 6),
         ShortDuration(session.age_seconds()),
         session.has_expires_in_seconds() ? ShortDuration(session.expires_in_seconds()) : "never"});
  }
  return Section(table);
}

std::string Leases(const StatusResponse& status) {
  TextTable table({"LEASE", "LEFT", "PODS", "STATE"});
  for (const auto& lease : status.leases()) {
    table.Add({Fitted(lease.ref(), kRefWidth), ShortDuration(lease.left_seconds()),
               fmt::format("{}", lease.holders()), lease.retiring() ? "retiring" : "current"});
  }
  return Section(table);
}

// "up to date", "stale", "failing" or "taken over" (ConditionOf, csi/volume.h).
std::string StateOf(const admin::v1::Volume& volume) {
  const std::string& condition = volume.condition();
  std::string state = "up to date";
  if (volume.stale()) {
    state = "stale";
  } else if (condition.starts_with("rotation failing")) {
    state = "failing";
  } else if (condition.starts_with("taken over")) {
    state = "taken over";
  }
  if (condition.find("not mirrored: ") != std::string::npos) state += ", not mirrored";
  return state;
}

std::string Volumes(const StatusResponse& status, Reasons& reasons) {
  TextTable table({"VOLUME OF POD", "CLASS", "PROVIDER", "CONTENT AGE", "STATE"});
  for (const auto& volume : status.volumes()) {
    const std::string pod = volume.namespace_() + "/" + volume.pod();
    table.Add({Fitted(pod, kPodWidth), Fitted(volume.class_(), kClassWidth),
               volume.provider().empty() ? "-" : Fitted(volume.provider(), kClassWidth),
               volume.has_age_seconds() ? ShortDuration(volume.age_seconds()) : "-",
               StateOf(volume)});
    if (volume.condition() != "up to date") reasons.Add(pod, volume.condition());
  }
  return Section(table);
}

std::string Mounts(const StatusResponse& status, Reasons& reasons) {
  TextTable table(
      {"MOUNT OF POD", "PROVIDER", "OUTCOME", "AGO", "TOOK", "CACHED", "READ", "STALE"});
  for (const auto& mount : status.mounts()) {
    const std::string pod = mount.namespace_() + "/" + mount.pod();
    table.Add(
        {Fitted(pod, kPodWidth), mount.provider(), mount.outcome(),
         ShortDuration(mount.age_seconds()), fmt::format("{:.0f} ms", mount.took_seconds() * 1000),
         fmt::format("{}/{}", mount.hits(), mount.refs()), fmt::format("{}", mount.backend_reads()),
         mount.stale() == 0
             ? "-"
             : fmt::format("{}, {} old", mount.stale(), ShortDuration(mount.stale_age_seconds()))});
    const std::string& error = mount.error().empty() ? mount.stale_reason() : mount.error();
    if (!error.empty()) reasons.Add(pod, error);
  }
  return Section(table);
}

}  // namespace

std::string StatusTable(const StatusResponse& status) {
  Reasons reasons;
  std::string text = Head(status) + Sockets(status);
  text += Backends(status, reasons) + Logins(status) + Leases(status);
  text += Volumes(status, reasons) + Mounts(status, reasons);
  return text + reasons.Text();
}

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
      Print(chosen.io, *output, MessageAsJson(*status), [&] { return StatusTable(*status); });
      return kExitOk;
    };
  });
}

}  // namespace nodekeep

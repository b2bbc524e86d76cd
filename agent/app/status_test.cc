// The tables of `nodekeep status`.

#include <catch2/catch_test_macros.hpp>
#include <sstream>

#include "agent/app/commands/commands.h"
#include "agent/secrets/login_text.h"

namespace nodekeep {
namespace {

const std::string kPod = "payments-api-7c9d8f6b5d-x2x7k";

// As a node with usual names has it.
admin::v1::StatusResponse Usual() {
  admin::v1::StatusResponse status;
  status.set_version("0.1.0");
  status.set_node("ip-10-0-12-34.eu-central-1.compute.internal");
  status.set_ready(true);
  status.set_key_memory("memfd_secret");
  auto& socket = *status.add_sockets();
  socket.set_provider("vault");
  socket.set_path("/var/run/secrets-store-csi-providers/vault.sock");
  auto& backend = *status.add_backends();
  backend.set_host("vault.vault-production.svc.cluster.local:8200");
  backend.set_breaker_open(true);
  backend.set_held_for_seconds(61);
  backend.add_held_namespaces("payments");
  backend.add_held_namespaces("shipping");
  backend.set_last_error("connection refused");
  auto& session = *status.add_sessions();
  session.set_provider("vault");
  session.set_scope(
      "vault " +
      LoginText("kubernetes", "https://vault.vault-production.svc.cluster.local:8200", {}, "vault")
          .Part("role", "payments")
          .Take() +
      " payments/payments-api sa-uid=4d1f8c2e-6c55-4c5f-8a43-3c7b9a3a1f10");
  session.set_age_seconds(7500);
  session.set_expires_in_seconds(86000);
  auto& lease = *status.add_leases();
  lease.set_ref("vault:database/creds/payments-readonly");
  lease.set_holders(3);
  auto& volume = *status.add_volumes();
  volume.set_namespace_("payments");
  volume.set_pod(kPod);
  volume.set_class_("payments-database");
  volume.set_provider("vault");
  volume.set_age_seconds(200000);
  volume.set_stale(true);
  volume.set_condition(
      "serving last good values since 2026-01-31T12:00:00.000Z: vault: read "
      "secret/data/payments/database for object \"db\": connection refused; not mirrored: "
      "Secret payments/db has another owner");
  auto& mount = *status.add_mounts();
  mount.set_namespace_("payments");
  mount.set_pod(kPod);
  mount.set_provider("akeyless");
  mount.set_outcome("deadline exceeded");
  mount.set_age_seconds(86000);
  mount.set_took_seconds(12.345);
  mount.set_hits(10);
  mount.set_refs(12);
  mount.set_backend_reads(12);
  mount.set_stale(12);
  mount.set_stale_age_seconds(86000);
  mount.set_error("error making mount request: vault: no answer");
  return status;
}

// Of the lines before the explanations.
std::size_t LongestLine(const std::string& text) {
  std::size_t longest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && line != "WHY";) {
    longest = std::max(longest, line.size());
  }
  return longest;
}

bool Has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

TEST_CASE("status: its tables fit 120 columns, and say in words what the keys mean") {
  const std::string text = StatusTable(Usual());
  INFO(text);
  CHECK(LongestLine(text) <= 120);
  // Who, provider, where; not the key.
  CHECK(Has(text, "\nLOGIN OF               PROVIDER  AT"));
  CHECK(Has(text, "\npayments/payments-api  vault     "));
  CHECK_FALSE(Has(text, "sa-uid"));
  CHECK_FALSE(Has(text, "endpoint="));
  CHECK(Has(text, "payments/" + kPod));
  CHECK(Has(text, "stale, not mirrored"));
  // The reasons are complete.
  const std::string why = text.substr(text.find("\nWHY\n"));
  CHECK(Has(why, "\n  payments/" + kPod +
                     ": serving last good values since 2026-01-31T12:00:00.000Z: vault: read "
                     "secret/data/payments/database for object \"db\": connection refused; not "
                     "mirrored: Secret payments/db has another owner\n"));
  CHECK(
      Has(why, "  vault.vault-production.svc.cluster.local:8200: last error: connection refused"));
  CHECK(Has(why, ": error making mount request: vault: no answer\n"));
}

TEST_CASE("status: long names are shortened in the middle, and texts cannot control a terminal") {
  admin::v1::StatusResponse status = Usual();
  for (auto& volume : *status.mutable_volumes()) {
    volume.set_pod(std::string(240, 'p') + "-tail");
    volume.set_class_(std::string(240, 'c') + "-tail");
    volume.set_condition("rotation failing since now: \x1b[31m\n" + std::string(1000, 'x'));
    volume.set_stale(false);
  }
  for (auto& mount : *status.mutable_mounts()) mount.set_pod(std::string(240, 'p') + "-tail");
  for (auto& session : *status.mutable_sessions()) session.set_scope(std::string(4000, 'k'));
  for (auto& lease : *status.mutable_leases()) lease.set_ref(std::string(4000, 'r') + "-tail");
  for (auto& backend : *status.mutable_backends()) {
    backend.set_host(std::string(240, 'h') + ":8200");
    for (int i = 0; i < 50; ++i) backend.add_held_namespaces("namespace-" + std::to_string(i));
  }
  const std::string text = StatusTable(status);
  CHECK(LongestLine(text) <= 120);
  CHECK(Has(text, "-tail  "));
  CHECK(Has(text, "failing"));
  CHECK(Has(text, ":8200  "));
  CHECK_FALSE(Has(text, "\x1b"));
  CHECK(text.size() < 6000);
}

TEST_CASE("status: each condition of a volume has a word; only what is wrong has a reason") {
  struct Row {
    std::string condition;
    bool stale;
    std::string state;
    bool reason;
  };
  const Row rows[] = {
      {"up to date", false, "up to date", false},
      {"up to date; not mirrored: no right", false, "up to date, not mirrored", true},
      {"rotation failing since T: no", false, "failing", true},
      {"serving last good values since T: no", true, "stale", true},
      {"taken over, not refreshed yet", false, "taken over", true},
  };
  for (const Row& row : rows) {
    INFO(row.condition);
    admin::v1::StatusResponse status;
    auto& volume = *status.add_volumes();
    volume.set_pod("web");
    volume.set_condition(row.condition);
    volume.set_stale(row.stale);
    const std::string text = StatusTable(status);
    CHECK(Has(text, "  " + row.state + "\n"));
    CHECK(Has(text, "WHY") == row.reason);
  }
}

}  // namespace
}  // namespace nodekeep

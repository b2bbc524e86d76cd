#include "agent/app/admin_service.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/app/admin_client.h"
#include "agent/app/admin_server.h"
#include "agent/base/mutex.h"
#include "tests/fakes/core.h"

namespace nodekeep {
namespace {

class Nowhere final : public HttpClient {
 public:
  std::vector<Result<HttpResponse>> SendAll(const Context&,
                                            std::vector<HttpRequest> requests) override {
    std::vector<Result<HttpResponse>> answers;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      answers.emplace_back(Error(ErrorCode::kTransient, "connection refused"));
    }
    return answers;
  }
};

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

// The number of bytes that the server sends on a new connection; 0 if it closes the connection, -1
// if it cannot be reached.
ssize_t FirstBytes(const std::string& path) {
  const sockaddr_un address = AddressOf(path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ssize_t count = -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    char buffer[64];
    count = read(fd, buffer, sizeof(buffer));
  }
  close(fd);
  return count;
}

// A core with its admin server on a socket in a new directory.
struct Bed {
  Bed() {
    char name[] = "/tmp/nodekeep-admin-XXXXXX";
    directory = mkdtemp(name);
    socket = directory + "/run/admin.sock";
    backend->EnableLeases();
  }
  ~Bed() {
    server.reset();
    std::filesystem::remove_all(directory);
  }

  AdminBackend Backend() {
    return {.cache = core.cache,
            .credentials = core.credentials,
            .leases = core.leases,
            .ledger = ledger,
            .fetcher = core.fetcher,
            .backends = [this] { return gate.States(); },
            .sealer = *core.sealer,
            .clock = clock,
            .version = "1.2.3",
            .node = "node-a",
            .state =
                [this] {
                  MutexLock lock(mutex);
                  return state;
                }};
  }

  void Open() {
    auto opened = AdminServer::Open(socket, Backend(), core.log);
    REQUIRE(opened.ok());
    server = *std::move(opened);
  }

  AdminClient Client() {
    auto client = AdminClient::Connect(socket, std::chrono::seconds(20));
    REQUIRE(client.ok());
    return *std::move(client);
  }

  // Mounts and records it in the ledger, as the MountService does.
  void Mount(const std::string& pod, const std::string& objects) {
    const MountPlanPtr plan = FakePlan(backend, objects, MakeIdentity("shop", pod, "sa"));
    Result<Bundle> bundle = core.Fetch(plan);
    ledger.Record(
        *plan,
        bundle.ok() ? Result<ReadReport>(bundle->report) : Result<ReadReport>(bundle.error()),
        std::chrono::milliseconds(12));
  }

  FakeClock clock;
  Core core{clock};
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  MountLedger ledger{clock};
  Nowhere network;
  GateMetrics gate_metrics{core.metrics};
  BackendGate gate{network, clock, core.rng, gate_metrics, {}};
  Mutex mutex;
  AgentState state;  // guarded by mutex once the server runs
  std::string directory;
  std::string socket;
  std::unique_ptr<AdminServer> server;
};

TEST_CASE("admin: status shows sockets, cache, backends and mounts, but no value or token") {
  Bed bed;
  bed.backend->SetValue("db", "the-secret-value", "7");
  bed.backend->SetMinted("lease", "minted-value", std::chrono::minutes(10), "lease-1");
  bed.backend->SetLoginLifetime(std::chrono::hours(1), true);
  bed.state.sockets = {{"vault", "/x/vault.sock"}, {"", bed.socket}};
  bed.state.config_file = "/etc/nodekeep.yaml";
  bed.state.reload_error = "line 3 is wrong";
  bed.state.last_reload = bed.clock.Wall();
  bed.Open();
  bed.Mount("web", "db,lease");
  bed.Mount("late", "gone");
  bed.clock.Advance(std::chrono::seconds(30));
  for (int i = 0; i < 5; ++i) {
    HttpRequest request;
    request.url = "https://vault.example:8200/v1/x";
    (void)bed.gate.Send(Context().WithNamespace("shop"), std::move(request));
  }

  const auto status = bed.Client().GetStatus();
  REQUIRE(status.ok());
  CHECK(status->version() == "1.2.3");
  CHECK(status->node() == "node-a");
  CHECK(status->uptime_seconds() == 30);
  CHECK(status->key_memory() == std::string(bed.core.sealer->key_memory()));
  CHECK(status->ready());
  REQUIRE(status->sockets().size() == 2);
  CHECK(status->sockets(0).path() == "/x/vault.sock");
  CHECK(status->cache().entries() == 3);  // "gone" is a negative entry
  CHECK(status->cache().bytes() == bed.core.cache.bytes());
  CHECK(status->config().reload_error() == "line 3 is wrong");
  CHECK(status->config().last_reload() == FormatTime(bed.clock.Wall() - std::chrono::seconds(30)));
  REQUIRE(status->sessions().size() == 1);
  CHECK(status->sessions(0).provider() == "fake");
  CHECK(status->sessions(0).expires_in_seconds() == 3570);
  REQUIRE(status->leases().size() == 1);
  CHECK(status->leases(0).holders() == 1);
  REQUIRE(status->backends().size() == 1);
  CHECK(status->backends(0).host() == "https://vault.example:8200");
  CHECK(status->backends(0).last_error().find("connection refused") != std::string::npos);
  CHECK(status->backends(0).breaker_open());
  CHECK(status->backends(0).held_for_seconds() > 0);
  REQUIRE(status->backends(0).held_namespaces().size() == 1);
  CHECK(status->backends(0).held_namespaces(0) == "shop");
  REQUIRE(status->mounts().size() == 2);
  const bool late_first = status->mounts(0).pod() == "late";
  const auto& good = status->mounts(late_first ? 1 : 0);
  const auto& bad = status->mounts(late_first ? 0 : 1);
  CHECK(good.outcome() == "ok");
  CHECK(good.backend_reads() == 2);
  CHECK(good.age_seconds() == 30);
  CHECK(bad.outcome() == "not_found");
  CHECK_FALSE(bad.error().empty());

  const std::string everything =
      status->SerializeAsString() + bed.Client().CacheList()->SerializeAsString();
  for (const char* secret : {"the-secret-value", "minted-value", "token-1"}) {
    CHECK(everything.find(secret) == std::string::npos);
  }
}

TEST_CASE("admin: refresh reads the selected secrets again, and no others") {
  Bed bed;
  for (const char* path : {"a", "b", "c"}) bed.backend->SetValue(path, path, "1");
  bed.Open();
  bed.Mount("one", "a,b");
  bed.Mount("two", "c");
  REQUIRE(bed.backend->reads() == 3);
  bed.backend->SetValue("a", "changed", "2");

  admin::v1::RefreshRequest request;
  request.set_pod("shop/one");
  auto response = bed.Client().Refresh(request);
  REQUIRE(response.ok());
  CHECK(response->matched() == 2);
  CHECK(response->asked() == 2);
  CHECK(response->changed() == 1);
  CHECK(bed.backend->reads("c") == 1);

  request.set_ref_glob("fake:[bc]");
  response = bed.Client().Refresh(request);
  REQUIRE(response.ok());
  CHECK(response->matched() == 2);
  CHECK(response->changed() == 0);
  CHECK(bed.backend->reads("a") == 2);

  request.set_all(true);
  bed.backend->FailAlways("c", Error(ErrorCode::kDenied, "no more"));
  response = bed.Client().Refresh(request);
  REQUIRE(response.ok());
  CHECK(response->matched() == 3);
  REQUIRE(response->errors().size() == 1);
  CHECK(response->errors(0).find("no more") != std::string::npos);
}

TEST_CASE("admin: a refresh without a selection, or of an unknown pod, is refused with a hint") {
  Bed bed;
  bed.Open();
  admin::v1::RefreshRequest request;
  auto response = bed.Client().Refresh(request);
  REQUIRE_FALSE(response.ok());
  CHECK(response.error().message() == "say what to refresh: a pod, a glob of refs, or all");
  request.set_pod("shop/nobody");
  response = bed.Client().Refresh(request);
  REQUIRE_FALSE(response.ok());
  CHECK(response.error().code() == ErrorCode::kNotFound);
  CHECK(response.error().message().find("shop/nobody") != std::string::npos);
}

TEST_CASE("admin: a refresh ends with its caller's deadline") {
  Bed bed;
  bed.backend->SetValue("a", "x", "1");
  bed.Open();
  bed.Mount("one", "a");
  bed.backend->Close();
  auto client = AdminClient::Connect(bed.socket, std::chrono::milliseconds(300));
  REQUIRE(client.ok());
  admin::v1::RefreshRequest request;
  request.set_all(true);
  const auto response = client->Refresh(request);
  REQUIRE_FALSE(response.ok());
  CHECK(response.error().code() == ErrorCode::kDeadlineExceeded);
  bed.backend->Open();
  bed.server.reset();  // hangs if the refresh still waited
}

TEST_CASE("admin: the cache is listed and flushed") {
  Bed bed;
  bed.backend->SetValue("db", "v", "7");
  bed.Open();
  bed.Mount("web", "db,gone");
  bed.clock.Advance(std::chrono::seconds(5));
  const auto list = bed.Client().CacheList();
  REQUIRE(list.ok());
  REQUIRE(list->entries().size() == 2);
  CHECK(list->entries(0).ref() == "fake:db");
  CHECK(list->entries(0).version() == "7");
  CHECK(list->entries(0).age_seconds() == 5);
  CHECK(list->entries(0).failure().empty());
  CHECK(list->entries(1).failure() == "not_found");
  const auto flushed = bed.Client().CacheFlush();
  REQUIRE(flushed.ok());
  CHECK(flushed->dropped() == 2);
  CHECK(bed.Client().CacheList()->entries().empty());
}

TEST_CASE("admin: health reports why the agent is not ready") {
  Bed bed;
  bed.Open();
  CHECK(bed.Client().Health()->ready());
  {
    MutexLock lock(bed.mutex);
    bed.state.ready = Error(ErrorCode::kShuttingDown, "stopping");
  }
  const auto health = bed.Client().Health();
  REQUIRE(health.ok());
  CHECK_FALSE(health->ready());
  CHECK(health->reason() == "stopping");
}

TEST_CASE("admin: the socket is private, a stale one is replaced, a live one is not") {
  Bed bed;
  std::filesystem::create_directory(bed.directory + "/run");
  {
    // What a killed agent leaves behind: a bound socket without a listener.
    const sockaddr_un address = AddressOf(bed.socket);
    const int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(stale, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    close(stale);
  }
  auto dead = AdminClient::Connect(bed.socket, std::chrono::seconds(1));
  REQUIRE_FALSE(dead.ok());
  CHECK(dead.error().message().find("nothing is listening") != std::string::npos);

  bed.Open();
  struct stat info {};
  REQUIRE(stat(bed.socket.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  auto second = AdminServer::Open(bed.socket, bed.Backend(), bed.core.log);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().message().find("another process is serving it") != std::string::npos);
  CHECK(bed.Client().Health().ok());

  bed.server.reset();
  CHECK_FALSE(std::filesystem::exists(bed.socket));
  auto gone = AdminClient::Connect(bed.socket, std::chrono::seconds(1));
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().message().find("is the agent running") != std::string::npos);
}

TEST_CASE("admin: a missing directory is created with mode 0700") {
  Bed bed;
  bed.Open();
  struct stat info {};
  REQUIRE(stat((bed.directory + "/run").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("admin: a peer that is neither root nor the agent's user is refused") {
  CHECK(PeerAllowed(0, 1000));
  CHECK(PeerAllowed(1000, 1000));
  CHECK_FALSE(PeerAllowed(1001, 1000));
  CHECK_FALSE(PeerAllowed(1000, 0));
  if (geteuid() != 0) SKIP("only root can change its uid");

  Bed bed;
  bed.Open();
  // Even if the file modes allow it.
  std::filesystem::permissions(bed.directory, std::filesystem::perms(0777));
  std::filesystem::permissions(bed.directory + "/run", std::filesystem::perms(0777));
  std::filesystem::permissions(bed.socket, std::filesystem::perms(0666));
  ssize_t as_nobody = -1;
  std::thread other_user([&] {
    // The bare system call changes this thread only; SO_PEERCRED has its uid.
    if (syscall(SYS_setresuid, -1, 65534, -1) == 0) as_nobody = FirstBytes(bed.socket);
  });
  other_user.join();
  CHECK(as_nobody == 0);              // closed without a byte
  CHECK(FirstBytes(bed.socket) > 0);  // gRPC's greeting
}

TEST_CASE("admin: a call that throws is answered as an internal error without its text") {
  Bed bed;
  Mutex mutex;
  std::vector<std::string> reports;
  AdminBackend backend = bed.Backend();
  backend.state = []() -> AgentState { throw std::runtime_error("canary"); };
  backend.refreshed = [] { throw std::runtime_error("canary"); };
  backend.on_exception = [&](std::string_view thread, std::string_view error) {
    MutexLock lock(mutex);
    reports.push_back(std::string(thread) + ": " + std::string(error));
  };
  auto opened = AdminServer::Open(bed.socket, std::move(backend), bed.core.log);
  REQUIRE(opened.ok());
  bed.server = *std::move(opened);
  const auto is_internal = [](const auto& answer) {
    return !answer.ok() &&
           answer.error().message().find("unexpected exception") != std::string::npos &&
           answer.error().message().find("canary") == std::string::npos;
  };
  CHECK(is_internal(bed.Client().GetStatus()));
  CHECK(is_internal(bed.Client().Health()));
  bed.backend->SetValue("a", "1", "1");
  bed.Mount("one", "a");
  bed.backend->SetValue("a", "2", "2");
  admin::v1::RefreshRequest request;
  request.set_all(true);
  CHECK(is_internal(bed.Client().Refresh(request)));  // on the pool
  CHECK(bed.Client().CacheList().ok());
  bed.server.reset();
  CHECK(reports == std::vector<std::string>{"grpc: canary", "grpc: canary", "admin-pool: canary"});
}

}  // namespace
}  // namespace nodekeep

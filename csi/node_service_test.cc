#include "csi/node_service.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/on_exit.h"
#include "agent/rpc/local_server.h"
#include "tests/fakes/driver_node.h"

namespace nodekeep {
namespace {

using Request = csi::v1::NodePublishVolumeRequest;

constexpr char kTokens[] = "csi.storage.k8s.io/serviceAccount.tokens";

Request RequestOf(const Volume& volume) {
  Request request;
  request.set_volume_id(volume.id);
  request.set_target_path(volume.target_path);
  request.set_readonly(true);
  request.mutable_volume_capability()->mutable_mount();
  for (const auto& [key, value] : volume.attributes) {
    (*request.mutable_volume_context())[key] = value;
  }
  return request;
}

// The service behind a real socket.
struct NodeServer {
  NodeServer() : server(*LocalServer::Start({&service}, {}, node.core.log)) {
    REQUIRE(server->Listen(node.dir / "csi.sock").ok());
    stub = csi::v1::Node::NewStub(
        grpc::CreateChannel("unix:" + (node.dir / "csi.sock"), grpc::InsecureChannelCredentials()));
  }
  ~NodeServer() {
    service.Stop(node.clock.Now());
    server->Shutdown();
  }

  template <typename Call>
  grpc::Status Send(Call call) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return call(context);
  }
  grpc::Status Publish(const Request& request) const {
    csi::v1::NodePublishVolumeResponse ignored;
    return Send(
        [&](auto& context) { return stub->NodePublishVolume(&context, request, &ignored); });
  }
  grpc::Status Unpublish(const std::string& id, const std::string& path) const {
    csi::v1::NodeUnpublishVolumeRequest request;
    request.set_volume_id(id);
    request.set_target_path(path);
    csi::v1::NodeUnpublishVolumeResponse ignored;
    return Send(
        [&](auto& context) { return stub->NodeUnpublishVolume(&context, request, &ignored); });
  }
  grpc::Status Stats(const std::string& id, const std::string& path,
                     csi::v1::NodeGetVolumeStatsResponse& stats) const {
    csi::v1::NodeGetVolumeStatsRequest request;
    request.set_volume_id(id);
    request.set_volume_path(path);
    return Send([&](auto& context) { return stub->NodeGetVolumeStats(&context, request, &stats); });
  }
  ExceptionReporter Reporter() {
    return [this](std::string_view thread, std::string_view error) {
      MutexLock lock(mutex);
      reports.push_back(std::string(thread) + ": " + std::string(error));
    };
  }

  std::vector<std::string> Reports() {
    MutexLock lock(mutex);
    return reports;
  }

  Mutex mutex;
  std::vector<std::string> reports;  // guarded by mutex
  DriverNode node;
  WorkerPool pool{{.name = "mount-pool", .on_exception = Reporter()}};
  NodeService service{{.node_name = "n", .on_exception = Reporter()},
                      node.volumes,
                      node.registry,
                      pool,
                      node.clock};
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<csi::v1::Node::Stub> stub;
};

TEST_CASE("node service: a publish that throws returns INTERNAL, and kubelet's retry succeeds") {
  NodeServer server;
  DriverNode& node = server.node;
  const VolumePtr volume = node.MakeVolume();
  node.mirror.on_converge = [] { throw std::runtime_error("canary"); };
  const grpc::Status thrown = server.Publish(RequestOf(*volume));
  CHECK(thrown.error_code() == grpc::StatusCode::INTERNAL);
  CHECK(thrown.error_message() ==
        "the request failed with an unexpected exception; see the agent's log");
  node.mirror.on_converge = nullptr;
  CHECK(server.Publish(RequestOf(*volume)).ok());
  CHECK(DriverNode::Read(*volume) == "user=alice");

  // A provider that may write itself finds the volume mounted.
  node.classes.Set(DriverNode::Class("foreign", "db", "nobody"));
  const auto foreign = node.MakeVolume("web-2");
  foreign->attributes["secretProviderClass"] = "foreign";
  node.foreign.before_answer = [](const Context&) { throw std::runtime_error("canary"); };
  CHECK(server.Publish(RequestOf(*foreign)).error_code() == grpc::StatusCode::INTERNAL);
  CHECK(node.mounter.mounted() == 1);
  // The pool reports an exception after the call is answered.
  const std::vector<std::string> wanted = {"mount-pool: canary", "mount-pool: canary"};
  const SteadyTime late = SystemClock().Now() + std::chrono::seconds(30);
  while (server.Reports() != wanted && SystemClock().Now() < late) std::this_thread::yield();
  CHECK(server.Reports() == wanted);
}

TEST_CASE("node service: a request without a part that it needs is refused with upstream's text") {
  struct Row {
    std::string name;
    std::function<void(Request&)> change;
    std::string text;
  };
  const Row rows[] = {
      {"capability", [](Request& r) { r.clear_volume_capability(); },
       "Volume capability missing in request"},
      {"id", [](Request& r) { r.clear_volume_id(); }, "Volume ID missing in request"},
      {"target path", [](Request& r) { r.clear_target_path(); }, "Target path missing in request"},
      {"attributes", [](Request& r) { r.clear_volume_context(); },
       "Volume attributes missing in request"},
  };
  NodeServer server;
  for (const Row& row : rows) {
    INFO(row.name);
    Request request = RequestOf(*server.node.MakeVolume());
    row.change(request);
    const grpc::Status refused = server.Publish(request);
    CHECK(refused.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(refused.error_message() == row.text);
  }
  CHECK(server.Unpublish("", "/t").error_message() == "Volume ID missing in request");
  const grpc::Status no_path = server.Unpublish("csi-1", "");
  CHECK(no_path.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(no_path.error_message() == "Target path missing in request");
  csi::v1::NodeGetVolumeStatsResponse stats;
  CHECK(server.Stats("", "/t", stats).error_message() == "Volume ID missing in request");
  const grpc::Status no_volume_path = server.Stats("csi-1", "", stats);
  CHECK(no_volume_path.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(no_volume_path.error_message() == "Volume path missing in request");
}

TEST_CASE("node service: a target path that is not plain is refused, and nothing is touched") {
  NodeServer server;
  DriverNode& node = server.node;
  const VolumePtr volume = node.MakeVolume();
  const std::string secrets = std::filesystem::path(volume->target_path).parent_path();
  // What each path leads to.
  const std::string victim = node.dir / "victim";
  std::filesystem::create_directories(victim);
  std::ofstream(victim + "/file") << "kept";
  const std::string rows[] = {
      secrets + "/../../../../../victim",
      node.dir / "pods/../victim",
      node.dir / "./victim",
      node.dir.path() + "//victim",
      victim + "/",
      victim + "/.",
  };
  for (const std::string& path : rows) {
    INFO(path);
    Request request = RequestOf(*volume);
    request.set_target_path(path);
    const grpc::Status published = server.Publish(request);
    CHECK(published.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(published.error_message().starts_with("target path \"" + path + "\""));
    const grpc::Status unpublished = server.Unpublish(volume->id, path);
    CHECK(unpublished.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(unpublished.error_message().starts_with("target path \"" + path + "\""));
  }
  CHECK(node.mounter.mount_calls() == 0);
  CHECK(node.mounter.clear_calls() == 0);
  CHECK(node.backend->reads() == 0);
  CHECK(node.registry.List().empty());
  CHECK(std::filesystem::exists(victim + "/file"));
}

TEST_CASE("node service: kubelet's request is read completely") {
  DriverNode node;
  const VolumePtr sent = node.MakeVolume();
  Request request = RequestOf(*sent);
  request.mutable_volume_capability()->mutable_mount()->set_volume_mount_group("4711");
  (*request.mutable_volume_context())[kTokens] = "of attributes";
  (*request.mutable_secrets())["clientid"] = "c";
  const Result<VolumePtr> read = ReadPublish(request);
  REQUIRE(read.ok());
  const Volume& volume = **read;
  CHECK(volume.id == sent->id);
  CHECK(volume.target_path == sent->target_path);
  CHECK(volume.class_name == "app");
  CHECK(volume.namespace_name == "shop");
  CHECK(volume.pod == "web-1");
  CHECK(volume.pod_uid == "u-web-1");
  CHECK(volume.service_account == "web");
  CHECK(volume.group == 4711);
  CHECK(volume.read_only);
  CHECK(volume.tokens.Reveal() == "of attributes");
  // The tokens are not among what is sent on or shown.
  CHECK(volume.attributes == sent->attributes);
  REQUIRE(volume.secrets.size() == 1);
  CHECK(volume.secrets.at("clientid").Reveal() == "c");
  CHECK_FALSE(volume.recovered);
  CHECK_FALSE(volume.lacks_secrets);
  request.set_readonly(false);
  CHECK_FALSE((*ReadPublish(request))->read_only);
}

TEST_CASE("node service: tokens in the secrets win over those in the attributes") {
  DriverNode node;
  Request request = RequestOf(*node.MakeVolume());
  (*request.mutable_volume_context())[kTokens] = "of attributes";
  (*request.mutable_secrets())[kTokens] = "of secrets";
  const Result<VolumePtr> read = ReadPublish(request);
  REQUIRE(read.ok());
  CHECK((*read)->tokens.Reveal() == "of secrets");
  CHECK((*read)->secrets.empty());
  CHECK_FALSE((*read)->attributes.contains(kTokens));
}

TEST_CASE("node service: a volume mount group is a whole number, or the request is refused") {
  struct Row {
    std::string text;
    std::optional<gid_t> group;
    bool good;
  };
  const Row rows[] = {{"", std::nullopt, true},
                      {"0", 0, true},
                      {"2000", 2000, true},
                      {"2147483647", 2147483647, true},
                      {"2000x", std::nullopt, false},
                      {"2000 ", std::nullopt, false},
                      {" 2000", std::nullopt, false},
                      {"2000,mode=0777", std::nullopt, false},
                      {"20.5", std::nullopt, false},
                      {"-1", std::nullopt, false},
                      {"0x10", std::nullopt, false},
                      {"4294967296", std::nullopt, false},
                      {"developers", std::nullopt, false}};
  DriverNode node;
  for (const Row& row : rows) {
    INFO(row.text);
    Request request = RequestOf(*node.MakeVolume());
    request.mutable_volume_capability()->mutable_mount()->set_volume_mount_group(row.text);
    const Result<VolumePtr> read = ReadPublish(request);
    REQUIRE(read.ok() == row.good);
    if (row.good) {
      CHECK((*read)->group == row.group);
      continue;
    }
    CHECK(read.error().code() == ErrorCode::kInvalid);
    CHECK(read.error().message() == "volume_mount_group \"" + row.text + "\" is not a group id");
  }
}

TEST_CASE("node service: statistics of a volume have its size, its use and its condition") {
  NodeServer server;
  DriverNode& node = server.node;
  const VolumePtr volume = node.MakeVolume();
  csi::v1::NodeGetVolumeStatsResponse stats;
  const grpc::Status unknown = server.Stats(volume->id, volume->target_path, stats);
  CHECK(unknown.error_code() == grpc::StatusCode::NOT_FOUND);
  // A path that exists is not enough.
  CHECK(server.Stats("csi-1", server.node.dir.path(), stats).error_code() ==
        grpc::StatusCode::NOT_FOUND);
  REQUIRE(server.Publish(RequestOf(*volume)).ok());

  REQUIRE(server.Stats(volume->id, volume->target_path, stats).ok());
  REQUIRE(stats.usage().size() == 2);
  CHECK(stats.usage(0).unit() == csi::v1::VolumeUsage::BYTES);
  CHECK(stats.usage(1).unit() == csi::v1::VolumeUsage::INODES);
  std::error_code failed;
  // Bytes, not blocks. The file system below is that of the temporary directory here.
  CHECK(stats.usage(0).total() ==
        static_cast<std::int64_t>(std::filesystem::space(volume->target_path, failed).capacity));
  CHECK(stats.usage(1).total() >= stats.usage(1).available());
  for (const auto& usage : stats.usage()) {
    CHECK(usage.used() == usage.total() - usage.available());
  }
  CHECK_FALSE(stats.volume_condition().abnormal());
  CHECK(stats.volume_condition().message() == "up to date");

  node.backend->Remove("db");
  node.clock.Advance(std::chrono::minutes(3));
  node.Refresh(volume);
  REQUIRE(server.Stats(volume->id, volume->target_path, stats).ok());
  CHECK(stats.volume_condition().abnormal());
  CHECK(stats.volume_condition().message().starts_with("rotation failing since "));
}

TEST_CASE("node service: kubelet learns the node's name and what the driver can do") {
  NodeServer server;
  csi::v1::NodeGetInfoResponse info;
  REQUIRE(server.Send([&](auto& context) { return server.stub->NodeGetInfo(&context, {}, &info); })
              .ok());
  CHECK(info.node_id() == "n");
  csi::v1::NodeGetCapabilitiesResponse can;
  REQUIRE(
      server
          .Send([&](auto& context) { return server.stub->NodeGetCapabilities(&context, {}, &can); })
          .ok());
  using RPC = csi::v1::NodeServiceCapability::RPC;
  std::set<RPC::Type> types;
  for (const auto& capability : can.capabilities()) types.insert(capability.rpc().type());
  // Without VOLUME_MOUNT_GROUP kubelet would apply fsGroup to a volume that it cannot write.
  CHECK(types ==
        std::set<RPC::Type>{RPC::GET_VOLUME_STATS, RPC::VOLUME_CONDITION, RPC::VOLUME_MOUNT_GROUP});
}

TEST_CASE(
    "node service: while it stops, requests are refused so that kubelet tries the next agent") {
  NodeServer server;
  const VolumePtr volume = server.node.MakeVolume();
  REQUIRE(server.Publish(RequestOf(*volume)).ok());
  server.service.Stop(server.node.clock.Now());
  const auto other = server.node.MakeVolume("web-2");
  CHECK(server.Publish(RequestOf(*other)).error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(server.Unpublish(volume->id, volume->target_path).error_code() ==
        grpc::StatusCode::UNAVAILABLE);
  CHECK(server.node.mounter.mounted() == 1);
}

TEST_CASE("node service: neither a repeated publish nor an unpublish waits for a full pool") {
  NodeServer server;
  DriverNode& node = server.node;
  const VolumePtr mounted = node.MakeVolume("web-0");
  REQUIRE(server.Publish(RequestOf(*mounted)).ok());
  node.backend->Close();
  std::vector<std::jthread> waiting;
  const OnExit open([&] { node.backend->Open(); });
  WorkerPool small({.max_threads = 1});
  NodeService service({.node_name = "n"}, node.volumes, node.registry, small, node.clock);
  auto busy = LocalServer::Start({&service}, {}, node.core.log);
  REQUIRE(busy.ok());
  REQUIRE((*busy)->Listen(node.dir / "busy.sock").ok());
  const auto stub = csi::v1::Node::NewStub(
      grpc::CreateChannel("unix:" + (node.dir / "busy.sock"), grpc::InsecureChannelCredentials()));
  waiting.emplace_back([&] {
    csi::v1::NodePublishVolumeResponse ignored;
    (void)server.Send([&](auto& context) {
      return stub->NodePublishVolume(&context, RequestOf(*node.MakeVolume("web-1")), &ignored);
    });
  });
  REQUIRE(node.backend->AwaitWaiting(1));
  csi::v1::NodePublishVolumeResponse answer;
  CHECK(server
            .Send([&](auto& context) {
              return stub->NodePublishVolume(&context, RequestOf(*mounted), &answer);
            })
            .ok());
  csi::v1::NodeUnpublishVolumeRequest request;
  request.set_volume_id(mounted->id);
  request.set_target_path(mounted->target_path);
  csi::v1::NodeUnpublishVolumeResponse ignored;
  CHECK(server
            .Send([&](auto& context) {
              return stub->NodeUnpublishVolume(&context, request, &ignored);
            })
            .ok());
  CHECK_FALSE(std::filesystem::exists(mounted->target_path));
  node.backend->Open();
  waiting.clear();
  service.Stop(node.clock.Now());
  (*busy)->Shutdown();
}

}  // namespace
}  // namespace nodekeep

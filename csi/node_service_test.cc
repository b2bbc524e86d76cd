#include "csi/node_service.h"

#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/rpc/local_server.h"
#include "tests/fakes/driver_node.h"

namespace nodekeep {
namespace {

csi::v1::NodePublishVolumeRequest RequestOf(const Volume& volume) {
  csi::v1::NodePublishVolumeRequest request;
  request.set_volume_id(volume.id);
  request.set_target_path(volume.target_path);
  request.set_readonly(true);
  request.mutable_volume_capability()->mutable_mount();
  for (const auto& [key, value] : volume.attributes) {
    (*request.mutable_volume_context())[key] = value;
  }
  return request;
}

TEST_CASE("node service: a publish that throws returns INTERNAL, and kubelet's retry succeeds") {
  DriverNode node;
  Mutex mutex;
  std::vector<std::string> reports;
  const ExceptionReporter report = [&](std::string_view thread, std::string_view error) {
    MutexLock lock(mutex);
    reports.push_back(std::string(thread) + ": " + std::string(error));
  };
  {
    WorkerPool pool({.name = "mount-pool", .on_exception = report});
    NodeService service({.node_name = "n", .on_exception = report}, node.volumes, node.registry,
                        pool, node.clock);
    auto server = LocalServer::Start({&service}, {}, node.core.log);
    REQUIRE(server.ok());
    REQUIRE((*server)->Listen(node.dir / "csi.sock").ok());
    const auto stub = csi::v1::Node::NewStub(
        grpc::CreateChannel("unix:" + (node.dir / "csi.sock"), grpc::InsecureChannelCredentials()));
    const VolumePtr volume = node.MakeVolume();
    const auto publish = [&](const Volume& each) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
      csi::v1::NodePublishVolumeResponse ignored;
      return stub->NodePublishVolume(&context, RequestOf(each), &ignored);
    };
    node.mirror.on_converge = [] { throw std::runtime_error("canary"); };
    const grpc::Status thrown = publish(*volume);
    CHECK(thrown.error_code() == grpc::StatusCode::INTERNAL);
    CHECK(thrown.error_message() ==
          "the request failed with an unexpected exception; see the agent's log");
    node.mirror.on_converge = nullptr;
    CHECK(publish(*volume).ok());
    CHECK(DriverNode::Read(*volume) == "user=alice");

    // A provider that may write itself finds the volume mounted.
    node.classes.Set(DriverNode::Class("foreign", "db", "nobody"));
    const auto foreign = node.MakeVolume("web-2");
    foreign->attributes["secretProviderClass"] = "foreign";
    node.foreign.before_answer = [](const Context&) { throw std::runtime_error("canary"); };
    CHECK(publish(*foreign).error_code() == grpc::StatusCode::INTERNAL);
    CHECK(node.mounter.mounted() == 1);
    service.Stop(node.clock.Now());
    (*server)->Shutdown();
  }
  CHECK(reports == std::vector<std::string>{"mount-pool: canary", "mount-pool: canary"});
}

}  // namespace
}  // namespace nodekeep

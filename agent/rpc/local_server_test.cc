#include "agent/rpc/local_server.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/rpc/status.h"
#include "proto/admin.grpc.pb.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

class Service final : public admin::v1::Admin::CallbackService {
 public:
  grpc::ServerUnaryReactor* Refresh(grpc::CallbackServerContext* context,
                                    const admin::v1::RefreshRequest*,
                                    admin::v1::RefreshResponse*) override {
    return FinishNow(context, grpc::Status::OK);
  }
};

struct Served {
  explicit Served(LocalServer::Options options = {})
      : server(*LocalServer::Start({&service}, std::move(options), log)) {}

  std::unique_ptr<admin::v1::Admin::Stub> Connect(const std::string& path) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return admin::v1::Admin::NewStub(
        grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments));
  }
  static grpc::Status Call(admin::v1::Admin::Stub& stub, std::size_t bytes = 1) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    admin::v1::RefreshRequest request;
    request.set_ref_glob(std::string(bytes, 'x'));
    admin::v1::RefreshResponse response;
    return stub.Refresh(&context, request, &response);
  }

  Logger log{LogLevel::kOff, LogFormat::kJson};
  TempDir dir;
  Service service;
  std::unique_ptr<LocalServer> server;
};

}  // namespace

TEST_CASE("local server: serves at each of its paths") {
  Served served;
  const std::vector<std::string> paths = {served.dir / "a.sock", served.dir / "sub/b.sock"};
  for (const std::string& path : paths) REQUIRE(served.server->Listen(path).ok());
  CHECK(served.server->paths() == paths);
  for (const std::string& path : paths) CHECK(Served::Call(*served.Connect(path)).ok());
}

TEST_CASE("local server: StopListening removes the sockets, open connections are still served") {
  Served served;
  const std::string path = served.dir / "a.sock";
  REQUIRE(served.server->Listen(path).ok());
  const auto stub = served.Connect(path);
  REQUIRE(Served::Call(*stub).ok());
  served.server->StopListening();
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(served.server->paths().empty());
  CHECK(Served::Call(*stub).ok());
  served.server->Shutdown();
  CHECK(Served::Call(*stub).error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("local server: a request over the limit is refused before it reaches the service") {
  Served served({.max_request_bytes = 1000});
  const std::string path = served.dir / "a.sock";
  REQUIRE(served.server->Listen(path).ok());
  const auto stub = served.Connect(path);
  CHECK(Served::Call(*stub, 900).ok());
  CHECK(Served::Call(*stub, 1000).error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace nodekeep

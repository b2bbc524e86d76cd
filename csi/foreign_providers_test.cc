#include "csi/foreign_providers.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <semaphore>
#include <thread>

#include "agent/base/mutex.h"
#include "agent/rpc/local_server.h"
#include "csi/reply_limit.h"
#include "proto/provider.grpc.pb.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

// A provider that is not built in: replies as the test sets, and records the requests.
class ExternalProvider final : public v1alpha1::CSIDriverProvider::Service {
 public:
  grpc::Status Mount(grpc::ServerContext* context, const v1alpha1::MountRequest* request,
                     v1alpha1::MountResponse* response) override {
    if (hold != nullptr) {
      held.release();
      hold->acquire();
    }
    ++asked;
    {
      MutexLock lock(mutex);
      seen = *request;
    }
    *response = answer;
    return status;
  }

  Mutex mutex;
  v1alpha1::MountRequest seen;
  std::atomic<int> asked = 0;
  v1alpha1::MountResponse answer;
  grpc::Status status;
  std::binary_semaphore* hold = nullptr;  // replies once it is released; null = at once
  std::binary_semaphore held{0};          // released when a request waits for `hold`
};

struct Bench {
  Bench() {
    answer_ok();
    spc.namespace_name = "shop";
    spc.name = "app";
    spc.provider = "aws";
    spc.parameters = {{"objects", "<&>"}, {"region", "eu"}};
    volume.target_path = "/pods/u/volumes/kubernetes.io~csi/s/mount";
    volume.attributes = {{"region", "us"}, {"csi.storage.k8s.io/pod.name", "web"}};
  }
  void answer_ok() {
    external.answer.Clear();
    auto* version = external.answer.add_object_version();
    version->set_id("db");
    version->set_version("v1");
    auto* file = external.answer.add_files();
    file->set_path("db");
    file->set_mode(0400);
    file->set_contents("secret");
  }
  void Serve(const std::string& directory) {
    server = *LocalServer::Start({&external}, {}, log);
    REQUIRE(server->Listen(directory + "/aws.sock").ok());
  }
  Fetched Fetch(const std::vector<ObjectVersion>& known = {}) {
    return providers.Fetch(Context(), spc, volume, &known);
  }

  SystemClock clock;
  Logger log{LogLevel::kOff, LogFormat::kJson};
  TempDir dir;
  ExternalProvider external;
  std::unique_ptr<LocalServer> server;
  SecretProviderClass spc;
  Volume volume;
  ForeignProviders providers{
      {.directories = {dir / "old", dir / "new"}, .budget = std::chrono::seconds(5)}, clock};
};

}  // namespace

TEST_CASE("foreign provider: the request equals upstream's, and the files of the reply are used") {
  Bench bench;
  bench.Serve(bench.dir / "new");
  bench.volume.tokens = SecretBytes(R"({"":{"token":"t"}})");
  const Fetched fetched = bench.Fetch({{"db", "v0"}});
  REQUIRE(fetched.content.ok());
  CHECK(bench.external.seen.attributes() ==
        R"({"csi.storage.k8s.io/pod.name":"web",)"
        R"("csi.storage.k8s.io/serviceAccount.tokens":"{\"\":{\"token\":\"t\"}}",)"
        R"("objects":"\u003c\u0026\u003e","region":"us"})");
  CHECK(bench.external.seen.secrets() == "null");
  CHECK(bench.external.seen.permission() == "420");
  CHECK(bench.external.seen.target_path() == bench.volume.target_path);
  REQUIRE(bench.external.seen.current_object_version().size() == 1);
  CHECK(bench.external.seen.current_object_version(0).version() == "v0");
  const Bundle& bundle = fetched.content->bundle;
  REQUIRE(bundle.files.size() == 1);
  CHECK(bundle.files[0].path == "db");
  CHECK(bundle.files[0].mode == 0400);
  CHECK(bundle.files[0].contents.Reveal() == "secret");
  CHECK(bundle.versions.at(0).version == "v1");
  CHECK_FALSE(fetched.content->untouched);
}

TEST_CASE("foreign provider: secrets of nodePublishSecretRef are sent as a JSON object") {
  Bench bench;
  bench.Serve(bench.dir / "new");
  bench.volume.secrets["key"] = SecretBytes("a\"b");
  REQUIRE(bench.Fetch().content.ok());
  CHECK(bench.external.seen.secrets() == R"({"key":"a\"b"})");
}

TEST_CASE("foreign provider: each failure has upstream's text and metric label") {
  struct Row {
    std::string name;
    std::function<void(Bench&)> breaks;
    std::string text;
    std::string type;
    ErrorCode code;
  };
  const Row rows[] = {
      {"not there", [](Bench& b) { b.spc.provider = "gcp"; },
       "provider not found: provider \"gcp\"", "", ErrorCode::kPrecondition},
      {"bad name", [](Bench& b) { b.spc.provider = "bad/provider/name"; },
       "invalid provider: provider \"bad/provider/name\"", "", ErrorCode::kInvalid},
      {"its own status",
       [](Bench& b) {
         b.external.status = {grpc::StatusCode::PERMISSION_DENIED, "no role"};
       },
       "no role", "GRPCProviderError", ErrorCode::kDenied},
      {"its own code",
       [](Bench& b) { b.external.answer.mutable_error()->set_code("AuthenticationFailed"); },
       "mount request failed with provider error code AuthenticationFailed", "AuthenticationFailed",
       ErrorCode::kPrecondition},
      {"no versions", [](Bench& b) { b.external.answer.clear_object_version(); },
       "missing object versions", "GRPCProviderError", ErrorCode::kInternal},
      {"too large",
       [](Bench& b) {
         b.external.answer.mutable_files(0)->set_contents(std::string(kMaxReplyBytes, 'x'));
       },
       "larger than max", "GRPCProviderError", ErrorCode::kTooLarge},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Bench bench;
    bench.Serve(bench.dir / "new");
    row.breaks(bench);
    const Fetched fetched = bench.Fetch();
    REQUIRE_FALSE(fetched.content.ok());
    INFO(fetched.content.error().message());
    CHECK(fetched.content.error().message().find(row.text) != std::string::npos);
    CHECK(fetched.content.error().code() == row.code);
    CHECK(fetched.failure_type == row.type);
  }
}

TEST_CASE("foreign provider: a reply without files leaves the volume untouched") {
  Bench bench;
  bench.Serve(bench.dir / "new");
  bench.external.answer.clear_files();
  const Fetched fetched = bench.Fetch();
  REQUIRE(fetched.content.ok());
  CHECK(fetched.content->untouched);
}

// Neither is so in the upstream driver (docs/protocol/csi-driver.md,
// "Pinned sockets and the health check").
TEST_CASE("foreign provider: one that moves its socket is found again") {
  Bench bench;
  bench.Serve(bench.dir / "new");
  REQUIRE(bench.Fetch().content.ok());
  bench.server.reset();
  CHECK(bench.Fetch().content.error().message().find("provider not found") != std::string::npos);
  bench.Serve(bench.dir / "old");
  CHECK(bench.Fetch().content.ok());
  bench.server.reset();
  bench.Serve(bench.dir / "old");
  CHECK(bench.Fetch().content.ok());
}

TEST_CASE("foreign provider: one that hangs holds up no other") {
  Bench bench;
  std::binary_semaphore hold{0};
  bench.external.hold = &hold;
  bench.Serve(bench.dir / "new");
  std::optional<Fetched> of_hanging;
  std::thread waiting([&] { of_hanging = bench.Fetch(); });
  bench.external.held.acquire();

  ExternalProvider other;
  other.answer = bench.external.answer;
  auto server = *LocalServer::Start({&other}, {}, bench.log);
  CHECK(server->Listen(bench.dir / "new/gcp.sock").ok());
  SecretProviderClass spc = bench.spc;
  spc.provider = "gcp";
  CHECK(bench.providers.Fetch(Context(), spc, bench.volume, {}).content.ok());

  hold.release();
  waiting.join();
  CHECK(of_hanging->content.ok());
}

TEST_CASE("foreign provider: UNAVAILABLE is retried at most once") {
  Bench bench;
  bench.Serve(bench.dir / "new");
  bench.external.status = {grpc::StatusCode::UNAVAILABLE, "later"};
  CHECK(bench.Fetch().content.error().message().starts_with("later"));
  CHECK(bench.external.asked == 1);
  bench.external.status = grpc::Status::OK;
  REQUIRE(bench.Fetch().content.ok());
  CHECK(bench.external.asked == 2);
  bench.external.status = {grpc::StatusCode::UNAVAILABLE, "later"};
  CHECK_FALSE(bench.Fetch().content.ok());
  CHECK(bench.external.asked == 4);
}

TEST_CASE("foreign provider: concurrent calls retry UNAVAILABLE at most once each") {
  Bench bench;
  bench.Serve(bench.dir / "new");
  REQUIRE(bench.Fetch().content.ok());
  bench.external.status = {grpc::StatusCode::UNAVAILABLE, "later"};
  constexpr int kCallers = 8;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) callers.emplace_back([&] { (void)bench.Fetch(); });
  }
  CHECK(bench.external.asked <= 1 + 2 * kCallers);
}

TEST_CASE(
    "foreign provider: a socket without a server is an error within the budget that names it") {
  Bench bench;
  ForeignProviders hasty(
      {.directories = {bench.dir / "new"}, .budget = std::chrono::milliseconds(200)}, bench.clock);
  bench.dir.Write("new/aws.sock", "");  // stat finds it, but nothing listens
  const Fetched fetched = hasty.Fetch(Context(), bench.spc, bench.volume, {});
  REQUIRE_FALSE(fetched.content.ok());
  CHECK(fetched.content.error().code() == ErrorCode::kDeadlineExceeded);
  CHECK(fetched.content.error().message().find(
            "check that provider \"aws\" runs on this node and serves ") != std::string::npos);
}

}  // namespace nodekeep

#include "csi/provider_service.h"

#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/rpc/local_server.h"
#include "csi/csi_status.h"
#include "tests/fakes/core.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/together.h"

namespace nodekeep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kAttributes[] =
    R"({"objects":"app/db#user,app/db#password,cert","mountError":"error making mount request",)"
    R"("csi.storage.k8s.io/pod.name":"web-1","csi.storage.k8s.io/pod.namespace":"shop",)"
    R"("csi.storage.k8s.io/pod.uid":"u1","csi.storage.k8s.io/serviceAccount.name":"web"})";

std::string AttributesFor(const std::string& objects, const std::string& pod = "web-1") {
  return R"({"objects":")" + objects + R"(","csi.storage.k8s.io/pod.name":")" + pod +
         R"(","csi.storage.k8s.io/pod.namespace":"shop","csi.storage.k8s.io/pod.uid":"u-)" + pod +
         R"(","csi.storage.k8s.io/serviceAccount.name":"web"})";
}

// The provider server of a fake backend, served by a real gRPC server behind a real socket.
struct Server {
  explicit Server(const std::string& name = "fake", Duration budget = seconds(90),
                  std::size_t max_reply_bytes = kMaxReplyBytes)
      : driver_limit(max_reply_bytes),
        service({.provider = name,
                 .runtime_name = name + "-csi-provider",
                 .version = "1.2.3",
                 .budget = budget,
                 .max_reply_bytes = max_reply_bytes,
                 .on_exception = Reporter()},
                mounts, pool, clock),
        server(*LocalServer::Start({&service}, {}, core.log)) {
    REQUIRE(server->Listen(dir / "fake.sock").ok());
    backend->SetValue("app/db", "user=alice\npassword=pw");
    backend->SetValue("cert", "PEM");
  }
  ~Server() {
    backend->Open();
    service.StopAccepting();
    server->StopListening();
    service.Drain(clock.Now());
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& authority = "localhost") const {
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(static_cast<int>(driver_limit));
    return grpc::CreateCustomChannel("unix:" + (dir / "fake.sock"),
                                     grpc::InsecureChannelCredentials(), arguments);
  }
  grpc::Status Mount(const v1alpha1::MountRequest& request,
                     v1alpha1::MountResponse* reply = nullptr,
                     milliseconds deadline = seconds(60)) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    v1alpha1::MountResponse ignored;
    return v1alpha1::CSIDriverProvider::NewStub(Channel())
        ->Mount(&context, request, reply != nullptr ? reply : &ignored);
  }
  grpc::Status Mount(const std::string& attributes,
                     v1alpha1::MountResponse* reply = nullptr) const {
    v1alpha1::MountRequest request;
    request.set_attributes(attributes);
    request.set_permission("420");
    request.set_target_path("/pods/u1/volumes/x/mount");
    return Mount(request, reply);
  }
  // Of the latest mount.
  std::string Outcome() const {
    const std::vector<MountRecord> records = ledger.List();
    return records.empty() ? "" : records.front().outcome;
  }

  std::shared_ptr<const Provider> Find() const {
    if (defect) throw std::runtime_error("canary");
    return std::make_shared<const Provider>(ProviderOf(backend));
  }
  ExceptionReporter Reporter() {
    return [this](std::string_view thread, std::string_view error) {
      MutexLock lock(mutex);
      reports.push_back(std::string(thread) + ": " + std::string(error));
    };
  }

  const std::size_t driver_limit;  // of the driver's --max-call-recv-msg-size
  SystemClock clock;
  std::atomic<bool> defect = false;
  Mutex mutex;
  std::vector<std::string> reports;  // guarded by mutex
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Core core{clock, {.retry = {.attempts = 1}}};
  MountLedger ledger{clock};
  MountService mounts{
      {.version_key = SecretBytes("the version key of the tests"), .tokens = nullptr},
      {.providers = [this](const std::string&) { return Find(); },
       .fetcher = core.fetcher,
       .ledger = ledger,
       .clock = clock,
       .log = core.log,
       .metrics = core.mount_metrics,
       .class_bytes = core.class_bytes,
       .answer_bytes = core.answer_bytes}};
  WorkerPool pool{{.on_exception = Reporter()}};
  TempDir dir;
  ProviderService service;
  std::unique_ptr<LocalServer> server;
};

}  // namespace

TEST_CASE("provider server: Version reports the runtime name and the agent's version") {
  Server server("vault");
  grpc::ClientContext context;
  v1alpha1::VersionRequest request;
  request.set_version("v1alpha1");
  v1alpha1::VersionResponse reply;
  REQUIRE(v1alpha1::CSIDriverProvider::NewStub(server.Channel())
              ->Version(&context, request, &reply)
              .ok());
  CHECK(reply.version() == "v1alpha1");
  CHECK(reply.runtime_name() == "vault-csi-provider");
  CHECK(reply.runtime_version() == "1.2.3");
}

TEST_CASE("provider server: a mount that throws returns INTERNAL, and the next one succeeds") {
  struct Row {
    std::string name, padding, thread;
  };
  const Row rows[] = {
      {"on gRPC's thread", "", "grpc"},
      {"on the pool, where large requests go", std::string(80 << 10, ' '), "worker"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Server server;
    server.defect = true;
    const grpc::Status status = server.Mount(kAttributes + row.padding);
    CHECK(status.error_code() == grpc::StatusCode::INTERNAL);
    CHECK(status.error_message() ==
          "the request failed with an unexpected exception; see the agent's log");
    server.defect = false;
    CHECK(server.Mount(kAttributes + row.padding).ok());
    MutexLock lock(server.mutex);
    CHECK(server.reports == std::vector<std::string>{row.thread + ": canary"});
  }
}

TEST_CASE(
    "provider server: a mount returns complete files with modes and versions, in list order") {
  Server server;
  v1alpha1::MountResponse reply;
  REQUIRE(server.Mount(kAttributes, &reply).ok());
  REQUIRE(reply.files_size() == 3);
  CHECK(reply.files(0).path() == "app-db.user");
  CHECK(reply.files(0).contents() == "alice");
  CHECK(reply.files(0).mode() == 0644);
  CHECK(reply.files(1).contents() == "pw");
  CHECK(reply.files(2).path() == "cert");
  REQUIRE(reply.object_version_size() == 3);
  CHECK(reply.object_version(0).id() == "app/db#user");
  CHECK(!reply.object_version(0).version().empty());
  CHECK(reply.error().code().empty());
  CHECK(server.Outcome() == "ok");

  // Again, from memory: the same bytes, no call.
  v1alpha1::MountResponse again;
  REQUIRE(server.Mount(kAttributes, &again).ok());
  CHECK(again.SerializeAsString() == reply.SerializeAsString());
  CHECK(server.backend->reads() == 2);
}

TEST_CASE("provider server: the first mount of a volume is read, a repeated one is not") {
  struct Row {
    std::string name;
    std::string volume;   // of the same pod, whose volumes share what is cached
    bool fails_before;    // its first mount
    bool versions;        // a rotation of a driver that sends them
    std::string padding;  // large requests are parsed on the pool
    std::string want;
  };
  const Row rows[] = {
      {"another volume", "second", false, false, "", "new"},
      {"the same, a large request", "second", false, false, std::string(80 << 10, ' '), "new"},
      {"the volume again: a rotation of drivers from v1.6 on", "first", false, false, "", "old"},
      {"a rotation after a restart of the agent", "second", false, true, "", "old"},
      {"the volume again after a failure", "second", true, false, "", "new"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Server server;
    server.backend->SetValue("a", "old");
    v1alpha1::MountRequest request;
    request.set_attributes(AttributesFor(R"(a","nodekeep/maxAgeAtStart":"0s)") + row.padding);
    request.set_permission("420");
    request.set_target_path("/pods/u1/volumes/first/mount");
    v1alpha1::MountResponse reply;
    REQUIRE(server.Mount(request, &reply).ok());
    request.set_target_path("/pods/u1/volumes/" + row.volume + "/mount");
    if (row.fails_before) {
      server.backend->FailReads("a", {Error(ErrorCode::kInvalid, "400")});
      REQUIRE_FALSE(server.Mount(request, &reply).ok());
    }
    server.backend->SetValue("a", "new");
    if (row.versions) request.add_current_object_version()->set_id("a");
    REQUIRE(server.Mount(request, &reply).ok());
    CHECK(reply.files(0).contents() == row.want);
  }
}

TEST_CASE("provider server: a mount whose objects are all optional and absent has a version") {
  Server server;
  v1alpha1::MountResponse reply;
  REQUIRE(server.Mount(R"({"objects":"gone","nodekeep/optional":"*"})", &reply).ok());
  CHECK(reply.files_size() == 0);
  CHECK(reply.object_version_size() == 1);
}

TEST_CASE("provider server: three encodings of no secrets are accepted") {
  Server server;
  for (const char* secrets : {"", "null", "{}", R"({"unused":"x"})"}) {
    INFO("secrets: " << secrets);
    v1alpha1::MountRequest request;
    request.set_attributes(kAttributes);
    request.set_secrets(secrets);
    request.set_permission("420");
    request.set_target_path("/pods/u1/volumes/x/mount");
    v1alpha1::MountResponse reply;
    REQUIRE(server.Mount(request, &reply).ok());
    CHECK(reply.files_size() == 3);
  }
}

TEST_CASE(
    "provider server: a backend failure has a final code and begins with the greppable text") {
  struct Row {
    std::string name;
    ErrorCode code;
    grpc::StatusCode want;
  };
  const Row rows[] = {
      {"not found", ErrorCode::kNotFound, grpc::StatusCode::NOT_FOUND},
      {"denied", ErrorCode::kDenied, grpc::StatusCode::PERMISSION_DENIED},
      {"token expired", ErrorCode::kAuthExpired, grpc::StatusCode::UNAUTHENTICATED},
      {"wrong request", ErrorCode::kInvalid, grpc::StatusCode::INVALID_ARGUMENT},
      {"throttled", ErrorCode::kThrottled, grpc::StatusCode::FAILED_PRECONDITION},
      {"backend down", ErrorCode::kTransient, grpc::StatusCode::FAILED_PRECONDITION},
      {"conflict", ErrorCode::kConflict, grpc::StatusCode::FAILED_PRECONDITION},
      {"sealed", ErrorCode::kPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
      {"backend slow", ErrorCode::kDeadlineExceeded, grpc::StatusCode::FAILED_PRECONDITION},
      {"defect", ErrorCode::kInternal, grpc::StatusCode::INTERNAL},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Server server;
    server.backend->FailAlways("cert", Error(row.code, "the backend's own words"));
    const grpc::Status status = server.Mount(kAttributes);
    CHECK(status.error_code() == row.want);
    CHECK(status.error_message() == "error making mount request: the backend's own words");
    CHECK(server.Outcome() == ErrorCodeName(row.code));
  }
}

TEST_CASE("provider server: no mount error has a code that lets a pod start with an empty volume") {
  // docs/protocol/csi-provider.md, "Status codes of a first mount". CANCELLED goes to a caller that
  // is gone, UNAVAILABLE out only while stopping.
  const std::set<grpc::StatusCode> never = {
      grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::RESOURCE_EXHAUSTED,
      grpc::StatusCode::ABORTED, grpc::StatusCode::OK, grpc::StatusCode::UNKNOWN};
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const auto error = static_cast<ErrorCode>(code);
    INFO(ErrorCodeName(error));
    CHECK(!never.contains(CsiCodeOf(error)));
    CHECK((CsiCodeOf(error) == grpc::StatusCode::UNAVAILABLE) ==
          (error == ErrorCode::kShuttingDown));
    CHECK((CsiCodeOf(error) == grpc::StatusCode::CANCELLED) == (error == ErrorCode::kCancelled));
  }
}

TEST_CASE("provider server: a reply over 4 MiB is refused with the names of the largest objects") {
  Server server;
  const std::size_t sizes[] = {100, 3'000'000, 700'000, 900'000, 5};
  std::string objects;
  for (std::size_t size : sizes) {
    const std::string name = "o" + std::to_string(size);
    server.backend->SetValue(name, std::string(size, 'x'));
    objects += (objects.empty() ? "" : ",") + name;
  }
  const grpc::Status status = server.Mount(AttributesFor(objects));
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message() ==
        "the volume would be 4600105 bytes, the driver accepts 4194304; largest objects: "
        "\"o3000000\" (3000000 bytes), \"o900000\" (900000 bytes), \"o700000\" (700000 bytes); "
        "split them over several SecretProviderClasses, or raise the driver's "
        "--max-call-recv-msg-size and then providerDoor.maxReplyBytes");
}

TEST_CASE("provider server: a raised limit holds for a driver whose own limit was raised too") {
  Server server("fake", seconds(90), 6u << 20);
  server.backend->SetValue("big", std::string(3u << 20, 'x'));
  server.backend->SetValue("big-2", std::string(2u << 20, 'y'));
  server.backend->SetValue("big-3", std::string(1u << 20, 'z'));
  v1alpha1::MountResponse reply;
  const grpc::Status status = server.Mount(AttributesFor("big,big-2"), &reply);
  REQUIRE(status.ok());
  REQUIRE(reply.files_size() == 2);
  CHECK(reply.files(0).contents().size() == 3u << 20);
  CHECK(reply.files(1).contents().size() == 2u << 20);
  const grpc::Status refused = server.Mount(AttributesFor("big,big-2,big-3"));
  CHECK(refused.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(refused.error_message().find("the driver accepts 6291456;") != std::string::npos);
}

TEST_CASE("provider server: the size limit applies to the whole reply") {
  struct Row {
    std::string name;
    std::size_t contents;
    bool fits;
  };
  const Row rows[] = {{"just fits", kMaxReplyBytes - 128, true},
                      {"contents fit, the reply does not", kMaxReplyBytes - 4, false},
                      {"5 MiB in one object", 5u << 20, false}};
  for (const Row& row : rows) {
    INFO(row.name);
    Server server;
    server.backend->SetValue("big", std::string(row.contents, 'x'));
    v1alpha1::MountResponse reply;
    const grpc::Status status = server.Mount(AttributesFor("big"), &reply);
    CHECK(status.ok() == row.fits);
    CHECK(reply.files_size() == (row.fits ? 1 : 0));
    for (const auto& file : reply.files()) CHECK(file.contents().size() == row.contents);
  }
}

TEST_CASE("provider server: any authority is accepted") {
  const char* rows[] = {"localhost", "%2Fvar%2Frun%2Fx.sock", "", "vault.sock",
                        "/etc/kubernetes/secrets-store-csi-providers/vault.sock", "a:b:c"};
  Server server;
  for (const char* authority : rows) {
    INFO("authority: " << authority);
    grpc::ClientContext context;
    if (*authority != '\0') context.set_authority(authority);
    v1alpha1::MountRequest request;
    request.set_attributes(kAttributes);
    request.set_permission("420");
    request.set_target_path("/pods/u1/volumes/x/mount");
    v1alpha1::MountResponse reply;
    const grpc::Status status =
        v1alpha1::CSIDriverProvider::NewStub(server.Channel())->Mount(&context, request, &reply);
    INFO(status.error_message());
    CHECK(status.ok());
  }
}

TEST_CASE(
    "provider server: malformed attributes are an error that names the fault, never a crash") {
  struct Row {
    std::string name, attributes, want;
  };
  const Row rows[] = {
      {"empty", "", "failed to unmarshal attributes: unexpected end of JSON input"},
      {"broken off", R"({"objects":"a)", "failed to unmarshal attributes"},
      {"a list", "[]", "failed to unmarshal attributes"},
      {"a number as value", R"({"objects":1})", "objects"},
      {"null", "null", "objects"},
      {"no objects", "{}", "objects"},
      {"two values", "{}{}", "failed to unmarshal attributes"},
      {"nested without end", std::string(100'000, '['), "failed to unmarshal attributes"},
      {"a lone surrogate", R"({"objects":"\ud800"})", "failed to unmarshal attributes"},
      {"a raw NUL", std::string("{\"objects\":\"a\0b\"}", 17), "failed to unmarshal attributes"},
      {"an unknown reserved key", R"({"objects":"a","nodekeep/refreshAftr":"1s"})",
       "nodekeep/refreshAftr"},
      {"tokens that are not JSON",
       R"({"objects":"cert","csi.storage.k8s.io/serviceAccount.tokens":"hunter2"})",
       "failed to unmarshal service account tokens"},
  };
  Server server;
  for (const Row& row : rows) {
    INFO(row.name);
    const grpc::Status status = server.Mount(row.attributes);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    INFO(status.error_message());
    CHECK(status.error_message().find(row.want) != std::string::npos);
    CHECK(status.error_message().find("hunter2") == std::string::npos);
  }
  CHECK(server.Mount(kAttributes).ok());
}

TEST_CASE("provider server: malformed secrets are refused without being quoted") {
  Server server;
  for (const char* secrets : {"hunter2", R"({"password":"hunter2)", R"(["hunter2"])"}) {
    v1alpha1::MountRequest request;
    request.set_attributes(kAttributes);
    request.set_permission("420");
    request.set_target_path("/pods/u1/volumes/x/mount");
    request.set_secrets(secrets);
    const grpc::Status status = server.Mount(request);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(status.error_message().starts_with("failed to unmarshal secrets"));
    CHECK(status.error_message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("provider server: names with NUL bytes or invalid UTF-8 are answered") {
  Server server;
  const std::string rows[] = {
      R"({"objects":"a\u0000b"})",
      "{\"objects\":\"a\xff\xfe\"}",
      "\xff\xfe\xfd",
      std::string("\0", 1),
  };
  for (const std::string& attributes : rows) {
    const grpc::Status status = server.Mount(attributes);
    INFO(status.error_message());
    CHECK(!status.ok());
    CHECK(status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  CHECK(server.Mount(kAttributes).ok());
}

TEST_CASE("provider server: bytes that are not a message are answered") {
  Server server;
  const auto channel = server.Channel();
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff"), std::string(3, '\0'), std::string("\x0a\xff\x01x", 4)}) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    auto call = stub.PrepareUnaryCall(&context, "/v1alpha1.CSIDriverProvider/Mount", request, &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    REQUIRE(queue.Next(&tag, &ok));
    CHECK(!status.ok());
  }
  CHECK(server.Mount(kAttributes).ok());
}

TEST_CASE("provider server: 10,000 objects are answered completely or with one error") {
  Server server;
  std::string objects, lines;
  for (int i = 0; i < 10'000; ++i) {
    objects += (i == 0 ? "many#k" : ",many#k") + std::to_string(i);
    if (i < 100) lines += "k" + std::to_string(i) + "=v\n";
  }
  server.backend->SetValue("many", lines);
  const grpc::Status status = server.Mount(AttributesFor(objects));
  CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(status.error_message() == "key \"k100\" does not exist");

  std::string distinct = "o0";
  for (int i = 0; i < 10'000; ++i) {
    server.backend->SetValue("o" + std::to_string(i), "v");
    if (i > 0) distinct += ",o" + std::to_string(i);
  }
  v1alpha1::MountResponse reply;
  REQUIRE(server.Mount(AttributesFor(distinct), &reply).ok());
  CHECK(reply.files_size() == 10'000);
  CHECK(server.backend->batches() == 2);
}

TEST_CASE("provider server: a long error is truncated to a size that every client accepts") {
  struct Row {
    std::string filler, sent;
  };
  const Row rows[] = {
      {"plain words ", "plain words "},
      {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
      {"100%", "100\\x25"},
  };
  for (const auto& [filler, sent] : rows) {
    INFO(filler);
    Server server;
    std::string words = "the start: ";
    while (words.size() < 50'000) words += filler;
    server.backend->FailAlways("cert", Error(ErrorCode::kDenied, words));
    const grpc::Status status = server.Mount(AttributesFor("cert"));
    CHECK(status.error_code() == grpc::StatusCode::PERMISSION_DENIED);
    CHECK(status.error_message().starts_with("the start: " + sent));
    CHECK(status.error_message().ends_with("..."));
    CHECK(status.error_message().size() <= 4100);
  }
}

TEST_CASE("provider server: 64 concurrent mounts are all answered") {
  Server server;
  std::atomic<int> right = 0;
  auto callers = RunConcurrently(64, [&](std::size_t i) {
    v1alpha1::MountResponse reply;
    const std::string pod = "web-" + std::to_string(i);
    if (server.Mount(AttributesFor("cert", pod), &reply).ok() &&
        reply.files(0).contents() == "PEM") {
      ++right;
    }
  });
  callers.clear();
  CHECK(right == 64);
}

TEST_CASE("provider server: a cancelled call returns at once, and its mount is cancelled") {
  Server server;
  server.backend->Close();
  grpc::ClientContext context;
  grpc::Status status;
  std::jthread caller([&] {
    v1alpha1::MountRequest request;
    request.set_attributes(kAttributes);
    request.set_permission("420");
    request.set_target_path("/pods/u1/volumes/x/mount");
    v1alpha1::MountResponse reply;
    status =
        v1alpha1::CSIDriverProvider::NewStub(server.Channel())->Mount(&context, request, &reply);
  });
  REQUIRE(server.backend->AwaitWaiting(1));
  context.TryCancel();
  caller.join();
  CHECK(status.error_code() == grpc::StatusCode::CANCELLED);
  // The backend still hangs; the mount does not.
  server.service.Drain(server.clock.Now() + seconds(10));
  CHECK(server.Outcome() == "cancelled");
  server.backend->Open();
}

TEST_CASE("provider server: the server's own budget ends a mount with a final code") {
  Server server("fake", milliseconds(50));
  server.backend->Close();
  const grpc::Status status = server.Mount(kAttributes);
  CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(status.error_message().starts_with("error making mount request: "));
  CHECK(server.Outcome() == "deadline_exceeded");
}

TEST_CASE("provider server: the caller's deadline ends a mount before its own budget") {
  Server server;
  server.backend->Close();
  v1alpha1::MountRequest request;
  request.set_attributes(kAttributes);
  request.set_permission("420");
  request.set_target_path("/pods/u1/volumes/x/mount");
  // Long enough to connect and to reach the backend.
  const grpc::Status status = server.Mount(request, nullptr, seconds(2));
  // Either the client or the server detects the deadline first.
  CHECK((status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
         status.error_code() == grpc::StatusCode::FAILED_PRECONDITION));
  server.service.Drain(server.clock.Now() + seconds(10));
  CHECK((server.Outcome() == "deadline_exceeded" || server.Outcome() == "cancelled"));
}

TEST_CASE(
    "provider server: stopping lets mounts in flight finish, and refuses new ones as UNAVAILABLE") {
  Server server;
  server.backend->Close();
  grpc::Status status;
  v1alpha1::MountResponse reply;
  std::jthread caller([&] { status = server.Mount(kAttributes, &reply); });
  REQUIRE(server.backend->AwaitWaiting(1));
  server.service.StopAccepting();
  const grpc::Status refused = server.Mount(kAttributes);
  CHECK(refused.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(refused.error_message() == "the agent is stopping");
  std::jthread drain([&] { server.service.Drain(server.clock.Now() + seconds(60)); });
  server.backend->Open();
  drain.join();
  caller.join();
  CHECK(status.ok());
  CHECK(reply.files_size() == 3);
}

TEST_CASE("provider server: mounts that exceed the grace period return UNAVAILABLE") {
  Server server;
  server.backend->Close();
  std::vector<grpc::Status> got(5);
  auto callers = RunConcurrently(got.size(), [&](std::size_t i) {
    got[i] = server.Mount(AttributesFor("cert", "web-" + std::to_string(i)));
  });
  REQUIRE(server.backend->AwaitWaiting(1));
  // A mount that arrives only now is refused, with the same UNAVAILABLE.
  server.service.StopAccepting();
  server.service.Drain(server.clock.Now());
  callers.clear();
  for (const grpc::Status& status : got) {
    CHECK(status.error_code() == grpc::StatusCode::UNAVAILABLE);
    CHECK(status.error_message() == "the agent is stopping");
  }
}

TEST_CASE("provider server: health is answered on the same socket") {
  Server server;
  grpc::GenericStub stub(server.Channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice empty("");
  const grpc::ByteBuffer request(&empty, 1);
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::ByteBuffer reply;
  grpc::Status status;
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  REQUIRE(queue.Next(&tag, &ok));
  REQUIRE(status.ok());
  grpc::Slice bytes;
  REQUIRE(reply.DumpToSingleSlice(&bytes).ok());
  // field 1 (status) = 1 (SERVING)
  CHECK(std::string(bytes.begin(), bytes.end()) == std::string("\x08\x01", 2));
}

}  // namespace nodekeep

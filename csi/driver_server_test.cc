#include "csi/driver_server.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "csi/class_source.h"
#include "csi/volume_scan.h"
#include "proto/pluginregistration.grpc.pb.h"
#include "tests/fakes/driver_node.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/fake_mounter.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

constexpr char kClassPath[] =
    "https://api:6443/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/app";
constexpr char kClass[] =
    R"({"metadata":{"namespace":"shop","name":"app","uid":"c1","annotations":{"a":"b"}},)"
    R"("spec":{"provider":"dev","parameters":{"objects":"x"},"secretObjects":[{"secretName":"s"}]}})";

struct Api {
  Api() { connection.server = "https://api:6443"; }
  KubeClient& client() {
    if (!client_) {
      client_.emplace(http, std::move(connection), clock, rng,
                      KubeClient::Options{.retry = {.attempts = 1}});
    }
    return *client_;
  }
  FakeClock clock;
  FakeRng rng{0.0};
  FakeHttpClient http;
  KubeConnection connection;
  WorkerPool pool{{}};

 private:
  std::optional<KubeClient> client_;
};

// Kubelet's side of the registration.
class Registrar {
 public:
  explicit Registrar(const std::string& socket)
      : stub_(pluginregistration::Registration::NewStub(
            grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()))) {}
  pluginregistration::PluginInfo Info() {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    pluginregistration::PluginInfo info;
    REQUIRE(stub_->GetInfo(&context, {}, &info).ok());
    return info;
  }
  void Notify(const std::string& error) {
    grpc::ClientContext context;
    pluginregistration::RegistrationStatus status;
    status.set_plugin_registered(error.empty());
    status.set_error(error);
    pluginregistration::RegistrationStatusResponse ignored;
    REQUIRE(stub_->NotifyRegistrationStatus(&context, status, &ignored).ok());
  }

 private:
  std::unique_ptr<pluginregistration::Registration::Stub> stub_;
};

// The minimum time while the socket does not exist.
std::filesystem::file_time_type MadeAt(const std::string& socket) {
  std::error_code absent;
  const auto at = std::filesystem::last_write_time(socket, absent);
  return absent ? std::filesystem::file_time_type::min() : at;
}

// Polls in real time: the server runs on its own threads.
bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("registration: an exception is reported, and the registration is retried") {
  SystemClock clock;
  Logger log(LogLevel::kOff, LogFormat::kJson);
  TempDir dir;
  const std::string socket = dir / "d-reg.sock";
  std::atomic<int> registrations = 0;
  std::atomic<int> reports = 0;
  Registration registration(
      {.driver_name = "d",
       .endpoint = "/csi.sock",
       .socket_path = socket,
       .on_registered =
           [&] {
             if (++registrations == 1) throw std::runtime_error("defect");
           },
       .on_exception = [&](std::string_view, std::string_view) { ++reports; }},
      clock, log);
  Registrar(socket).Info();
  Registrar(socket).Notify("");
  REQUIRE(Eventually([&] { return reports == 1; }));
  // The socket was removed, so kubelet has unregistered the driver.
  CHECK(registration.state().error().code() == ErrorCode::kInternal);
  Registrar(socket).Info();
  Registrar(socket).Notify("");
  CHECK(Eventually([&] { return registration.state().ok() && registrations == 2; }));
}

TEST_CASE("registration: kubelet gets name, type and endpoint; a refusal is retried") {
  SystemClock clock;
  Logger log(LogLevel::kOff, LogFormat::kJson);
  TempDir dir;
  const std::string socket = dir / "d-reg.sock";
  std::atomic<int> registrations = 0;
  {
    Registration registration({.driver_name = "d",
                               .endpoint = "/csi.sock",
                               .socket_path = socket,
                               .first_pause = std::chrono::milliseconds(10),
                               .check_every = std::chrono::milliseconds(20),
                               .on_registered = [&] { ++registrations; }},
                              clock, log);
    CHECK(registration.state().error().message() == "kubelet has not asked for the driver yet");
    const auto info = Registrar(socket).Info();
    CHECK(info.type() == "CSIPlugin");
    CHECK(info.name() == "d");
    CHECK(info.endpoint() == "/csi.sock");
    REQUIRE(info.supported_versions().size() == 1);
    CHECK(info.supported_versions(0) == "1.0.0");

    const auto first = MadeAt(socket);
    Registrar(socket).Notify("already registered");
    CHECK(Eventually([&] {
      const Status state = registration.state();
      return !state.ok() &&
             state.error().message() == "kubelet refuses driver \"d\": already registered";
    }));
    REQUIRE(Eventually([&] { return MadeAt(socket) > first; }));
    Registrar(socket).Info();
    Registrar(socket).Notify("");
    CHECK(Eventually([&] { return registration.state().ok() && registrations == 1; }));

    // Something else removes the socket.
    const auto second = MadeAt(socket);
    std::filesystem::remove(socket);
    REQUIRE(Eventually([&] { return MadeAt(socket) > second; }));
    Registrar(socket).Info();
    Registrar(socket).Notify("");
    CHECK(Eventually([&] { return registration.state().ok() && registrations == 2; }));
  }
  CHECK_FALSE(std::filesystem::exists(socket));
}

// Fails under the thread sanitizer if Ready and Stop share state without a lock.
TEST_CASE("driver server: readiness may be asked for on another thread while it stops") {
  SystemClock clock;
  Logger log(LogLevel::kOff, LogFormat::kJson);
  DriverNode node;
  WorkerPool pool{{}};
  DriverServer server({.driver_name = "d",
                       .node_name = "n",
                       .kubelet_root = node.dir.path(),
                       .version = "0",
                       .ready = [] { return Status(); },
                       .on_registered = [] {}},
                      node.volumes, node.registry, pool, clock, log);
  REQUIRE(server.Open().ok());
  std::atomic<int> asked = 0;
  std::jthread asker([&](std::stop_token stop) {
    for (; !stop.stop_requested(); ++asked) (void)server.Ready();
  });
  REQUIRE(Eventually([&] { return asked > 0; }));
  server.Stop(clock.Now());
  asker.request_stop();
  asker.join();
  CHECK(server.Ready().error().message() == "driver server: stopped");
}

TEST_CASE("class: all fields are read from the API object") {
  const Result<SecretProviderClass> spc = ReadSecretProviderClass(*ParseJson(kClass));
  REQUIRE(spc.ok());
  CHECK(spc->Text() == "shop/app");
  CHECK(spc->uid == "c1");
  CHECK(spc->provider == "dev");
  CHECK(spc->parameters == std::map<std::string, std::string>{{"objects", "x"}});
  CHECK(spc->secret_objects.size() == 1);
}

TEST_CASE("class: an invalid one is an error with upstream's text") {
  struct Row {
    std::string spec, want;
  };
  const Row rows[] = {
      {R"({"parameters":{"a":"b"}})", "provider not set in shop/app"},
      {R"({"provider":"dev"})", "parameters not set in shop/app"},
      {R"({"provider":"dev","parameters":{}})", "parameters not set in shop/app"},
      {R"({"provider":"dev","parameters":{"a":1}})",
       "shop/app: spec.parameters.a: must be a string, found a number; put quotes around it"},
      {R"({"provider":"dev","parameters":[]})",
       "shop/app: spec.parameters: expected a map, found a list"},
  };
  for (const Row& row : rows) {
    INFO(row.spec);
    const Result<SecretProviderClass> spc = ReadSecretProviderClass(
        *ParseJson(R"({"metadata":{"namespace":"shop","name":"app"},"spec":)" + row.spec + "}"));
    REQUIRE_FALSE(spc.ok());
    CHECK(spc.error().message().starts_with(row.want));
    CHECK(spc.error().code() == ErrorCode::kInvalid);
  }
}

TEST_CASE("class source: reads within fresh_for share one request") {
  Api api;
  api.http.On("GET", kClassPath, {FakeHttpClient::Respond(200, kClass)});
  KubeClassSource source({}, api.client(), api.pool, api.clock);
  for (int i = 0; i < 10; ++i) REQUIRE(source.Get(Context(), "shop", "app").ok());
  CHECK(api.http.Count() == 1);
  api.clock.Advance(std::chrono::seconds(6));
  REQUIRE(source.Get(Context(), "shop", "app").ok());
  CHECK(api.http.Count() == 2);
}

TEST_CASE(
    "class source: the last known class is served during an outage; a deleted one is "
    "not") {
  Api api;
  api.http.On(
      "GET", kClassPath,
      {FakeHttpClient::Respond(200, kClass),
       FakeHttpClient::Fail(ErrorCode::kTransient, "connection refused"),
       FakeHttpClient::Respond(404, R"({"kind":"Status","reason":"NotFound","message":"gone"})"),
       FakeHttpClient::Fail(ErrorCode::kTransient, "connection refused")});
  KubeClassSource source({}, api.client(), api.pool, api.clock);
  REQUIRE(source.Get(Context(), "shop", "app").ok());
  api.clock.Advance(std::chrono::seconds(6));
  REQUIRE(source.Get(Context(), "shop", "app").ok());
  const Result<ClassPtr> gone = source.Get(Context(), "shop", "app");
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().code() == ErrorCode::kNotFound);
  CHECK(gone.error().message().starts_with(
      "failed to get secretproviderclass shop/app, error: kubernetes: GET "));
  CHECK_FALSE(source.Get(Context(), "shop", "app").ok());
}

TEST_CASE("target path: only plain absolute paths are accepted") {
  for (const char* path : {"/pods/u/volumes/kubernetes.io~csi/v/mount", "/tmp/x"}) {
    INFO(path);
    CHECK(CheckTargetPath(path).ok());
  }
  for (const char* path :
       {"/", "", "relative", "/pods/..", "/pods/../etc", "/pods/./x", "/pods//x", "/pods/x/"}) {
    INFO(path);
    CHECK_FALSE(CheckTargetPath(path).ok());
  }
}

TEST_CASE("target path: pod and volume are read from its end") {
  struct Row {
    std::string path, uid, volume;
  };
  const Row rows[] = {
      {"/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~csi/secrets/mount", "u-1", "secrets"},
      {"/var/snap/microk8s/common/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/mount", "u",
       "v"},
      {"/pods/u/volumes/kubernetes.io~csi/v/mount", "u", "v"},
      {"/pods/u/volumes/kubernetes.io~csi/v/mount/", "", ""},
      {"/pods/u/volumes/kubernetes.io~csi/v", "", ""},
      {"/pods/u/volumes/kubernetes.io~secret/v/mount", "", ""},
      {"/pods//volumes/kubernetes.io~csi/v/mount", "", ""},
      {"/tmp/csi/mount", "", ""},
      {"", "", ""},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    const auto parts = ReadTargetPath(row.path);
    CHECK(parts.has_value() == !row.uid.empty());
    if (!parts) continue;
    CHECK(parts->pod_uid == row.uid);
    CHECK(parts->volume_name == row.volume);
  }
}

TEST_CASE("scan: finds the complete volumes of this driver and no others") {
  TempDir dir;
  FakeMounter mounter;
  // `file`: in the volume, which is mounted then; "" = it is not.
  const auto add = [&](const std::string& uid, const std::string& driver, const std::string& file) {
    const std::string volume = "pods/" + uid + "/volumes/kubernetes.io~csi/secrets";
    dir.Write(volume + "/vol_data.json",
              R"({"driverName":")" + driver + R"(","volumeHandle":"csi-)" + uid + R"("})");
    if (file.empty()) return;
    REQUIRE(mounter.Mount(dir / (volume + "/mount"), {}).ok());
    dir.Write(volume + "/mount/" + file, "x");
  };
  add("ours", "d", "db");
  add("not-mounted", "d", "");
  add("of-another", "e", "db");
  // Its writer was killed; if it were registered, kubelet's retry would be answered OK.
  add("not-complete", "d", "..2026_01_31_12_00_00.1/db");
  dir.Write("pods/broken/volumes/kubernetes.io~csi/secrets/vol_data.json", "{");
  const std::vector<FoundVolume> found = ScanVolumes(
      dir.path(), "d", mounter, [](const std::string&, const Error&) {});
  REQUIRE(found.size() == 1);
  CHECK(found[0].pod_uid == "ours");
  CHECK(found[0].id == "csi-ours");
  CHECK(found[0].name == "secrets");

  const PodFacts pod = ReadPodFacts(*ParseJson(
      R"({"metadata":{"namespace":"shop","name":"web","uid":"ours"},)"
      R"("spec":{"serviceAccountName":"sa","securityContext":{"fsGroup":4711},"volumes":[)"
      R"({"name":"secrets","csi":{"driver":"d","volumeAttributes":{"secretProviderClass":"app"}}},)"
      R"({"name":"other","emptyDir":{}}]},"status":{"phase":"Running"}})"));
  CHECK_FALSE(pod.ending);
  const VolumePtr volume = RecoverVolume(found[0], pod, "d");
  REQUIRE(volume != nullptr);
  CHECK(volume->class_name == "app");
  CHECK(volume->Text() == "shop/web");
  CHECK(volume->service_account == "sa");
  CHECK(volume->group == 4711);
  CHECK(volume->recovered);
  CHECK(volume->attributes.at("csi.storage.k8s.io/pod.uid") == "ours");
  CHECK(RecoverVolume(found[0], pod, "e") == nullptr);
}

}  // namespace nodekeep

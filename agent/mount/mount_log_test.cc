// Which line a mount writes into the log.

#include <catch2/catch_test_macros.hpp>

#include "agent/base/json.h"
#include "agent/mount/mount_service.h"
#include "tests/fakes/capture_stderr.h"
#include "tests/fakes/core.h"

namespace nodekeep {
namespace {

struct Bench {
  Bench() { backend->SetValue("db", "user=alice"); }

  MountRequest Request(const std::string& pod = "web-1") const {
    MountRequest request;
    request.provider = "fake";
    request.parameters["objects"] = "db";
    request.identity.namespace_name = "shop";
    request.identity.service_account = "web";
    request.identity.pod = PodRef{pod, "u-" + pod};
    request.target_path = "/pods/" + pod;
    return request;
  }
  // The level of the one line that a mount writes; "(2 lines)" if it is not one.
  std::string LevelOf(const std::function<void()>& mount) const {
    const CaptureStderr captured;
    mount();
    const std::string text = captured.Text();
    const auto lines = std::count(text.begin(), text.end(), '\n');
    if (lines != 1) return fmt::format("({} lines)", lines);
    const Result<Json> line = ParseJson(text);
    if (!line.ok() || TextOf(Find(*line, {"event"})) != "mount") return text;
    return TextOf(Find(*line, {"level"})).value_or("");
  }
  std::string Mount(const std::string& pod = "web-1") {
    return LevelOf([&] { (void)mounts.Mount(Context(), "fake", Request(pod)); });
  }

  FakeClock clock;
  std::shared_ptr<FakeProvider> backend = std::make_shared<FakeProvider>(clock);
  Core core{clock, {.retry = {.attempts = 1}, .log_level = LogLevel::kDebug}};
  MountLedger ledger{clock};
  MountService mounts{
      {.version_key = SecretBytes("the version key of the tests"), .tokens = nullptr},
      {.providers =
           [this](const std::string&) {
             return std::make_shared<const Provider>(ProviderOf(backend));
           },
       .fetcher = core.fetcher,
       .ledger = ledger,
       .clock = clock,
       .log = core.log,
       .metrics = core.mount_metrics,
       .class_bytes = core.class_bytes,
       .answer_bytes = core.answer_bytes}};
};

TEST_CASE("mount log: the first mount and each change at info, a refresh without one at debug") {
  Bench bench;
  CHECK(bench.Mount() == "info");
  for (int i = 0; i < 3; ++i) {
    bench.clock.Advance(std::chrono::minutes(3));
    CHECK(bench.Mount() == "debug");
  }
  CHECK(bench.Mount("web-2") == "info");  // another volume
  bench.backend->SetValue("db", "user=bob");
  bench.clock.Advance(std::chrono::minutes(3));
  CHECK(bench.Mount() == "info");
  CHECK(bench.Mount() == "debug");
  CHECK(bench.Mount("web-2") == "info");
  CHECK(bench.LevelOf([&] {
    MountRequest request = bench.Request();
    REQUIRE(bench.mounts.MountFromMemory(request).has_value());
  }) == "debug");
}

TEST_CASE("mount log: failures and last good values at warn, and the end of a failure at info") {
  Bench bench;
  CHECK(bench.Mount() == "info");
  bench.backend->FailAlways("", Error(ErrorCode::kTransient, "connection refused"));
  bench.clock.Advance(std::chrono::minutes(3));
  CHECK(bench.Mount() == "warn");
  CHECK(bench.Mount() == "warn");
  bench.backend->ClearFaults();
  bench.backend->Remove("db");
  bench.clock.Advance(std::chrono::minutes(3));
  CHECK(bench.Mount() == "warn");
  CHECK(bench.Mount() == "warn");
  bench.backend->SetValue("db", "user=alice");
  bench.clock.Advance(std::chrono::minutes(3));
  CHECK(bench.Mount() == "info");
  CHECK(bench.Mount() == "debug");
}

}  // namespace
}  // namespace nodekeep

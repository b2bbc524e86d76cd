#include "agent/rpc/call_runner.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <future>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/rpc/local_server.h"
#include "proto/admin.grpc.pb.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A service on a real socket with one method, run by a CallRunner.
struct Served {
  explicit Served(CallRunner::Options options = {.budget = hours(1)}, std::size_t max_queued = 64)
      : pool({.max_queued = max_queued, .on_exception = Reporter()}),
        runner(std::move(options), pool, clock),
        service(*this),
        server(*LocalServer::Start({&service}, {}, log)) {
    REQUIRE(server->Listen(dir / "s.sock").ok());
    stub = admin::v1::Admin::NewStub(
        grpc::CreateChannel("unix:" + (dir / "s.sock"), grpc::InsecureChannelCredentials()));
  }

  grpc::Status Call(Duration deadline = seconds(60)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    return Call(context);
  }
  grpc::Status Call(grpc::ClientContext& context) {
    admin::v1::HealthResponse response;
    return stub->Health(&context, {}, &response);
  }
  ExceptionReporter Reporter() {
    return [this](std::string_view thread, std::string_view error) {
      MutexLock lock(mutex);
      reports.push_back(std::string(thread) + ": " + std::string(error));
    };
  }
  // Sets work that waits for the end of its context and then returns the result of `end`.
  void WaitThen(std::function<Status(Status over)> end) {
    work = [this, end = std::move(end)](const Context& context) {
      running.release();
      return end(Sleep(context, clock, hours(1)));
    };
  }

  class Service final : public admin::v1::Admin::CallbackService {
   public:
    explicit Service(Served& served) : served_(served) {}
    grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                     const admin::v1::HealthRequest*,
                                     admin::v1::HealthResponse*) override {
      return Guarded(context, served_.Reporter(), [&] {
        if (served_.throw_in_handler) throw std::runtime_error("canary");
        return served_.runner.Run(context, served_.namespace_name, served_.work);
      });
    }

   private:
    Served& served_;
  };

  std::string namespace_name = "team-a";
  SystemClock clock;
  Logger log{LogLevel::kOff, LogFormat::kJson};
  Mutex mutex;
  std::vector<std::string> reports;  // guarded by mutex
  // Set before a call.
  CallRunner::Work work = [](const Context&) { return Status(); };
  std::atomic<bool> throw_in_handler = false;
  std::counting_semaphore<> running{0};
  TempDir dir;
  WorkerPool pool;
  CallRunner runner;
  Service service;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<admin::v1::Admin::Stub> stub;
};

}  // namespace

TEST_CASE("call runner: a call returns the result of its work") {
  Served served;
  CHECK(served.Call().ok());
  served.work = [](const Context&) { return Error(ErrorCode::kDenied, "the words"); };
  const grpc::Status denied = served.Call();
  CHECK(denied.error_code() == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(denied.error_message() == "the words");
}

TEST_CASE("call runner: the service maps errors to statuses") {
  Served served({.budget = hours(1), .status_of = [](const Error& error) {
                   return grpc::Status(grpc::StatusCode::DATA_LOSS, error.message() + "!");
                 }});
  served.work = [](const Context&) { return Error(ErrorCode::kDenied, "the words"); };
  const grpc::Status status = served.Call();
  CHECK(status.error_code() == grpc::StatusCode::DATA_LOSS);
  CHECK(status.error_message() == "the words!");
}

TEST_CASE(
    "call runner: a call that throws returns INTERNAL and is reported, the next one is served") {
  for (const bool in_handler : {false, true}) {
    INFO((in_handler ? "in the handler, on gRPC's thread" : "in the work, on the pool"));
    Served served;
    const CallRunner::Work fine = served.work;
    served.throw_in_handler = in_handler;
    served.work = [](const Context&) -> Status { throw std::runtime_error("canary"); };
    const grpc::Status thrown = served.Call();
    CHECK(thrown.error_code() == grpc::StatusCode::INTERNAL);
    CHECK(thrown.error_message() ==
          "the request failed with an unexpected exception; see the agent's log");
    served.throw_in_handler = false;
    served.work = fine;
    CHECK(served.Call().ok());
    MutexLock lock(served.mutex);
    CHECK(served.reports ==
          std::vector<std::string>{in_handler ? "grpc: canary" : "worker: canary"});
  }
}

TEST_CASE("call runner: the budget ends a call with a longer client deadline") {
  Served served({.budget = milliseconds(50)});
  served.WaitThen([](Status over) { return over; });
  CHECK(served.Call().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_CASE("call runner: work gets the earlier of the client's deadline and the budget") {
  struct Row {
    std::string name;
    Duration deadline, budget, want;
  };
  const Row rows[] = {
      {"client first", seconds(60), hours(1), seconds(60)},
      {"budget first", hours(1), seconds(60), seconds(60)},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Served served({.budget = row.budget});
    Duration left{};
    served.work = [&](const Context& context) {
      left = context.Remaining(served.clock);
      return Status();
    };
    REQUIRE(served.Call(row.deadline).ok());
    CHECK(left <= row.want);
    CHECK(left > row.want - seconds(30));
  }
}

TEST_CASE("call runner: a client that cancels ends its work") {
  Served served;
  std::promise<ErrorCode> ended;
  served.WaitThen([&](Status over) {
    ended.set_value(over.error().code());
    return over;
  });
  grpc::ClientContext context;
  std::jthread client([&] { (void)served.Call(context); });
  served.running.acquire();
  context.TryCancel();
  CHECK(ended.get_future().get() == ErrorCode::kCancelled);
}

TEST_CASE("call runner: calls are refused as UNAVAILABLE after StopAccepting") {
  Served served;
  std::atomic<int> ran = 0;
  served.work = [&](const Context&) {
    ++ran;
    return Status();
  };
  served.runner.tracker().StopAccepting();
  const grpc::Status refused = served.Call();
  CHECK(refused.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(refused.error_message() == "the agent is stopping");
  CHECK(ran == 0);
}

TEST_CASE("call runner: a stopped call returns UNAVAILABLE, unless it has a result of its own") {
  struct Row {
    std::string name;
    std::function<Status(Status)> end;
    grpc::StatusCode want;
  };
  const Row rows[] = {
      {"cancelled", [](Status over) { return over; }, grpc::StatusCode::UNAVAILABLE},
      {"a failure possibly caused by the stop",
       [](Status) -> Status { return Error(ErrorCode::kTransient, "cut"); },
       grpc::StatusCode::UNAVAILABLE},
      {"denied by the backend", [](Status) -> Status { return Error(ErrorCode::kDenied, "no"); },
       grpc::StatusCode::PERMISSION_DENIED},
      {"done all the same", [](Status) { return Status(); }, grpc::StatusCode::OK},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Served served;
    served.WaitThen(row.end);
    grpc::Status status;
    std::jthread client([&] { status = served.Call(); });
    served.running.acquire();
    served.runner.tracker().StopAccepting();
    served.runner.tracker().Drain(served.clock.Now());
    client.join();
    CHECK(status.error_code() == row.want);
    if (row.want == grpc::StatusCode::UNAVAILABLE) {
      CHECK(status.error_message() == "the agent is stopping");
    }
  }
}

TEST_CASE("call runner: a call that the pool refuses gets a status") {
  const auto unavailable = [](const Error& error) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, error.message());
  };
  struct Row {
    std::string name;
    CallRunner::StatusMapping mapping;
    grpc::StatusCode want;
  };
  const Row rows[] = {
      {"as an error of the work", nullptr, grpc::StatusCode::RESOURCE_EXHAUSTED},
      {"as the service decides", unavailable, grpc::StatusCode::UNAVAILABLE},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Served served({.budget = hours(1), .status_when_pool_refuses = row.mapping}, 0);
    const grpc::Status status = served.Call();
    CHECK(status.error_code() == row.want);
    CHECK(status.error_message() ==
          "too many requests of namespace team-a are waiting on this node");
  }
}

}  // namespace nodekeep

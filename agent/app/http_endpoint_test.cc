#include "agent/app/http_endpoint.h"

#include <httplib.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace nodekeep {
namespace {

TEST_CASE("http: health, readiness and metrics are served at their own and upstream's paths") {
  std::atomic<bool> ready = true;
  auto endpoint = HttpEndpoint::Start(
      "127.0.0.1:0", {.metrics = [] { return std::string("nodekeep_up 1\n"); },
                      .ready = [&]() -> Status {
                        if (ready) return {};
                        return Error(ErrorCode::kPrecondition, "the sockets are not open yet");
                      }});
  REQUIRE(endpoint.ok());
  httplib::Client client("127.0.0.1", (*endpoint)->port());
  struct Row {
    std::string path;
    int when_ready, when_not;
    std::string body_when_not;
  };
  const Row rows[] = {
      {"/healthz", 200, 200, "ok\n"},
      {"/live", 200, 200, "ok\n"},
      {"/readyz", 200, 503, "the sockets are not open yet\n"},
      {"/health/ready", 200, 503, "the sockets are not open yet\n"},
      {"/metrics", 200, 200, "nodekeep_up 1\n"},
      {"/", 404, 404, ""},
      {"/debug", 404, 404, ""},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    ready = true;
    auto response = client.Get(row.path);
    REQUIRE(response);
    CHECK(response->status == row.when_ready);
    ready = false;
    response = client.Get(row.path);
    REQUIRE(response);
    CHECK(response->status == row.when_not);
    CHECK(response->body == row.body_when_not);
  }
  CHECK(client.Get("/metrics")->get_header_value("Content-Type") ==
        "text/plain; version=0.0.4; charset=utf-8");
  CHECK(client.Post("/metrics", "x", "text/plain")->status == 404);
}

TEST_CASE("http: an address that cannot be bound is an error that names it") {
  const HttpEndpoint::Handlers handlers{.metrics = [] { return std::string(); },
                                        .ready = [] { return Status(); }};
  auto first = HttpEndpoint::Start("127.0.0.1:0", handlers);
  REQUIRE(first.ok());
  for (const std::string& address : {"127.0.0.1:" + std::to_string((*first)->port()),
                                     std::string("192.0.2.1:9466"), std::string("nowhere")}) {
    INFO(address);
    auto second = HttpEndpoint::Start(address, handlers);
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().message().find(address) != std::string::npos);
  }
}

TEST_CASE("http: silent clients do not prevent the endpoint from stopping") {
  auto endpoint = HttpEndpoint::Start(
      "[::1]:0", {.metrics = [] { return std::string(); }, .ready = [] { return Status(); }});
  if (!endpoint.ok()) SKIP("this machine has no IPv6");
  httplib::Client client("::1", (*endpoint)->port());
  CHECK(client.Get("/healthz")->status == 200);
  endpoint->reset();
  CHECK_FALSE(client.Get("/healthz"));
}

TEST_CASE("http: an exception returns 500 without its text, and is reported") {
  std::atomic<bool> throws = true;
  std::vector<std::string> reports;
  {
    auto endpoint = HttpEndpoint::Start(
        "127.0.0.1:0", {.metrics =
                            [&] {
                              if (throws) throw std::runtime_error("canary");
                              return std::string("up 1\n");
                            },
                        .ready = [] { return Status(); },
                        .on_exception =
                            [&](std::string_view thread, std::string_view error) {
                              reports.push_back(std::string(thread) + ": " + std::string(error));
                            }});
    REQUIRE(endpoint.ok());
    httplib::Client client("127.0.0.1", (*endpoint)->port());
    auto response = client.Get("/metrics");
    REQUIRE(response);
    CHECK(response->status == 500);
    CHECK(response->body == "unexpected exception; see the agent's log\n");
    for (const auto& [name, value] : response->headers) {
      CHECK(value.find("canary") == std::string::npos);
    }
    throws = false;
    response = client.Get("/metrics");
    REQUIRE(response);
    CHECK(response->body == "up 1\n");
  }
  CHECK(reports == std::vector<std::string>{"http-endpoint: canary"});
}

}  // namespace
}  // namespace nodekeep

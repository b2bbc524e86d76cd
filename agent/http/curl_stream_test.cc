#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/http/curl_client.h"
#include "tests/fakes/http_server.h"

namespace nodekeep {
namespace {

class Collector final : public HttpReceiver {
 public:
  explicit Collector(std::size_t room = 1u << 20) : room_(room) {}

  void OnHead() override {
    MutexLock lock(mutex_);
    ++heads_;
  }
  bool OnBytes(std::string_view bytes) override {
    MutexLock lock(mutex_);
    if (bytes_.size() + bytes.size() > room_) return false;
    bytes_ += bytes;
    changed_.notify_all();
    return true;
  }
  void OnEnd(Result<HttpResponse> result) override {
    MutexLock lock(mutex_);
    end_.emplace(std::move(result));
    changed_.notify_all();
  }

  void AwaitBytes(std::string_view want) {
    MutexLock lock(mutex_);
    changed_.wait(lock, [&] { return bytes_ == want; });
  }
  Result<HttpResponse> AwaitEnd() {
    MutexLock lock(mutex_);
    changed_.wait(lock, [&] { return end_.has_value(); });
    return *std::move(end_);
  }
  int heads() {
    MutexLock lock(mutex_);
    return heads_;
  }
  std::string bytes() {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  const std::size_t room_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  int heads_ = 0;
  std::string bytes_;
  std::optional<Result<HttpResponse>> end_;
};

HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

std::string Chunk(std::string_view text) {
  return fmt::format("{:x}\r\n{}\r\n", text.size(), text);
}

constexpr std::string_view kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("curl stream: bytes are delivered as they arrive, OnEnd is called last") {
  std::stop_source go_on;
  HttpServer server([&](const HttpServer::Request&, HttpServer::Connection& connection) {
    connection.Write(std::string(kChunkedHead) + Chunk("first\n"));
    while (!go_on.stop_requested()) std::this_thread::yield();
    connection.Write(Chunk("second\n") + "0\r\n\r\n");
  });
  CurlClient client{{}};
  const auto collector = std::make_shared<Collector>();
  client.Open({}, Get(server.url()), collector);
  collector->AwaitBytes("first\n");
  go_on.request_stop();
  Result<HttpResponse> end = collector->AwaitEnd();
  REQUIRE(end.ok());
  CHECK(end->status == 200);
  CHECK(end->body.empty());
  CHECK(collector->heads() == 1);
  CHECK(collector->bytes() == "first\nsecond\n");
}

TEST_CASE("curl stream: the body of an error status is in the result") {
  HttpServer server(HttpServer::Always(HttpServer::Reply(410, "expired")));
  CurlClient client{{}};
  const auto collector = std::make_shared<Collector>();
  client.Open({}, Get(server.url()), collector);
  Result<HttpResponse> end = collector->AwaitEnd();
  REQUIRE(end.ok());
  CHECK(end->status == 410);
  CHECK(end->body.Reveal() == "expired");
  CHECK(collector->heads() == 0);
  CHECK(collector->bytes().empty());
}

TEST_CASE("curl stream: each failure ends the stream with its own error") {
  struct Row {
    std::string name;
    HttpServer::Handler handler;
    std::size_t room;
    ErrorCode code;
    std::string want;
  };
  const auto write = [](std::string bytes) {
    return [bytes](const HttpServer::Request&, HttpServer::Connection& connection) {
      connection.Write(bytes);
      connection.AwaitClientClose();
    };
  };
  const Row rows[] = {
      {"silent before the answer", write(""), 100, ErrorCode::kTransient,
       "wait for the answer of .*: nothing came for 1s"},
      {"silent inside the answer", write(std::string(kChunkedHead) + Chunk("a")), 100,
       ErrorCode::kTransient, "read the answer of .*: nothing came for 1s"},
      {"more than the receiver accepts", write(std::string(kChunkedHead) + Chunk("abcd")), 3,
       ErrorCode::kTooLarge, "read the answer of .*: it is more than can be kept"},
      {"cut",
       [](const HttpServer::Request&, HttpServer::Connection& connection) {
         connection.Write(std::string(kChunkedHead) + Chunk("a"));
         connection.Close();
       },
       100, ErrorCode::kTransient, "read the answer of .*"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    HttpServer server(row.handler);
    CurlClient client{{}};
    const auto collector = std::make_shared<Collector>(row.room);
    HttpRequest request = Get(server.url());
    request.idle_timeout = std::chrono::seconds(1);
    client.Open({}, std::move(request), collector);
    Result<HttpResponse> end = collector->AwaitEnd();
    REQUIRE_FALSE(end.ok());
    INFO(end.error().message());
    CHECK(end.error().code() == row.code);
    CHECK(end.error().message().starts_with(row.want.substr(0, row.want.find(" .*"))));
    CHECK(end.error().message().ends_with(row.want.substr(row.want.find(".*") + 2)));
  }
}

TEST_CASE("curl stream: a response that keeps arriving may last longer than idle_timeout") {
  HttpServer server([](const HttpServer::Request&, HttpServer::Connection& connection) {
    const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    connection.Write(kChunkedHead);
    while (std::chrono::steady_clock::now() < end && connection.Write(Chunk("a"))) {
      std::this_thread::yield();
    }
    connection.Write("0\r\n\r\n");
  });
  CurlClient client{{}};
  const auto collector = std::make_shared<Collector>(64u << 20);
  HttpRequest request = Get(server.url());
  request.idle_timeout = std::chrono::seconds(1);
  client.Open({}, std::move(request), collector);
  CHECK(collector->AwaitEnd().ok());
}

TEST_CASE("curl stream: the end of the context aborts it, before or after Open") {
  HttpServer server([](const HttpServer::Request&, HttpServer::Connection& connection) {
    connection.Write(std::string(kChunkedHead) + Chunk("a"));
    connection.AwaitClientClose();
  });
  CurlClient client{{}};
  const auto open = [&](std::stop_source& stop) {
    const auto collector = std::make_shared<Collector>();
    client.Open(Context(SteadyTime::max(), stop.get_token()), Get(server.url()), collector);
    return collector;
  };
  std::stop_source later;
  const auto running = open(later);
  running->AwaitBytes("a");
  later.request_stop();
  Result<HttpResponse> end = running->AwaitEnd();
  REQUIRE_FALSE(end.ok());
  CHECK(end.error().code() == ErrorCode::kCancelled);
  server.AwaitAllClosed();

  std::stop_source before;
  before.request_stop();
  end = open(before)->AwaitEnd();
  REQUIRE_FALSE(end.ok());
  CHECK(end.error().code() == ErrorCode::kCancelled);
}

TEST_CASE("curl stream: an invalid request ends inside Open, a running one with the client") {
  HttpServer server([](const HttpServer::Request&, HttpServer::Connection& connection) {
    connection.AwaitClientClose();
  });
  const auto refused = std::make_shared<Collector>();
  const auto running = std::make_shared<Collector>();
  {
    CurlClient client{{}};
    client.Open({}, Get("ftp://a"), refused);
    Result<HttpResponse> end = refused->AwaitEnd();
    REQUIRE_FALSE(end.ok());
    CHECK(end.error().code() == ErrorCode::kInvalid);
    client.Open({}, Get(server.url()), running);
    server.AwaitRequests(1);
  }
  Result<HttpResponse> end = running->AwaitEnd();
  REQUIRE_FALSE(end.ok());
  CHECK(end.error().code() == ErrorCode::kShuttingDown);
}

// A receiver that throws in one of its calls.
class Throwing final : public HttpReceiver {
 public:
  explicit Throwing(std::string at) : at_(std::move(at)) {}
  void OnHead() override { ThrowAt("head"); }
  bool OnBytes(std::string_view) override {
    ThrowAt("bytes");
    return true;
  }
  void OnEnd(Result<HttpResponse> result) override {
    code = result.ok() ? "ok" : ErrorCodeName(result.error().code());
    ended.count_down();
    ThrowAt("end");
  }

  std::latch ended{1};
  std::string code;

 private:
  void ThrowAt(const std::string& place) const {
    if (at_ == place) throw std::runtime_error("defect at " + place);
  }
  const std::string at_;
};

TEST_CASE("curl stream: a receiver's exception is reported, and every request gets a result") {
  for (const std::string place : {"head", "bytes", "end"}) {
    INFO(place);
    HttpServer server(HttpServer::Always(HttpServer::Reply(200, "text")));
    Mutex mutex;
    std::vector<std::string> reports;
    const auto receiver = std::make_shared<Throwing>(place);
    {
      CurlClient client({.on_exception = [&](std::string_view thread, std::string_view error) {
        MutexLock lock(mutex);
        reports.push_back(std::string(thread) + ": " + std::string(error));
      }});
      client.Open({}, Get(server.url()), receiver);
      receiver->ended.wait();
      std::vector<HttpRequest> next;
      next.push_back(Get(server.url()));
      // An exception in OnEnd leaves the loop itself, which is restarted.
      CHECK(client.SendAll({}, std::move(next)).front().ok());
    }
    CHECK(receiver->code == (place == "end" ? "ok" : "internal"));
    CHECK(reports == std::vector<std::string>{"http: defect at " + place});
  }
}

TEST_CASE("curl stream: an exception ends all other requests under way with an error") {
  HttpServer server([](const HttpServer::Request& request, HttpServer::Connection& connection) {
    if (request.target == "/slow") return connection.AwaitClientClose();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  });
  CurlClient client({.on_exception = [](std::string_view, std::string_view) {}});
  const auto waiting = std::make_shared<Collector>();
  client.Open({}, Get(server.url() + "/slow"), waiting);
  server.AwaitRequests(1);
  client.Open({}, Get(server.url() + "/quick"), std::make_shared<Throwing>("end"));
  const Result<HttpResponse> end = waiting->AwaitEnd();
  REQUIRE_FALSE(end.ok());
  CHECK(end.error().code() == ErrorCode::kInternal);
}

}  // namespace nodekeep

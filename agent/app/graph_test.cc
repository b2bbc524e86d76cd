#include "agent/app/graph.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/app/provider_set.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {
namespace {

LoadedConfig Load(const std::string& text) {
  ConfigSources sources;
  sources.file = "nodekeep.yaml";
  sources.file_text = text;
  sources.host_name = "node-of-the-test";
  Result<LoadedConfig> loaded = LoadConfig(sources);
  REQUIRE(loaded.ok());
  return *std::move(loaded);
}

std::string Kubeconfig(const std::string& server) {
  return fmt::format(R"(
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{}"}}}}]
users: [{{name: u, user: {{}}}}]
)",
                     server);
}

}  // namespace

TEST_CASE("graph: a backend with the API server's address cannot open the API server's breaker") {
  HttpServer server([](const HttpServer::Request& request, HttpServer::Connection& connection) {
    const bool is_api = request.target.starts_with("/api/");
    connection.Write(is_api ? HttpServer::Reply(200, R"({"kind":"Pod"})")
                            : HttpServer::Reply(503, ""));
  });
  TempDir dir;
  const std::string kubeconfig = dir.Write("kubeconfig", Kubeconfig(server.url()));
  Logger log(LogLevel::kOff, LogFormat::kText);
  Result<std::unique_ptr<Graph>> made =
      Graph::Create(Load("kubeconfig: " + kubeconfig + "\n"), log);
  REQUIRE(made.ok());
  Graph& graph = **made;

  // As a provider sends it for a class that names the API server as its gateway.
  const auto fail = [&] {
    HttpRequest request;
    request.url = server.url() + "/v1/secret";
    request.server_state = [](const HttpResponse&) { return ServerState::kDown; };
    return graph.gate.Send(Context(), std::move(request));
  };
  for (int i = 0; i < 20; ++i) (void)fail();
  CHECK_FALSE(fail().ok());  // its own breaker is open

  REQUIRE(graph.kube != nullptr);
  CHECK(graph.kube->Get(Context(), "/api/v1/namespaces/shop/pods/web").ok());
  // Both are in the status.
  const std::vector<BackendState> states = graph.BackendStates();
  REQUIRE(states.size() == 2);
  CHECK(states[0].host == states[1].host);
  CHECK(states[0].breaker_open != states[1].breaker_open);
}

TEST_CASE("graph: without an API server there is nothing for it") {
  Logger log(LogLevel::kOff, LogFormat::kText);
  Result<std::unique_ptr<Graph>> made = Graph::Create(Load("log: {level: off}\n"), log);
  REQUIRE(made.ok());
  CHECK((*made)->kube == nullptr);
  CHECK((*made)->kube_curl == nullptr);
  CHECK((*made)->BackendStates().empty());
}

}  // namespace nodekeep

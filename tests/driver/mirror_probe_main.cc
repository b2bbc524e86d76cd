// Mirrors Secrets as agents of several nodes do, for tests against a real API server.
//
// Reads one JSON command per line from standard input and answers each with one line:
//
//   {"node":"n1","write":{"objects":[...],"files":{"path":"text"},"namespace":"shop",
//    "volume":"p1/v","owners":[...],"class":{...}},"times":200}
//   {"node":"n1","claim":{...}}       the volume is found after a restart: "write" without "files"
//   {"node":"n1","release":"p1/v"}    {"node":"n1","sweep":true}
//   {"node":"n1","status":{...fields of PodStatus..., "objects":{"id":"version"}}}
//   {"together":[command, ...]}       each on its own thread
//
// With --die-after STEP it kills itself with SIGKILL once the API server has answered the first
// request of that kind: read, content, prune, claim, delete. With --recheck 0 each write reads the
// Secret, even if nothing has changed.

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/http/curl_client.h"
#include "agent/kube/kube_client.h"
#include "agent/sink/mirror_secrets.h"
#include "csi/pod_status.h"

namespace nodekeep {
namespace {

std::string Text(const Json& json, std::initializer_list<std::string_view> path) {
  return TextOf(Find(json, path)).value_or("");
}

struct Arguments {
  std::string kubeconfig;
  std::string die_after;
  int recheck_seconds = 1800;
};

// The step of the mirror writer to which a request belongs.
std::string StepOf(const HttpRequest& request) {
  if (request.method == "GET") return "read";
  if (request.method == "DELETE") return "delete";
  if (request.url.find("fieldManager=") == std::string::npos) return "prune";
  return request.url.find("fieldManager=nodekeep%3A") == std::string::npos ? "content" : "claim";
}

// Ends the process as soon as the first request of a step has been answered.
class FatalHttpClient final : public HttpClient {
 public:
  FatalHttpClient(HttpClient& http, std::string die_after)
      : http_(http), die_after_(std::move(die_after)) {}

  std::vector<Result<HttpResponse>> SendAll(const Context& context,
                                            std::vector<HttpRequest> requests) override {
    const std::string step = requests.size() == 1 ? StepOf(requests.front()) : "";
    std::vector<Result<HttpResponse>> responses = http_.SendAll(context, std::move(requests));
    const bool is_done = responses.size() == 1 && responses.front().ok() &&
                         (step == "read" || responses.front()->status / 100 == 2);
    if (is_done && step == die_after_) kill(getpid(), SIGKILL);
    return responses;
  }

 private:
  HttpClient& http_;
  const std::string die_after_;
};

// One agent: its writers and its own client, as on a separate machine.
class Node {
 public:
  Node(const std::string& name, const Arguments& arguments)
      : http_(curl_, arguments.die_after),
        kube_(http_, *ReadKubeconfig(arguments.kubeconfig), clock_, rng_, {}),
        secrets_(kube_, clock_,
                 {.node_name = name,
                  .recheck = std::chrono::seconds(arguments.recheck_seconds),
                  .linger = Duration::zero()}),
        statuses_(kube_, name) {}

  Json Do(const Json& command) {
    if (command.contains("write")) return Write(command);
    if (command.contains("claim")) return Claim(command.at("claim"));
    if (command.contains("status")) return WriteStatus(command.at("status"));
    Json answer(jsoncons::json_object_arg);
    if (command.contains("release")) secrets_.Release(Text(command, {"release"}));
    if (command.contains("sweep")) AddFaults(secrets_.Sweep(Context()), answer);
    return answer;
  }

 private:
  static void AddFaults(const std::vector<Error>& faults, Json& answer) {
    Json list(jsoncons::json_array_arg);
    for (const Error& fault : faults) list.push_back(fault.message());
    answer["faults"] = std::move(list);
  }

  static SecretClaim ClaimOf(const Json& write) {
    SecretClaim claim{Text(write, {"volume"}), Text(write, {"namespace"}), {}, {}};
    Json pod;
    pod["metadata"]["ownerReferences"] = write.at("owners");
    claim.owners = OwnersOf(pod);
    claim.secret_class = {Text(write, {"class", "apiVersion"}), Text(write, {"class", "kind"}),
                          Text(write, {"class", "name"}), Text(write, {"class", "uid"})};
    return claim;
  }

  Json Claim(const Json& write) {
    ClaimSecrets(secrets_, write.at("objects"), ClaimOf(write));
    return Json(jsoncons::json_object_arg);
  }

  // With "times": each round writes different content, "<text> <round>".
  Json Write(const Json& command) {
    const Json& write = command.at("write");
    const std::int64_t times = IntOf(Find(command, {"times"})).value_or(1);
    const SecretClaim claim = ClaimOf(write);
    MirrorOutcome all;
    for (std::int64_t round = 0; round < times; ++round) {
      std::vector<BundleFile> files;
      for (const auto& file : write.at("files").object_range()) {
        const std::string suffix = times > 1 ? fmt::format(" {}", round) : "";
        files.push_back(
            {std::string(file.key()), 0644, SecretBytes(file.value().as_string() + suffix)});
      }
      MirrorOutcome outcome =
          MirrorSecrets(Context(), secrets_, write.at("objects"), files, {}, claim);
      all.written += outcome.written;
      for (Error& error : outcome.errors) all.errors.push_back(std::move(error));
    }
    Json answer;
    answer["written"] = all.written;
    AddFaults(all.errors, answer);
    return answer;
  }

  Json WriteStatus(const Json& fields) {
    PodStatus status{Text(fields, {"namespace"}),
                     Text(fields, {"pod"}),
                     Text(fields, {"uid"}),
                     Text(fields, {"class"}),
                     Text(fields, {"volume"}),
                     Text(fields, {"target"}),
                     {}};
    for (const auto& object : fields.at("objects").object_range()) {
      status.objects.push_back({std::string(object.key()), object.value().as_string()});
    }
    Result<OwnerReference> owner = statuses_.Write(Context(), status);
    Json answer;
    AddFaults(owner.ok() ? std::vector<Error>() : std::vector<Error>{owner.error()}, answer);
    if (owner.ok()) answer["owner"] = ToJson({*owner})[0];
    return answer;
  }

  SystemClock clock_;
  SystemRng rng_;
  CurlClient curl_{{}};
  FatalHttpClient http_;
  KubeClient kube_;
  MirrorWriter secrets_;
  PodStatusWriter statuses_;
};

class Probe {
 public:
  explicit Probe(Arguments arguments) : arguments_(std::move(arguments)) {}

  Json Do(const Json& command) {
    if (!command.contains("together")) return NodeOf(command).Do(command);
    const Json& commands = command.at("together");
    std::vector<Json> answers(commands.size());
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      Node& node = NodeOf(commands.at(i));
      threads.emplace_back(
          [&answers, &commands, &node, i] { answers[i] = node.Do(commands.at(i)); });
    }
    threads.clear();
    Json list(jsoncons::json_array_arg);
    for (Json& answer : answers) list.push_back(std::move(answer));
    return list;
  }

 private:
  Node& NodeOf(const Json& command) {
    std::unique_ptr<Node>& node = nodes_[Text(command, {"node"})];
    if (!node) node = std::make_unique<Node>(Text(command, {"node"}), arguments_);
    return *node;
  }

  const Arguments arguments_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
};

}  // namespace
}  // namespace nodekeep

int main(int argc, char** argv) {
  nodekeep::Arguments arguments;
  CLI::App app{"Mirrors Secrets as agents do"};
  app.add_option("--kubeconfig", arguments.kubeconfig)->required();
  app.add_option("--die-after", arguments.die_after);
  app.add_option("--recheck", arguments.recheck_seconds, "seconds until a Secret is read again");
  CLI11_PARSE(app, argc, argv);
  if (auto connection = nodekeep::ReadKubeconfig(arguments.kubeconfig); !connection.ok()) {
    std::cerr << "mirror-probe: " << connection.error().message() << "\n";
    return 1;
  }
  nodekeep::Probe probe(std::move(arguments));
  for (std::string line; std::getline(std::cin, line);) {
    nodekeep::Result<nodekeep::Json> command = nodekeep::ParseJson(line);
    if (!command.ok()) {
      std::cerr << "mirror-probe: " << command.error().message() << "\n";
      return 1;
    }
    std::cout << nodekeep::GoJson(probe.Do(*command)).Reveal() << std::endl;
  }
  return 0;
}

// The agent's Kubernetes client and watches, controlled by JSON lines on standard input, with
// results on standard output, for tests against a real API server.
//
//   {"do":"watch","name":"w","path":P,"fields":F}
//   {"do":"unwatch","name":"w"}
//   {"do":"state","id":1,"name":"w"}
//   {"do":"get|list|create|update|apply|patch|delete","id":1,"path":P,"body":{},"uid":U,"force":B}
//   {"do":"event","object":"pod","namespace":N,"uid":U,"reason":R,"message":M}
//
// Each request runs on its own thread, so that a hung one does not block the next.

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/http/curl_client.h"
#include "agent/kube/event_recorder.h"
#include "agent/kube/informer.h"
#include "agent/kube/kube_client.h"

namespace nodekeep {
namespace {

struct Arguments {
  std::string kubeconfig;
  int silence_ms = 100000;
  int watch_seconds = 300;
  int request_ms = 10000;
};

std::string Text(const Json& json, std::string_view field) {
  return TextOf(Find(json, {field})).value_or("");
}

class Probe {
 public:
  Probe(KubeConnection connection, const Arguments& arguments)
      : kube_(curl_, std::move(connection), clock_, rng_,
              {.retry = {}, .request_timeout = Duration(arguments.request_ms)}),
        loop_(WatchDependencies{
            curl_, kube_.connection(), clock_, rng_, log_,
            WatchPolicy{.watch_for = std::chrono::seconds(arguments.watch_seconds),
                        .idle_timeout = Duration(arguments.silence_ms)}}),
        events_(kube_, clock_, rng_, log_, {.host = "node1"}) {}

  void Do(const Json& order) {
    const std::string what = Text(order, "do");
    if (what == "watch") return Watch(order);
    if (what == "unwatch") {
      informers_.erase(Text(order, "name"));
    } else if (what == "state") {
      State(order);
    } else if (what == "event") {
      ObjectReference pod;
      pod.namespace_name = Text(order, "namespace");
      pod.name = Text(order, "object");
      pod.uid = Text(order, "uid");
      events_.Record(pod, EventType::kWarning, Text(order, "reason"), Text(order, "message"));
    } else {
      requests_.emplace_back([this, order] { Request(order); });
    }
  }

 private:
  void Say(const Json& line) {
    const SecretBytes text = GoJson(line);
    MutexLock lock(mutex_);
    std::cout << text.Reveal() << std::endl;
  }

  void Watch(const Json& order) {
    const std::string name = Text(order, "name");
    Informer::Options options;
    options.selection = {.path = Text(order, "path"), .field_selector = Text(order, "fields")};
    {
      MutexLock lock(mutex_);
      objects_[name] = 0;
    }
    informers_[name] = std::make_unique<Informer>(
        loop_, std::move(options), [this, name](const ObjectChange& change) {
          Json line;
          line["watch"] = name;
          line["change"] = !change.before ? "added" : change.after ? "updated" : "gone";
          line["name"] = change.name;
          if (change.after) line["object"] = *change.after;
          {
            MutexLock lock(mutex_);
            objects_[name] += (change.after ? 1 : 0) - (change.before ? 1 : 0);
          }
          Say(line);
        });
  }

  void State(const Json& order) {
    const Informer& informer = *informers_.at(Text(order, "name"));
    const std::optional<Error> trouble = informer.trouble();
    Json line;
    line["id"] = order.at("id");
    line["synced"] = informer.synced();
    {
      MutexLock lock(mutex_);
      line["objects"] = objects_[Text(order, "name")];
    }
    line["trouble"] = trouble ? trouble->message() : "";
    Say(line);
  }

  void Request(const Json& order) {
    const Result<Json> answer = Send(order);
    Json line;
    line["id"] = order.at("id");
    if (answer.ok()) {
      line["answer"] = *answer;
    } else {
      line["error"] = answer.error().message();
      line["code"] = std::string(ErrorCodeName(answer.error().code()));
    }
    Say(line);
  }

  Result<Json> Send(const Json& order) {
    const Context context;
    const std::string what = Text(order, "do");
    const std::string path = Text(order, "path");
    const Json body = order.contains("body") ? order.at("body") : Json();
    if (what == "get") return kube_.Get(context, path);
    if (what == "create") return kube_.Create(context, path, body);
    if (what == "update") return kube_.Update(context, path, body);
    if (what == "patch") return kube_.MergePatch(context, path, body);
    if (what == "apply") {
      return kube_.Apply(context, path, body, Text(order, "manager"),
                         BoolOf(Find(order, {"force"})).value_or(false));
    }
    if (what == "delete") {
      const Status deleted = kube_.Delete(context, path, Text(order, "uid"));
      if (!deleted.ok()) return deleted.error();
      return Json();
    }
    if (what == "list") {
      Result<std::vector<Json>> items = kube_.List(context, {.path = path});
      if (!items.ok()) return items.error();
      return Json(items->size());
    }
    return Error::Format(ErrorCode::kInvalid, "unknown command \"{}\"", what);
  }

  const SystemClock clock_;
  SystemRng rng_;
  Logger log_{LogLevel::kInfo, LogFormat::kJson};
  CurlClient curl_{{}};
  KubeClient kube_;
  WatchLoop loop_;
  Mutex mutex_;  // of standard output and objects_
  std::map<std::string, int> objects_ NODEKEEP_GUARDED_BY(mutex_);  // of each watch
  std::map<std::string, std::unique_ptr<Informer>> informers_;
  EventRecorder events_;
  std::vector<std::jthread> requests_;
};

int Run(const Arguments& arguments) {
  Result<KubeConnection> connection = ReadKubeconfig(arguments.kubeconfig);
  if (!connection.ok()) {
    std::cerr << "kube-probe: " << connection.error().message() << "\n";
    return 1;
  }
  Probe probe(*std::move(connection), arguments);
  for (std::string line; std::getline(std::cin, line);) {
    Result<Json> order = ParseJson(line);
    if (!order.ok()) {
      std::cerr << "kube-probe: " << order.error().message() << "\n";
      return 1;
    }
    probe.Do(*order);
  }
  return 0;
}

}  // namespace
}  // namespace nodekeep

int main(int argc, char** argv) {
  nodekeep::Arguments arguments;
  CLI::App app{"Calls a Kubernetes API server as the agent does"};
  app.add_option("--kubeconfig", arguments.kubeconfig)->required();
  app.add_option("--silence", arguments.silence_ms, "milliseconds until a watch is not trusted");
  app.add_option("--watch-for", arguments.watch_seconds, "minimum lifetime of a watch, in seconds");
  app.add_option("--request-timeout", arguments.request_ms, "milliseconds");
  CLI11_PARSE(app, argc, argv);
  return nodekeep::Run(arguments);
}

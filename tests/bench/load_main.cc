// Load generator for the benchmark table: a bare gRPC echo as the baseline, and a client of Mount.
//
//   bench-load echo --socket PATH --reply-bytes N [--files N]
//       Serves v1alpha1.CSIDriverProvider/Mount on PATH: every call gets the same reply.
//       The lower bound: the cost of gRPC itself on this machine for a reply of that size.
//   bench-load call --socket PATH --requests FILE [--callers N] [--repeat N]
//       FILE has one attributes text per line. Each line is mounted `repeat` times, all lines
//       spread over `callers` threads on one connection, as in the driver. Prints one JSON object.

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "agent/base/go_json.h"
#include "proto/provider.grpc.pb.h"

namespace nodekeep {
namespace {

using SteadyClock = std::chrono::steady_clock;

class Echo final : public v1alpha1::CSIDriverProvider::CallbackService {
 public:
  Echo(std::size_t bytes, std::size_t files) {
    for (std::size_t i = 0; i < files; ++i) {
      auto* file = reply_.add_files();
      file->set_path("object-" + std::to_string(i));
      file->set_mode(0644);
      file->set_contents(std::string(bytes / files, 'x'));
      auto* version = reply_.add_object_version();
      version->set_id(file->path());
      version->set_version(std::string(44, 'v'));
    }
  }

  grpc::ServerUnaryReactor* Mount(grpc::CallbackServerContext* context,
                                  const v1alpha1::MountRequest* request,
                                  v1alpha1::MountResponse* response) override {
    *response = reply_;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  v1alpha1::MountResponse reply_;
};

int ServeEcho(const std::string& socket, std::size_t bytes, std::size_t files) {
  Echo echo(bytes, files);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&echo);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "bench-load: cannot serve on " << socket << "\n";
    return 1;
  }
  std::cout << "ready" << std::endl;
  server->Wait();
  return 0;
}

struct Outcome {
  std::vector<double> milliseconds;
  std::size_t failed = 0;
  std::size_t files = 0;
  std::size_t reply_bytes = 0;
  std::string first_error;
};

double Percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * sorted.size()))];
}

Outcome CallAll(v1alpha1::CSIDriverProvider::Stub& stub, const std::vector<std::string>& lines,
                std::size_t total, std::atomic<std::size_t>& next) {
  Outcome outcome;
  for (std::size_t i = next++; i < total; i = next++) {
    v1alpha1::MountRequest request;
    request.set_attributes(lines[i % lines.size()]);
    request.set_secrets("null");
    request.set_permission("420");
    request.set_target_path("/bench/target");
    v1alpha1::MountResponse reply;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
    const auto begun = SteadyClock::now();
    const grpc::Status status = stub.Mount(&context, request, &reply);
    outcome.milliseconds.push_back(
        std::chrono::duration<double, std::milli>(SteadyClock::now() - begun).count());
    if (status.ok()) {
      outcome.files += static_cast<std::size_t>(reply.files_size());
      outcome.reply_bytes = reply.ByteSizeLong();
    } else {
      ++outcome.failed;
      if (outcome.first_error.empty()) outcome.first_error = status.error_message();
    }
  }
  return outcome;
}

int Call(const std::string& socket, const std::string& file, std::size_t callers,
         std::size_t repeat) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  if (lines.empty()) {
    std::cerr << "bench-load: " << file << " has no requests\n";
    return 1;
  }
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  auto stub = v1alpha1::CSIDriverProvider::NewStub(grpc::CreateCustomChannel(
      "unix:" + socket, grpc::InsecureChannelCredentials(), arguments));

  std::atomic<std::size_t> next = 0;
  std::vector<Outcome> outcomes(callers);
  const auto begun = SteadyClock::now();
  {
    std::vector<std::jthread> threads;
    for (Outcome& outcome : outcomes) {
      threads.emplace_back(
          [&] { outcome = CallAll(*stub, lines, lines.size() * repeat, next); });
    }
  }
  const double wall =
      std::chrono::duration<double, std::milli>(SteadyClock::now() - begun).count();

  Outcome all;
  for (Outcome& one : outcomes) {
    all.milliseconds.insert(all.milliseconds.end(), one.milliseconds.begin(),
                            one.milliseconds.end());
    all.failed += one.failed;
    all.files += one.files;
    all.reply_bytes = std::max(all.reply_bytes, one.reply_bytes);
    if (all.first_error.empty()) all.first_error = one.first_error;
  }
  std::sort(all.milliseconds.begin(), all.milliseconds.end());
  std::cout << fmt::format(
                   R"({{"calls":{},"failed":{},"files":{},"reply_bytes":{},"wall_ms":{:.3f},)"
                   R"("best_ms":{:.4f},"p50_ms":{:.4f},"p99_ms":{:.4f},"first_error":{}}})",
                   all.milliseconds.size(), all.failed, all.files, all.reply_bytes, wall,
                   Percentile(all.milliseconds, 0), Percentile(all.milliseconds, 0.5),
                   Percentile(all.milliseconds, 0.99), GoJsonString(all.first_error))
            << std::endl;
  return 0;
}

}  // namespace
}  // namespace nodekeep

int main(int argc, char** argv) {
  CLI::App app{"Load generator for nodekeep's benchmark table"};
  app.require_subcommand(1);
  std::string socket;
  std::size_t reply_bytes = 1024;
  std::size_t files = 10;
  CLI::App* echo = app.add_subcommand("echo", "serve a bare echo");
  echo->add_option("--socket", socket)->required();
  echo->add_option("--reply-bytes", reply_bytes);
  echo->add_option("--files", files);

  std::string requests;
  std::size_t callers = 1;
  std::size_t repeat = 1;
  CLI::App* call = app.add_subcommand("call", "call Mount");
  call->add_option("--socket", socket)->required();
  call->add_option("--requests", requests)->required();
  call->add_option("--callers", callers);
  call->add_option("--repeat", repeat);
  CLI11_PARSE(app, argc, argv);
  if (echo->parsed()) return nodekeep::ServeEcho(socket, reply_bytes, files);
  return nodekeep::Call(socket, requests, callers, repeat);
}

// A minimal client of the provider protocol: mounts one SecretProviderClass into a directory,
// through the provider's socket, as secrets-store-csi-driver does for a pod.
//
//   csi-driver --socket-dir DIR --class spc.yaml --target DIR [--namespace N --pod P
//              --service-account S --token-file AUDIENCE=FILE]

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "agent/app/spc_manifest.h"
#include "agent/base/clock.h"
#include "agent/base/jwt.h"
#include "agent/sink/atomic_writer.h"
#include "proto/provider.grpc.pb.h"
#include "tests/driver/driver_attributes.h"

namespace nodekeep {
namespace {

struct Arguments {
  std::string socket_dir;
  std::string class_file;
  std::string class_name;
  std::string target;
  std::string namespace_name = "default";
  std::string pod = "demo";
  std::string service_account = "default";
  std::vector<std::string> token_files;
};

Identity IdentityOf(const Arguments& arguments, WallTime now) {
  Identity pod;
  pod.namespace_name = arguments.namespace_name;
  pod.pod = {arguments.pod, "00000000-0000-0000-0000-" + std::string(12, '1')};
  pod.service_account = arguments.service_account;
  for (const std::string& text : arguments.token_files) {
    const std::size_t equals = text.find('=');
    std::ifstream in(text.substr(equals + 1));
    std::stringstream token;
    token << in.rdbuf();
    const Result<JwtClaims> claims = ReadJwtClaims(token.str());
    const WallTime expires =
        claims.ok() && claims->expires ? *claims->expires : now + std::chrono::hours(1);
    pod.tokens[text.substr(0, equals)] = {SecretBytes(token.str()), expires};
  }
  return pod;
}

int Fail(const std::string& message) {
  std::cerr << "csi-driver: " << message << "\n";
  return 1;
}

int Mount(const Arguments& arguments) {
  const SystemClock clock;
  Result<SpcManifest> manifest = LoadManifest(arguments.class_file, arguments.class_name);
  if (!manifest.ok()) return Fail(manifest.error().message());

  // Driver v1.6.0 sends this authority for every socket path.
  grpc::ChannelArguments channel_arguments;
  channel_arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  const std::string socket = arguments.socket_dir + "/" + manifest->provider + ".sock";
  auto stub = v1alpha1::CSIDriverProvider::NewStub(grpc::CreateCustomChannel(
      "unix:" + socket, grpc::InsecureChannelCredentials(), channel_arguments));

  MountRequest mount;
  mount.parameters = manifest->parameters;
  mount.identity = IdentityOf(arguments, clock.Wall());
  v1alpha1::MountRequest request;
  request.set_attributes(std::string(DriverAttributes(mount, manifest->name).Reveal()));
  request.set_secrets("null");
  request.set_permission(std::string(kDriverPermission));
  request.set_target_path(arguments.target);
  v1alpha1::MountResponse reply;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
  const grpc::Status status = stub->Mount(&context, request, &reply);
  if (!status.ok()) {
    return Fail("failed to mount secrets store objects for pod " + arguments.namespace_name + "/" +
                arguments.pod + ", err: " + status.error_message());
  }
  if (reply.object_version_size() == 0) return Fail("missing object versions");

  std::vector<BundleFile> files;
  for (const auto& file : reply.files()) {
    files.push_back({file.path(), static_cast<std::uint32_t>(file.mode()),
                     SecretBytes(file.contents())});
  }
  std::filesystem::create_directories(arguments.target);
  Result<WriteOutcome> written = AtomicWriter(arguments.target, clock).Write(files);
  if (!written.ok()) return Fail(written.error().message());
  std::cout << files.size() << " files, " << (written->changed ? "changed" : "unchanged") << "\n";
  return 0;
}

}  // namespace
}  // namespace nodekeep

int main(int argc, char** argv) {
  nodekeep::Arguments arguments;
  CLI::App app{"Mounts a SecretProviderClass as the Secrets Store CSI driver does"};
  app.add_option("--socket-dir", arguments.socket_dir, "where the provider sockets are")
      ->required();
  app.add_option("--class", arguments.class_file, "manifest of the SecretProviderClass")
      ->required();
  app.add_option("--name", arguments.class_name, "which class, when the manifest has several");
  app.add_option("--target", arguments.target, "directory that serves as the volume")->required();
  app.add_option("--namespace", arguments.namespace_name);
  app.add_option("--pod", arguments.pod);
  app.add_option("--service-account", arguments.service_account);
  app.add_option("--token-file", arguments.token_files, "AUDIENCE=FILE");
  CLI11_PARSE(app, argc, argv);
  return nodekeep::Mount(arguments);
}

#include "csi/foreign_providers.h"

#include <sys/stat.h>

#include "agent/base/go_json.h"
#include "agent/base/mutex.h"
#include "agent/rpc/status.h"
#include "csi/attributes.h"
#include "csi/reply_limit.h"
#include "proto/provider.grpc.pb.h"

namespace nodekeep {
namespace {

// A JSON object of strings with sorted keys, as Go encodes it.
SecretBytes JsonOf(const std::map<std::string, std::string_view>& texts) {
  GoJsonObject json;
  for (const auto& [key, value] : texts) json.String(key, value);
  return json.Finish();
}

v1alpha1::MountRequest RequestOf(const SecretProviderClass& spc, const Volume& volume,
                                 const std::vector<ObjectVersion>* known) {
  v1alpha1::MountRequest request;
  const std::map<std::string, std::string> own = MergedAttributes(spc, volume);
  std::map<std::string, std::string_view> attributes(own.begin(), own.end());
  if (!volume.tokens.empty()) attributes[std::string(kTokensAttribute)] = volume.tokens.Reveal();
  request.set_attributes(std::string(JsonOf(attributes).Reveal()));
  std::map<std::string, std::string_view> secrets;
  for (const auto& [key, value] : volume.secrets) secrets[key] = value.Reveal();
  request.set_secrets(secrets.empty() ? "null" : std::string(JsonOf(secrets).Reveal()));
  request.set_target_path(volume.target_path);
  request.set_permission(std::string(kDriverPermission));
  for (const ObjectVersion& version : known != nullptr ? *known : std::vector<ObjectVersion>()) {
    auto* entry = request.add_current_object_version();
    entry->set_id(version.id);
    entry->set_version(version.version);
  }
  return request;
}

Error ErrorOf(const std::string& provider, const std::string& socket, const grpc::Status& status) {
  std::string hint;
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    hint = fmt::format("; its answer must stay below {} bytes: split the class", kMaxReplyBytes);
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    hint = fmt::format("; check that provider \"{}\" runs on this node and serves {}", provider,
                       socket);
  }
  return Error::Format(ErrorCodeOf(status.error_code()), "{}{}", status.error_message(), hint);
}

VolumeContent ContentOf(v1alpha1::MountResponse& reply) {
  VolumeContent content;
  // If an id occurs twice, the last version counts.
  std::map<std::string, std::string> versions;
  for (const auto& version : reply.object_version()) versions[version.id()] = version.version();
  for (auto& [id, version] : versions) content.bundle.versions.push_back({id, version});
  for (auto& file : *reply.mutable_files()) {
    content.bundle.files.push_back({file.path(), static_cast<std::uint32_t>(file.mode()) & 0777,
                                    SecretBytes::MoveFrom(std::move(*file.mutable_contents()))});
  }
  content.untouched = content.bundle.files.empty();
  return content;
}

}  // namespace

ForeignProviders::ForeignProviders(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

Fetched ForeignProviders::Fetch(const Context& context, const SecretProviderClass& spc,
                                const Volume& volume, const std::vector<ObjectVersion>* known) {
  Result<std::string> socket = SocketOf(spc.provider);
  if (!socket.ok()) return {socket.error(), ""};
  const v1alpha1::MountRequest request = RequestOf(spc, volume, known);
  v1alpha1::MountResponse reply;
  const SteadyTime deadline = clock_.Now() + std::min(options_.budget, context.Remaining(clock_));
  const grpc::Status status = Ask(context.WithDeadline(deadline), *socket, request, reply);
  if (!status.ok()) return {ErrorOf(spc.provider, *socket, status), "GRPCProviderError"};
  if (!reply.error().code().empty()) {
    return {Error::Format(ErrorCode::kPrecondition,
                          "mount request failed with provider error code {}", reply.error().code()),
            reply.error().code()};
  }
  if (reply.object_version().empty()) {
    return {Error::Format(ErrorCode::kInternal,
                          "missing object versions: provider \"{}\" returned none", spc.provider),
            "GRPCProviderError"};
  }
  return {ContentOf(reply), ""};
}

grpc::Status ForeignProviders::Ask(const Context& context, const std::string& socket,
                                   const v1alpha1::MountRequest& request,
                                   v1alpha1::MountResponse& reply) {
  for (bool again = false;; again = true) {
    const auto [channel, used_before] = ChannelTo(socket);
    reply.Clear();
    grpc::ClientContext call;
    call.set_wait_for_ready(true);
    call.set_deadline(std::chrono::system_clock::now() + context.Remaining(clock_));
    const std::stop_callback cancel(context.stop(), [&call] { call.TryCancel(); });
    grpc::Status status =
        v1alpha1::CSIDriverProvider::NewStub(channel)->Mount(&call, request, &reply);
    if (status.ok() || context.stop().stop_requested()) return status;
    Forget(socket, channel);
    // The provider may have restarted since the last request, which left a connection to the old
    // process. Retried once only: concurrent calls replace the channel meanwhile, and the provider
    // may really be unavailable.
    if (again || !used_before || status.error_code() != grpc::StatusCode::UNAVAILABLE)
      return status;
  }
}

Result<std::string> ForeignProviders::SocketOf(const std::string& provider) const {
  if (!IsProviderName(provider)) {
    return Error::Format(ErrorCode::kInvalid,
                         "invalid provider: provider \"{}\"; a name has at most 30 letters, "
                         "digits, - and _",
                         provider);
  }
  std::string looked;
  for (const std::string& directory : options_.directories) {
    const std::string path = directory + "/" + provider + ".sock";
    struct stat found;
    if (stat(path.c_str(), &found) == 0) return path;
    looked += (looked.empty() ? "" : ", ") + path;
  }
  return Error::Format(ErrorCode::kPrecondition,
                       "provider not found: provider \"{}\"; enable it in the agent "
                       "(providers.enabled), or install it: looked for {}",
                       provider, looked);
}

std::pair<std::shared_ptr<grpc::Channel>, bool> ForeignProviders::ChannelTo(
    const std::string& path) {
  MutexLock lock(mutex_);
  std::shared_ptr<grpc::Channel>& channel = channels_[path];
  const bool used_before = channel != nullptr;
  if (!used_before) {
    grpc::ChannelArguments arguments;
    // As the upstream driver sends it; its mock provider refuses any other
    // (docs/protocol/csi-provider.md, "Authority").
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxReplyBytes));
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
    channel =
        grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments);
  }
  return {channel, used_before};
}

void ForeignProviders::Forget(const std::string& path,
                              const std::shared_ptr<grpc::Channel>& channel) {
  MutexLock lock(mutex_);
  const auto known = channels_.find(path);
  if (known != channels_.end() && known->second == channel) channels_.erase(known);
}

}  // namespace nodekeep

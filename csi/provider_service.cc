#include "csi/provider_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "agent/rpc/status.h"
#include "csi/attributes.h"
#include "csi/csi_status.h"

namespace nodekeep {
namespace {

constexpr std::size_t kNamedInTooLarge = 3;
constexpr std::size_t kMaxInlineBytes = 64 << 10;

Error TooLarge(const Bundle& bundle, std::size_t total, std::size_t max_bytes) {
  std::vector<const BundleFile*> files;
  for (const BundleFile& file : bundle.files) files.push_back(&file);
  std::sort(files.begin(), files.end(), [](const BundleFile* a, const BundleFile* b) {
    return a->contents.size() > b->contents.size();
  });
  if (files.size() > kNamedInTooLarge) files.resize(kNamedInTooLarge);
  std::string largest;
  for (const BundleFile* file : files) {
    largest += fmt::format("{}\"{}\" ({} bytes)", largest.empty() ? "" : ", ", file->path,
                           file->contents.size());
  }
  return Error::Format(ErrorCode::kTooLarge,
                       "the volume would be {} bytes, the driver accepts {}; largest objects: {}; "
                       "split them over several SecretProviderClasses, or raise the driver's "
                       "--max-call-recv-msg-size and then providerDoor.maxReplyBytes",
                       total, max_bytes, largest);
}

}  // namespace

Result<v1alpha1::MountResponse> ReplyOf(Bundle bundle, std::size_t max_bytes) {
  v1alpha1::MountResponse reply;
  for (const ObjectVersion& version : bundle.versions) {
    auto* out = reply.add_object_version();
    out->set_id(version.id);
    out->set_version(version.version);
  }
  std::size_t contents = 0;
  for (const BundleFile& file : bundle.files) contents += file.contents.size();
  if (contents > max_bytes) return TooLarge(bundle, contents, max_bytes);
  for (const BundleFile& file : bundle.files) {
    auto* out = reply.add_files();
    out->set_path(file.path);
    out->set_mode(static_cast<int>(file.mode));
    const std::string_view bytes = file.contents.Reveal();
    out->set_contents(bytes.data(), bytes.size());
  }
  if (const std::size_t total = reply.ByteSizeLong(); total > max_bytes) {
    return TooLarge(bundle, total, max_bytes);
  }
  return reply;
}

namespace {

Status PutBundle(Bundle bundle, std::size_t max_bytes, v1alpha1::MountResponse& response) {
  Result<v1alpha1::MountResponse> reply = ReplyOf(std::move(bundle), max_bytes);
  if (!reply.ok()) return reply.error();
  response = *std::move(reply);
  return {};
}

}  // namespace

ProviderService::ProviderService(Options options, MountService& mounts, WorkerPool& pool,
                                 const Clock& clock)
    : provider_(std::move(options.provider)),
      runtime_name_(std::move(options.runtime_name)),
      version_(std::move(options.version)),
      max_reply_bytes_(options.max_reply_bytes),
      mounts_(mounts),
      on_exception_(std::move(options.on_exception)),
      calls_({.budget = options.budget, .status_of = CsiStatusOf}, pool, clock) {}

grpc::ServerUnaryReactor* ProviderService::Version(grpc::CallbackServerContext* context,
                                                   const v1alpha1::VersionRequest* request,
                                                   v1alpha1::VersionResponse* response) {
  response->set_version("v1alpha1");
  response->set_runtime_name(runtime_name_);
  response->set_runtime_version(version_);
  return FinishNow(context, grpc::Status::OK);
}

Result<MountRequest> ProviderService::Read(const v1alpha1::MountRequest& request) const {
  Result<MountRequest> read = ReadMountRequest(provider_, request.attributes(), request.secrets(),
                                               request.permission(), request.target_path());
  // Drivers from v1.6 on send no versions for a rotation either
  // (docs/protocol/csi-provider.md, "Service and messages").
  if (read.ok()) {
    read->at_start = request.current_object_version().empty() && !mounts_.HasServed(*read);
  }
  return read;
}

std::optional<Status> ProviderService::ServeFromMemory(Result<MountRequest>& request,
                                                       v1alpha1::MountResponse& response) {
  if (!request.ok()) return std::nullopt;  // answered by the pool, as every error
  std::optional<Result<Bundle>> bundle = mounts_.MountFromMemory(*request);
  if (!bundle) return std::nullopt;
  return bundle->ok() ? PutBundle(**std::move(bundle), max_reply_bytes_, response)
                      : bundle->error();
}

grpc::ServerUnaryReactor* ProviderService::Mount(grpc::CallbackServerContext* context,
                                                 const v1alpha1::MountRequest* request,
                                                 v1alpha1::MountResponse* response) {
  return Guarded(context, on_exception_, [&] {
    // Shared, because std::function is copyable. Parsed here or, if large, on the pool.
    auto read = std::make_shared<std::optional<Result<MountRequest>>>();
    if (calls_.tracker().accepting() && request->attributes().size() <= kMaxInlineBytes) {
      *read = Read(*request);
      // FinishNow ends the call on this thread; a call on the pool needs one more thread switch.
      if (const std::optional<Status> done = ServeFromMemory(**read, *response)) {
        return FinishNow(context, done->ok() ? grpc::Status::OK : CsiStatusOf(done->error()));
      }
    }
    const std::string namespace_name = NamespaceForShares(request->attributes());
    return calls_.Run(context, namespace_name, [this, request, read, response](const Context& own) {
      if (!*read) *read = Read(*request);
      Result<Bundle> bundle = mounts_.Mount(own, provider_, *std::move(*read));
      if (!bundle.ok()) return Status(bundle.error());
      return PutBundle(*std::move(bundle), max_reply_bytes_, *response);
    });
  });
}

void ProviderService::StopAccepting() { calls_.tracker().StopAccepting(); }

void ProviderService::Drain(SteadyTime deadline) { calls_.tracker().Drain(deadline); }

}  // namespace nodekeep

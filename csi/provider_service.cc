#include "csi/provider_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/base/on_exit.h"
#include "agent/rpc/status.h"
#include "csi/csi_status.h"

namespace nodekeep {
namespace {

constexpr std::size_t kNamedInTooLarge = 3;
constexpr std::size_t kMaxInlineBytes = 64 << 10;

// How long the mounts that were told to give up may take to do so.
constexpr Duration kGiveUp = std::chrono::seconds(5);

Error TooLarge(const Bundle& bundle, std::size_t total) {
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
                       "split them over several SecretProviderClasses",
                       total, kMaxReplyBytes, largest);
}

}  // namespace

Result<v1alpha1::MountResponse> ReplyOf(Bundle bundle) {
  v1alpha1::MountResponse reply;
  for (const ObjectVersion& version : bundle.versions) {
    auto* out = reply.add_object_version();
    out->set_id(version.id);
    out->set_version(version.version);
  }
  std::size_t contents = 0;
  for (const BundleFile& file : bundle.files) contents += file.contents.size();
  if (contents > kMaxReplyBytes) return TooLarge(bundle, contents);
  for (const BundleFile& file : bundle.files) {
    auto* out = reply.add_files();
    out->set_path(file.path);
    out->set_mode(static_cast<int>(file.mode));
    const std::string_view bytes = file.contents.Reveal();
    out->set_contents(bytes.data(), bytes.size());
  }
  if (const std::size_t total = reply.ByteSizeLong(); total > kMaxReplyBytes) {
    return TooLarge(bundle, total);
  }
  return reply;
}

std::string RuntimeNameOf(const std::string& provider) {
  // dialects.md 0.2.
  if (provider == "akeyless" || provider == "vault") return provider + "-csi-provider";
  if (provider == "aws" || provider == "azure" || provider == "gcp") {
    return "secrets-store-csi-driver-provider-" + provider;
  }
  return "nodekeep-" + provider;
}

namespace {

grpc::Status PutBundle(Bundle bundle, v1alpha1::MountResponse& response) {
  Result<v1alpha1::MountResponse> reply = ReplyOf(std::move(bundle));
  if (!reply.ok()) return CsiStatusOf(reply.error());
  response = *std::move(reply);
  return grpc::Status::OK;
}

}  // namespace

// One mount on its way. Deletes itself when gRPC is done with it.
class ProviderService::MountCall final : public grpc::ServerUnaryReactor {
 public:
  MountCall(ProviderService& service, bool accepted, grpc::CallbackServerContext* context,
            const v1alpha1::MountRequest* request, v1alpha1::MountResponse* response)
      : service_(service),
        accepted_(accepted),
        request_(request),
        response_(response),
        context_(DeadlineOf(*context, service.clock_, service.budget_), stop_.get_token()),
        on_drain_(service.stop_.get_token(), [this] { stop_.request_stop(); }) {}

  void Run() {
    const OnThrow unanswered([this] { Finish(UnexpectedStatus()); });
    Result<Bundle> bundle = service_.road_.Mount(context_, service_.RequestOf(*request_));
    if (!bundle.ok()) return Fail(bundle.error());
    Finish(PutBundle(*std::move(bundle), *response_));
  }

  void Fail(const Error& error) {
    if (service_.stop_.stop_requested() && MayComeFromStop(error.code())) {
      return Finish({grpc::StatusCode::UNAVAILABLE, "the agent is stopping"});
    }
    Finish(CsiStatusOf(error));
  }

  void OnCancel() override { stop_.request_stop(); }

  void OnDone() override {
    ProviderService& service = service_;
    const bool accepted = accepted_;
    delete this;
    std::unique_lock lock(service.mutex_);
    --service.in_flight_;
    if (accepted) --service.accepted_;
    service.changed_.notify_all();
  }

 private:
  ProviderService& service_;
  const bool accepted_;
  const v1alpha1::MountRequest* const request_;
  v1alpha1::MountResponse* const response_;
  std::stop_source stop_;
  const Context context_;
  const std::stop_callback<std::function<void()>> on_drain_;
};

ProviderService::ProviderService(std::string provider, std::string version, MountRoad& road,
                                 WorkerPool& pool, const Clock& clock, Duration budget,
                                 ExceptionReporter on_exception)
    : provider_(std::move(provider)),
      version_(std::move(version)),
      road_(road),
      pool_(pool),
      clock_(clock),
      budget_(budget),
      on_exception_(std::move(on_exception)) {}

ProviderService::~ProviderService() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return in_flight_ == 0; });
}

grpc::ServerUnaryReactor* ProviderService::Version(grpc::CallbackServerContext* context,
                                                   const v1alpha1::VersionRequest* request,
                                                   v1alpha1::VersionResponse* response) {
  response->set_version("v1alpha1");
  response->set_runtime_name(RuntimeNameOf(provider_));
  response->set_runtime_version(version_);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

MountRoad::Request ProviderService::RequestOf(const v1alpha1::MountRequest& request) const {
  MountRoad::Request values;
  values.provider = provider_;
  values.attributes = request.attributes();
  values.secrets = request.secrets();
  values.permission = request.permission();
  values.target_path = request.target_path();
  return values;
}

std::optional<grpc::Status> ProviderService::ServeFromMemory(const v1alpha1::MountRequest& request,
                                                             v1alpha1::MountResponse& response) {
  // A request of this size has more objects than are served here; reading it twice is a waste.
  if (request.attributes().size() > kMaxInlineBytes) return std::nullopt;
  std::optional<Result<Bundle>> bundle = road_.MountFromMemory(RequestOf(request));
  if (!bundle) return std::nullopt;
  return bundle->ok() ? PutBundle(**std::move(bundle), response) : CsiStatusOf(bundle->error());
}

grpc::ServerUnaryReactor* ProviderService::Mount(grpc::CallbackServerContext* context,
                                                 const v1alpha1::MountRequest* request,
                                                 v1alpha1::MountResponse* response) {
  return Guarded(context, on_exception_, [&]() -> grpc::ServerUnaryReactor* {
    // gRPC's own reactor: it is done with on this very thread, ours only after one more switch.
    if (Accepting()) {
      if (std::optional<grpc::Status> status = ServeFromMemory(*request, *response)) {
        grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
        reactor->Finish(*std::move(status));
        return reactor;
      }
    }
    return Start(context, request, response);
  });
}

grpc::ServerUnaryReactor* ProviderService::Start(grpc::CallbackServerContext* context,
                                                 const v1alpha1::MountRequest* request,
                                                 v1alpha1::MountResponse* response) {
  bool accepted = false;
  {
    std::unique_lock lock(mutex_);
    accepted = accepting_;
    ++in_flight_;
    if (accepted) ++accepted_;
  }
  auto* call = new MountCall(*this, accepted, context, request, response);
  if (!accepted) {
    call->Finish({grpc::StatusCode::UNAVAILABLE, "the agent is stopping"});
    return call;
  }
  Status posted = pool_.Post([call] { call->Run(); });
  if (!posted.ok()) call->Fail(posted.error());
  return call;
}

bool ProviderService::Accepting() {
  std::unique_lock lock(mutex_);
  return accepting_;
}

void ProviderService::StopAccepting() {
  std::unique_lock lock(mutex_);
  accepting_ = false;
}

void ProviderService::Drain(SteadyTime deadline) {
  const auto answered = [this] { return accepted_ == 0; };
  {
    std::unique_lock lock(mutex_);
    clock_.WaitUntil(lock, changed_, {}, deadline, answered);
  }
  stop_.request_stop();
  // Not for ever: an answer that a peer does not read is never sent.
  std::unique_lock lock(mutex_);
  clock_.WaitUntil(lock, changed_, {}, clock_.Now() + kGiveUp, answered);
}

}  // namespace nodekeep

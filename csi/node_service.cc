#include "csi/node_service.h"

#include <sys/statvfs.h>

#include <charconv>

#include "agent/base/utf8.h"
#include "agent/rpc/status.h"
#include "csi/attributes.h"
#include "csi/csi_status.h"

namespace nodekeep {
namespace {

constexpr std::size_t kUnpublishThreads = 32;

Error Missing(std::string text) { return Error(ErrorCode::kInvalid, std::move(text)); }

CallRunner::Options CallOptions(Duration budget) {
  return {.budget = budget,
          .status_of = CsiStatusOf,
          // Kubelet retries, and no volume was changed.
          .status_when_pool_refuses = [](const Error& error) {
            return CsiStatus(grpc::StatusCode::UNAVAILABLE, error);
          }};
}

Result<std::optional<gid_t>> ReadGroup(const std::string& text) {
  if (text.empty()) return std::optional<gid_t>();
  gid_t group = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), group);
  if (failure != std::errc() || end != text.data() + text.size()) {
    return Error::Format(ErrorCode::kInvalid, "volume_mount_group \"{}\" is not a group id", text);
  }
  return std::optional<gid_t>(group);
}

void AddUsage(csi::v1::NodeGetVolumeStatsResponse& response, csi::v1::VolumeUsage::Unit unit,
              std::uint64_t total, std::uint64_t available, std::uint64_t scale) {
  csi::v1::VolumeUsage& usage = *response.add_usage();
  usage.set_unit(unit);
  usage.set_total(static_cast<std::int64_t>(total * scale));
  usage.set_available(static_cast<std::int64_t>(available * scale));
  usage.set_used(static_cast<std::int64_t>((total - available) * scale));
}

}  // namespace

Result<VolumePtr> ReadPublish(const csi::v1::NodePublishVolumeRequest& request) {
  if (!request.has_volume_capability()) return Missing("Volume capability missing in request");
  if (request.volume_id().empty()) return Missing("Volume ID missing in request");
  if (request.target_path().empty()) return Missing("Target path missing in request");
  if (request.volume_context().empty()) return Missing("Volume attributes missing in request");
  if (Status plain = CheckTargetPath(request.target_path()); !plain.ok()) return plain.error();
  auto group = ReadGroup(request.volume_capability().mount().volume_mount_group());
  if (!group.ok()) return group.error();

  auto volume = std::make_shared<Volume>();
  volume->id = request.volume_id();
  volume->target_path = request.target_path();
  volume->group = *group;
  volume->read_only = request.readonly();
  for (const auto& [key, value] : request.volume_context()) {
    if (key == kTokensAttribute) {
      volume->tokens = SecretBytes(value);
    } else {
      volume->attributes[key] = value;
    }
  }
  // Since Kubernetes 1.35 tokens may come this way, and then they take precedence
  // (docs/protocol/csi-provider.md, "Attributes and secrets").
  for (const auto& [key, value] : request.secrets()) {
    if (key == kTokensAttribute) {
      volume->tokens = SecretBytes(value);
    } else {
      volume->secrets[key] = SecretBytes(value);
    }
  }
  VolumeFacts facts = ReadVolumeFacts(volume->attributes);
  volume->class_name = std::move(facts.class_name);
  volume->namespace_name = std::move(facts.namespace_name);
  volume->pod = std::move(facts.pod);
  volume->pod_uid = std::move(facts.pod_uid);
  volume->service_account = std::move(facts.service_account);
  return VolumePtr(std::move(volume));
}

NodeService::NodeService(Options options, VolumeService& volumes, VolumeRegistry& registry,
                         WorkerPool& pool, const Clock& clock)
    : options_(std::move(options)),
      volumes_(volumes),
      registry_(registry),
      unpublish_pool_({.max_threads = kUnpublishThreads,
                       .name = "unpublish-pool",
                       .on_exception = options_.on_exception}),
      unpublishes_(CallOptions(options_.budget), unpublish_pool_, clock),
      publishes_(CallOptions(options_.budget), pool, clock) {}

grpc::ServerUnaryReactor* NodeService::NodePublishVolume(
    grpc::CallbackServerContext* context, const csi::v1::NodePublishVolumeRequest* request,
    csi::v1::NodePublishVolumeResponse* response) {
  return Guarded(context, options_.on_exception, [&] {
    Result<VolumePtr> volume = ReadPublish(*request);
    if (!volume.ok()) return FinishNow(context, CsiStatusOf(volume.error()));
    if (volumes_.PublishAgain(*volume)) return FinishNow(context, grpc::Status::OK);
    // Kubelet always sends one; "" would be the share of the node itself.
    const std::string namespace_name =
        (*volume)->namespace_name.empty() ? "(unknown)" : (*volume)->namespace_name;
    return publishes_.Run(context, namespace_name,
                          [this, volume = *std::move(volume)](const Context& own) {
                            return volumes_.Publish(own, volume);
                          });
  });
}

grpc::ServerUnaryReactor* NodeService::NodeUnpublishVolume(
    grpc::CallbackServerContext* context, const csi::v1::NodeUnpublishVolumeRequest* request,
    csi::v1::NodeUnpublishVolumeResponse* response) {
  return Guarded(context, options_.on_exception, [&] {
    if (request->volume_id().empty()) {
      return FinishNow(context, CsiStatusOf(Missing("Volume ID missing in request")));
    }
    if (request->target_path().empty()) {
      return FinishNow(context, CsiStatusOf(Missing("Target path missing in request")));
    }
    if (Status plain = CheckTargetPath(request->target_path()); !plain.ok()) {
      return FinishNow(context, CsiStatusOf(plain.error()));
    }
    return unpublishes_.Run(context, "", [this, path = request->target_path()](const Context& own) {
      return volumes_.Unpublish(own, path);
    });
  });
}

grpc::ServerUnaryReactor* NodeService::NodeGetVolumeStats(
    grpc::CallbackServerContext* context, const csi::v1::NodeGetVolumeStatsRequest* request,
    csi::v1::NodeGetVolumeStatsResponse* response) {
  return Guarded(context, options_.on_exception, [&] {
    if (request->volume_id().empty()) {
      return FinishNow(context, CsiStatusOf(Missing("Volume ID missing in request")));
    }
    if (request->volume_path().empty()) {
      return FinishNow(context, CsiStatusOf(Missing("Volume path missing in request")));
    }
    const std::optional<VolumeRecord> record = registry_.Find(request->volume_path());
    struct statvfs usage;
    if (!record || statvfs(request->volume_path().c_str(), &usage) != 0) {
      return FinishNow(context, CsiStatusOf(Error::Format(ErrorCode::kNotFound,
                                                          "\"{}\" is not a volume of this driver",
                                                          Excerpt(request->volume_path()))));
    }
    AddUsage(*response, csi::v1::VolumeUsage::BYTES, usage.f_blocks, usage.f_bavail,
             usage.f_frsize);
    AddUsage(*response, csi::v1::VolumeUsage::INODES, usage.f_files, usage.f_ffree, 1);
    csi::v1::VolumeCondition& condition = *response->mutable_volume_condition();
    condition.set_abnormal(!record->state.error.empty());
    condition.set_message(ConditionOf(record->state));
    return FinishNow(context, grpc::Status::OK);
  });
}

grpc::ServerUnaryReactor* NodeService::NodeGetCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::NodeGetCapabilitiesRequest* request,
    csi::v1::NodeGetCapabilitiesResponse* response) {
  using RPC = csi::v1::NodeServiceCapability::RPC;
  for (const RPC::Type type :
       {RPC::GET_VOLUME_STATS, RPC::VOLUME_CONDITION, RPC::VOLUME_MOUNT_GROUP}) {
    response->add_capabilities()->mutable_rpc()->set_type(type);
  }
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* NodeService::NodeGetInfo(grpc::CallbackServerContext* context,
                                                   const csi::v1::NodeGetInfoRequest* request,
                                                   csi::v1::NodeGetInfoResponse* response) {
  response->set_node_id(options_.node_name);
  return FinishNow(context, grpc::Status::OK);
}

void NodeService::Stop(SteadyTime deadline) {
  publishes_.tracker().StopAccepting();
  unpublishes_.tracker().StopAccepting();
  publishes_.tracker().Drain(deadline);
  unpublishes_.tracker().Drain(deadline);
}

}  // namespace nodekeep

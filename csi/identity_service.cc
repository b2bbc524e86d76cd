#include "csi/identity_service.h"

#include "csi/wire_status.h"

namespace nodekeep {
namespace {

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, grpc::Status status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(std::move(status));
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* IdentityService::GetPluginInfo(
    grpc::CallbackServerContext* context, const csi::v1::GetPluginInfoRequest* request,
    csi::v1::GetPluginInfoResponse* response) {
  response->set_name(driver_name_);
  response->set_vendor_version(version_);
  return Finish(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* IdentityService::GetPluginCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::GetPluginCapabilitiesRequest* request,
    csi::v1::GetPluginCapabilitiesResponse* response) {
  return Finish(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* IdentityService::Probe(grpc::CallbackServerContext* context,
                                                 const csi::v1::ProbeRequest* request,
                                                 csi::v1::ProbeResponse* response) {
  response->mutable_ready()->set_value(ready_().ok());
  return Finish(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControllerService::ControllerGetCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::ControllerGetCapabilitiesRequest* request,
    csi::v1::ControllerGetCapabilitiesResponse* response) {
  response->add_capabilities()->mutable_rpc();
  return Finish(context, grpc::Status::OK);
}

}  // namespace nodekeep

#include "csi/identity_service.h"

#include "agent/rpc/status.h"

namespace nodekeep {
grpc::ServerUnaryReactor* IdentityService::GetPluginInfo(
    grpc::CallbackServerContext* context, const csi::v1::GetPluginInfoRequest* request,
    csi::v1::GetPluginInfoResponse* response) {
  response->set_name(driver_name_);
  response->set_vendor_version(version_);
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* IdentityService::GetPluginCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::GetPluginCapabilitiesRequest* request,
    csi::v1::GetPluginCapabilitiesResponse* response) {
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* IdentityService::Probe(grpc::CallbackServerContext* context,
                                                 const csi::v1::ProbeRequest* request,
                                                 csi::v1::ProbeResponse* response) {
  response->mutable_ready()->set_value(ready_().ok());
  return FinishNow(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControllerService::ControllerGetCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::ControllerGetCapabilitiesRequest* request,
    csi::v1::ControllerGetCapabilitiesResponse* response) {
  response->add_capabilities()->mutable_rpc();
  return FinishNow(context, grpc::Status::OK);
}

}  // namespace nodekeep

#pragma once

// csi.v1.Identity, and the one call of csi.v1.Controller that csi-sanity requires.
//
// Thread-safe.

#include <functional>
#include <string>

#include "agent/base/result.h"
#include "proto/csi.grpc.pb.h"

namespace nodekeep {

class IdentityService final : public csi::v1::Identity::CallbackService {
 public:
  // `ready`: thread-safe; whether a publish can be expected to succeed.
  IdentityService(std::string driver_name, std::string version, std::function<Status()> ready)
      : driver_name_(std::move(driver_name)),
        version_(std::move(version)),
        ready_(std::move(ready)) {}

  grpc::ServerUnaryReactor* GetPluginInfo(grpc::CallbackServerContext* context,
                                          const csi::v1::GetPluginInfoRequest* request,
                                          csi::v1::GetPluginInfoResponse* response) override;
  // Returns none: there is no controller, and inline volumes cannot be expanded.
  grpc::ServerUnaryReactor* GetPluginCapabilities(
      grpc::CallbackServerContext* context, const csi::v1::GetPluginCapabilitiesRequest* request,
      csi::v1::GetPluginCapabilitiesResponse* response) override;
  grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context,
                                  const csi::v1::ProbeRequest* request,
                                  csi::v1::ProbeResponse* response) override;

 private:
  const std::string driver_name_;
  const std::string version_;
  const std::function<Status()> ready_;
};

class ControllerService final : public csi::v1::Controller::CallbackService {
 public:
  // One capability of type UNKNOWN: releases of csi-sanity up to v5.4 demand one
  // (docs/protocol/kubernetes.md, "csi-sanity").
  grpc::ServerUnaryReactor* ControllerGetCapabilities(
      grpc::CallbackServerContext* context,
      const csi::v1::ControllerGetCapabilitiesRequest* request,
      csi::v1::ControllerGetCapabilitiesResponse* response) override;
};

}  // namespace nodekeep

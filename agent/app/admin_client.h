#pragma once

// The command line's client of the admin API.

#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "proto/admin.grpc.pb.h"

namespace nodekeep {

class AdminClient {
 public:
  // `timeout`: of each call. Errors: kTransient (no agent listens), kDenied; they say what to do.
  static Result<AdminClient> Connect(const std::string& socket, Duration timeout);

  // Errors contain the agent's message.
  Result<admin::v1::StatusResponse> GetStatus();
  Result<admin::v1::RefreshResponse> Refresh(const admin::v1::RefreshRequest& request);
  Result<admin::v1::CacheListResponse> CacheList();
  Result<admin::v1::CacheFlushResponse> CacheFlush();
  Result<admin::v1::HealthResponse> Health();

 private:
  AdminClient(std::string socket, Duration timeout, std::unique_ptr<admin::v1::Admin::Stub> stub)
      : socket_(std::move(socket)), timeout_(timeout), stub_(std::move(stub)) {}

  template <typename Response, typename Method, typename Request>
  Result<Response> Call(Method method, const Request& request);

  std::string socket_;
  Duration timeout_;
  std::unique_ptr<admin::v1::Admin::Stub> stub_;
};

}  // namespace nodekeep

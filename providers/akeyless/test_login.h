#pragma once

// Logins at a scripted gateway, for the tests of this folder.

#include <string>
#include <utility>
#include <vector>

#include "providers/akeyless/login.h"
#include "providers/akeyless/test_account.h"

namespace nodekeep::akeyless {

inline constexpr const char* kToken = R"({"token":"t-1","creds":{}})";
inline constexpr const char* kRefusal = R"({"error":"AuthenticationFailed"})";

struct LoginBench {
  explicit LoginBench(AccessType type) : options(TestOptions({type})) {}
  explicit LoginBench(std::vector<AccessType> order) : options(TestOptions(std::move(order))) {}

  Result<Credential> LogIn(const Identity& pod) { return logins.LogIn(Context(), options, pod); }
  Result<Credential> LogIn() { return LogIn(pod); }

  Identity pod = TestPod();
  TestGateway gateway;
  Options options;
  GatewayClient api{gateway.http, gateway.clock, std::chrono::seconds(30)};
  CloudIds cloud_ids{gateway.http, gateway.clock, [](const std::string& name) {
                       // The example key of the AWS documentation.
                       if (name == "AWS_ACCESS_KEY_ID") return "AKIDEXAMPLE";
                       if (name == "AWS_SECRET_ACCESS_KEY") return "hunter2-secret";
                       return "";
                     }};
  Logins logins{api, cloud_ids, gateway.clock};
};

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace nodekeep::akeyless

#pragma once

// A scripted gateway, and options to call it with, for the tests of this folder.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/json.h"
#include "providers/akeyless/options.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::akeyless {

inline constexpr const char* kGatewayUrl = "https://gw:8000/api/v2";
inline constexpr const char* kTestAccessId = "p-0123456789am";

inline Options TestOptions(std::vector<AccessType> order = {AccessType::kAccessKey},
                           const std::vector<std::string>& gateways = {kGatewayUrl}) {
  Options options;
  for (const std::string& url : gateways) options.gateways.push_back({url, "", ""});
  options.login_order = std::move(order);
  options.access_id = kTestAccessId;
  options.tls = std::make_shared<const TlsSettings>();
  return options;
}

inline Identity TestPod(const std::string& pod = "web-0") {
  Identity identity;
  identity.namespace_name = "shop";
  identity.pod = {pod, "uid-of-" + pod};
  identity.service_account = "web";
  identity.service_account_uid = "uid-of-web";
  identity.credentials["akeylessAccessKey"] = SecretBytes("the-access-key");
  identity.tokens[""].token = SecretBytes("header.payload.signature-of-" + pod + "\n");
  return identity;
}

struct TestGateway {
  // Replies to `command` in order; the last one repeats.
  void On(const std::string& command, std::vector<FakeHttpClient::Reply> replies) {
    http.On("POST", std::string(kGatewayUrl) + "/" + command, std::move(replies));
  }
  void On(const std::string& command, int status, const std::string& body,
          FakeHttpClient::Headers headers = {}) {
    On(command, {FakeHttpClient::Respond(status, body, std::move(headers))});
  }
  std::size_t Count(const std::string& command) const { return http.Count("/" + command); }
  // The body of the `i`-th call of `command`, counted from 0; null when there was none.
  Json Body(const std::string& command, std::size_t i = 0) const {
    for (const FakeHttpClient::RecordedRequest& seen : http.Requests()) {
      if (!seen.url.ends_with("/" + command)) continue;
      if (i-- == 0) return *ParseJson(seen.body);
    }
    return Json::null();
  }
  // The body as Go would write it: members sorted.
  std::string BodyText(const std::string& command, std::size_t i = 0) const {
    return std::string(GoJson(Body(command, i)).Reveal());
  }

  FakeClock clock;
  FakeHttpClient http;
};

template <typename T>
std::string MessageOf(const Result<T>& result) {
  return result.ok() ? "(ok)" : result.error().message();
}

template <typename T>
std::string CodeOf(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(ErrorCodeName(result.error().code()));
}

}  // namespace nodekeep::akeyless

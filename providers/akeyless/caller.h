#pragma once

// Sends commands with the token of one login. Lives for one batch of questions.

#include <string_view>
#include <vector>

#include "agent/secrets/provider.h"
#include "providers/akeyless/gateway_client.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

struct Caller {
  GatewayClient& api;
  const Context& context;
  const Options& options;
  const Credential& credential;

  // A body that holds the token, in the member for its kind.
  RequestBody Body() const {
    const std::string_view token = credential.token.Reveal();
    RequestBody body;
    body.Text(token.starts_with("u-") ? "uid-token" : "token", token);
    return body;
  }
  std::vector<Result<Json>> SendAll(Step step, const std::vector<Command>& commands) const {
    return api.SendAll(context, options, step, commands);
  }
  Result<Json> Send(Step step, const Command& command) const {
    return api.Send(context, options, step, command);
  }
};

}  // namespace nodekeep::akeyless

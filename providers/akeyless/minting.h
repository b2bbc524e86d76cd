#pragma once

// What is made anew with each call: credentials of dynamic secrets, certificates of issuers.

#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/secrets/provider.h"
#include "providers/akeyless/caller.h"
#include "providers/akeyless/item.h"

namespace nodekeep::akeyless {

struct MintOrder {
  std::string path;     // of the dynamic secret or issuer
  ItemRequest request;  // kDynamic, kPki or kSsh
};

// One call each, all at once; the i-th result answers the i-th order. Every answer has a lifetime:
// of dynamic credentials what the reply says, else the item, else the vendor's default of an hour;
// of a certificate what is left of it. The key of a certificate is made here and goes nowhere but
// into the answer. An error of an unknown outcome asks for patience (GatewayClient::SendAll), since
// something may have been made. A timeout in the order that is longer than we can wait is
// kDeadlineExceeded, and the order is not sent.
std::vector<Result<Answer>> Mint(const Caller& caller, const Clock& clock,
                                 const std::vector<MintOrder>& orders);

}  // namespace nodekeep::akeyless

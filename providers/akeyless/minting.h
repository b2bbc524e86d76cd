#pragma once

// Reads that create something on each call: credentials of dynamic secrets, certificates of
// issuers.

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

// Sends one call per order, concurrently; the i-th result answers the i-th order. Every answer has
// a lifetime: for dynamic credentials that of the reply, else that of the item, else the vendor's
// default of one hour; for a certificate its remaining validity. The key of a certificate is
// generated here and leaves only in the answer. An error with an unknown outcome has a long
// retry_after (GatewayClient::SendAll), because something may have been created. An order whose
// timeout is not shorter than GatewayClient::LongestExchange is not sent: kDeadlineExceeded.
std::vector<Result<Answer>> Mint(const Caller& caller, const Clock& clock,
                                 const std::vector<MintOrder>& orders);

}  // namespace nodekeep::akeyless

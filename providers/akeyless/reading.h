#pragma once

// Reads of items: one batch of questions with as few calls as the API allows
// (docs/protocol/akeyless-api.md, "Static secrets" and "Certificates and issuers").
//
//   1. Types and versions: two or more items of one folder are looked up with one list-items call,
//      all others (and those that the list does not contain) with describe-item.
//   2. Values that are not known to be current: all static items with one get-secret-value call per
//      pinned version, certificates and rotated secrets with one call each.
//   3. Dynamic secrets, PKI and SSH certificates are created on each call: the core requests them
//      only near the end of their lifetime.
//
// A 200 proves nothing about freshness, because a gateway may answer from its cache
// (docs/protocol/akeyless-api.md, "Cache of a gateway"). So an item that has changed is read past
// that cache; a value from a first read is read once more, past it, a minute later; and every item
// every half hour, since overwriting a value may leave its version as it was (unverified). That
// includes pinned versions: an update overwrites the latest version in place unless it is told to
// keep it (docs/protocol/akeyless-api.md, "Versions and overwriting").
//
// An item of a folder that is refused, disabled or gone fails the folder, and the error names it;
// with ItemRequest::leave_out it is left out, and looked for again with the next refresh after a
// minute.

#include <span>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/context.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/secrets/provider.h"
#include "providers/akeyless/catalog.h"
#include "providers/akeyless/gateway_client.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {

// Thread-safe; its only state is the set of large folders.
class ItemReader {
 public:
  // All must outlive this object; `log`: of items that are left out, null = nowhere.
  ItemReader(GatewayClient& api, const Clock& clock, Logger* log = nullptr)
      : api_(api), clock_(clock), log_(log), large_folders_(clock) {}

  // The i-th result answers the i-th question. Errors begin with "can't describe item", "can't get
  // secret value", "can't get certificate value" and so on, as upstream's do; "unsupported item
  // type" names the nodekeep/type to set instead.
  std::vector<Result<Answer>> Read(const Context& context, const Options& options,
                                   const Credential& credential,
                                   std::span<const Question> questions);

 private:
  GatewayClient& api_;
  const Clock& clock_;
  Logger* const log_;
  LargeFolders large_folders_;
};

}  // namespace nodekeep::akeyless

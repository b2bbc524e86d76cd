#pragma once

// Plans a mount: which refs a request reads and which files they become.
//
// All servers and `nodekeep get` plan their mounts here, so that they behave in the same way.

#include <memory>
#include <string>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/identity/token_source.h"
#include "agent/mount/mount_request.h"
#include "agent/mount/parse_memo.h"
#include "agent/mount/parsed_class.h"
#include "agent/mount/pod_directory.h"
#include "agent/secrets/provider.h"
#include "agent/secrets/read_plan.h"

namespace nodekeep {

// Immutable once created; prints without secrets.
struct MountPlan {
  ReadPlanPtr read;
  std::shared_ptr<const SpcDialect> dialect;
  ParsedClassPtr parsed;
  std::string target_path;

  // For `nodekeep get --explain`, one property per line.
  std::string Explain() const;
};

using MountPlanPtr = std::shared_ptr<const MountPlan>;

struct PlanOptions {
  TokenSource* tokens = nullptr;  // null: only the tokens of the request are used
  ParseMemo* memo = nullptr;      // null: the class is always parsed
  // A token that has expired at this time is replaced by one from `tokens`.
  WallTime now = WallTime::min();
  DirectoryExists directory_exists = DirectoryIsThere;
};

// `provider` must have a SecretProviderClass dialect. Errors: those of Parse and of ParseMemo;
// kPrecondition if the login needs a token and there is none.
Result<MountPlanPtr> PlanMount(const Context& context, const Provider& provider,
                               MountRequest request, const PlanOptions& options);

// As PlanMount, for a class that is in `memo` and a request with its own token: neither parses nor
// waits. Moves the identity out of `request`. Null if that is not the case, or on any error: then
// `request` is unchanged, and PlanMount returns the error.
MountPlanPtr PlanKnownMount(const Provider& provider, MountRequest& request, ParseMemo& memo);

// Plans a class without a token for the login: `get --explain`, `validate`. Errors: those of Parse.
Result<MountPlanPtr> PlanWithoutToken(const Provider& provider, MountRequest request);

}  // namespace nodekeep

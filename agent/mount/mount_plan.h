#pragma once

// From a mount request to what is read and which files it makes.
//
// Every server and `nodekeep get` plan their mounts here, so that they cannot differ.

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

// `provider` must understand SecretProviderClasses. Immutable once made; prints without secrets.
struct MountPlan {
  ReadPlanPtr read;
  std::shared_ptr<const SpcDialect> dialect;
  ParsedClassPtr parsed;
  std::string target_path;

  // For `nodekeep get --explain`: one fact per line.
  std::string Explain() const;
};

using MountPlanPtr = std::shared_ptr<const MountPlan>;

struct PlanOptions {
  TokenSource* tokens = nullptr;  // null: only the tokens that came with the request are used
  ParseMemo* memo = nullptr;      // null: the class is parsed anew
  // A token that has expired by then is replaced by one from `tokens`.
  WallTime now = WallTime::min();
  DirectoryExists directory_exists = DirectoryIsThere;
};

// Errors: those of Parse; kPrecondition when the login needs a token and there is none.
Result<MountPlanPtr> PlanMount(const Context& context, const Provider& provider,
                               MountRequest request, const PlanOptions& options);

// The same for a class that `memo` knows and a request that brings its own token: no parsing, no
// waiting. Moves the identity out of `request`. Null when that is not so, or when anything is
// wrong: then `request` is as before, and PlanMount says what.
MountPlanPtr PlanKnownMount(const Provider& provider, MountRequest& request, ParseMemo& memo);

// The plan of a class without a login, for `get --explain` and `validate`. Errors: those of Parse.
Result<MountPlanPtr> PlanWithoutToken(const Provider& provider, MountRequest request);

}  // namespace nodekeep

#pragma once

// The left half of the road: request -> dialect parse -> identity -> FetchPlan.
//
// Every door and `nodekeep get` come through here, so that they cannot differ.

#include <map>
#include <memory>
#include <string>

#include "agent/base/context.h"
#include "agent/base/result.h"
#include "agent/identity/parse_memo.h"
#include "agent/identity/token_source.h"
#include "agent/secrets/fetch_plan.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

struct MountRequestValues {
  MountInput input;
  std::map<std::string, SecretBytes> secrets;  // nodePublishSecretRef
  std::string node;
  // A token that has expired by then is replaced by one of the API server where that is allowed.
  WallTime now = WallTime::min();
  // Of a volume found on the node, for which kubelet brings its tokens later: one that is made
  // meanwhile has the audience of those (the first), not that of pods that are sent none (the
  // last).
  bool found_again = false;
};

// What the driver sends as text (csi.md 1.4, 1.5), as values. The token attribute is moved out of
// the attributes; tokens inside `secrets` are ignored. Errors: kInvalid, "unexpected end of JSON
// input" among them; never quotes content.
Result<MountRequestValues> ReadMountRequest(std::string_view attributes, std::string_view secrets,
                                            std::string permission, std::string target_path);

// `tokens` may be null: then only the tokens that came with the request can be used. `memo` may be
// null: then every request is parsed anew.
Result<PlanPtr> PlanMount(const Context& context, const std::string& provider_name,
                          std::shared_ptr<Provider> provider, MountRequestValues request,
                          TokenSource* tokens, ParseMemo* memo = nullptr);

// The same for a request that `memo` knows and that brings its own token: no parsing, no waiting.
// Null when that is not so, or when anything is wrong: PlanMount will say what.
PlanPtr PlanKnownMount(const std::string& provider_name, std::shared_ptr<Provider> provider,
                       MountRequestValues& request, ParseMemo& memo);

}  // namespace nodekeep

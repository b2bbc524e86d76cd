#pragma once

// What a login key (LoginKeys, agent/secrets/read_plan.h) says, for users.

#include <string>
#include <string_view>

namespace nodekeep {

struct LoginSummary {
  std::string who;  // "shop/web", "shop/web, pod web-1", "any pod"; "?" if the key has another form
  std::string where;  // the endpoint without its scheme; "-" = not known
};

LoginSummary SummaryOf(std::string_view key);

}  // namespace nodekeep

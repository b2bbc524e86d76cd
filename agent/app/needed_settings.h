#pragma once

// Collects the settings that classes need for credentials of the node, for `validate` to print.

#include <map>
#include <string>
#include <vector>

#include "agent/base/json.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

class NeededSettings {
 public:
  // `setting`: the full path. `in_force`: its current comma list. `spc`: the class that needs it,
  // "shop/db". A value that cannot be an element of a comma list is omitted.
  void Add(const std::string& setting, const NeededSetting& needed, const std::string& in_force,
           std::string spc);

  // For users: "", or the needed settings, their classes and helm's arguments, in full lines.
  std::string Text() const;
  // An array with an object for each setting: setting, value, classes.
  Json ToJson() const;

 private:
  struct Reason {
    std::string value;  // "" = the operator has to choose it
    std::string spc;
    bool unless_secret;
  };
  struct Need {
    std::string in_force;
    std::vector<Reason> reasons;

    // The comma list with all needed values; "" if the operator has to choose.
    std::string List() const;
    std::string Text(const std::string& setting) const;
  };

  std::map<std::string, Need> needs_;  // by setting
};

}  // namespace nodekeep

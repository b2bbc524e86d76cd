#pragma once

// Settings that classes need for credentials of the node, over many classes: what `validate`
// prints.

#include <map>
#include <string>
#include <vector>

#include "agent/base/json.h"
#include "agent/secrets/provider.h"

namespace nodekeep {

class NeededSettings {
 public:
  // `setting`: its whole path. `in_force`: what its comma list holds already. `spc`: the class that
  // needs it, "shop/db". A value that cannot be an element of a list is left out.
  void Add(const std::string& setting, const NeededSetting& needed, const std::string& in_force,
           std::string spc);

  // For people: "", or what is needed, by whom, and helm's argument for it, each line ended.
  std::string Text() const;
  // An array with an object for each setting: setting, value, classes.
  Json ToJson() const;

 private:
  struct Reason {
    std::string value;  // "" = the operator has to choose one
    std::string spc;
    bool unless_secret;
  };
  struct Need {
    std::string in_force;
    std::vector<Reason> reasons;

    // The comma list with all that is needed; "" where the operator has to choose.
    std::string List() const;
    std::string Text(const std::string& setting) const;
  };

  std::map<std::string, Need> needs_;  // by setting
};

}  // namespace nodekeep

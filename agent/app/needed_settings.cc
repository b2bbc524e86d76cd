#include "agent/app/needed_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "agent/app/render.h"
#include "agent/base/comma_list.h"
#include "agent/base/go_json.h"

namespace nodekeep {
namespace {

// Escapes `text` as one value of helm's --set-string, where commas separate assignments, within a
// shell's single quotes: the text comes from a class, and users paste the line.
std::string HelmValue(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == ',' || c == '\\') escaped += '\\';
    if (c == '\'') {
      escaped += "'\\''";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// "shop/db, shop/api and 3 more"
std::string Named(const std::vector<std::string>& classes) {
  constexpr std::size_t kShown = 5;
  const std::size_t shown = std::min(kShown, classes.size());
  std::string text = fmt::format("{}", fmt::join(classes.begin(), classes.begin() + shown, ", "));
  if (classes.size() > shown) text += fmt::format(" and {} more", classes.size() - shown);
  return text;
}

}  // namespace

void NeededSettings::Add(const std::string& setting, const NeededSetting& needed,
                         const std::string& in_force, std::string spc) {
  if (needed.value.find(',') != std::string::npos) return;
  Need& need = needs_[setting];
  need.in_force = in_force;
  need.reasons.push_back({needed.value, std::move(spc), needed.unless_secret});
}

std::string NeededSettings::Need::List() const {
  std::vector<std::string> parts = SplitCommas(in_force);
  for (const Reason& reason : reasons) {
    if (reason.value.empty()) return "";
    if (std::find(parts.begin(), parts.end(), reason.value) == parts.end()) {
      parts.push_back(reason.value);
    }
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::string NeededSettings::Need::Text(const std::string& setting) const {
  std::string text;
  const auto line = [&](const std::string& one) { text += Printable(one) + "\n"; };
  const std::string list = List();
  line("  " + setting + (list.empty() ? "" : ": " + GoJsonString(list)));
  // Grouped by the needed value and by whether a Secret of the pod makes it unnecessary.
  std::map<std::pair<std::string, bool>, std::vector<std::string>> classes;
  for (const Reason& reason : reasons) {
    classes[{reason.value, reason.unless_secret}].push_back(reason.spc);
  }
  for (const auto& [what, names] : classes) {
    line(fmt::format("    {}{}{}{}", what.first, what.first.empty() ? "" : ": ", Named(names),
                     what.second ? " (unless nodePublishSecretRef has a credential)" : ""));
  }
  if (!list.empty()) {
    line(fmt::format("    helm: --set-string 'config.{}={}'", setting, HelmValue(list)));
  }
  return text;
}

std::string NeededSettings::Text() const {
  if (needs_.empty()) return "";
  std::string text =
      "Some classes log in with a credential of the node, which is sent only where the agent's "
      "configuration allows.\nReview each line before you copy it: the author of a class can name "
      "any server. Needed settings:\n";
  for (const auto& [setting, need] : needs_) text += need.Text(setting);
  return text;
}

Json NeededSettings::ToJson() const {
  Json settings(jsoncons::json_array_arg);
  for (const auto& [setting, need] : needs_) {
    Json classes(jsoncons::json_array_arg);
    for (const Reason& reason : need.reasons) {
      Json line(jsoncons::json_object_arg);
      line["class"] = reason.spc;
      line["value"] = reason.value;
      line["unlessSecret"] = reason.unless_secret;
      classes.push_back(std::move(line));
    }
    Json json(jsoncons::json_object_arg);
    json["setting"] = setting;
    json["value"] = need.List();
    json["classes"] = std::move(classes);
    settings.push_back(std::move(json));
  }
  return settings;
}

}  // namespace nodekeep

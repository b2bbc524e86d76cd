#include "agent/app/config_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "agent/app/config_settings.h"
#include "agent/app/render.h"

namespace nodekeep {
namespace {

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> names;
  for (;;) {
    const std::size_t dot = path.find('.');
    names.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return names;
    path.remove_prefix(dot + 1);
  }
}

std::string YamlList(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + YamlScalar(text);
  return "[" + list + "]";
}

// Numbers and booleans are written as such.
Json JsonValue(const Setting& setting, const std::string& text) {
  if (setting.codec.type != "text") {
    if (text == "true" || text == "false") return Json(text == "true");
    int number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure == std::errc() && end == text.data() + text.size()) return Json(number);
  }
  return Json(text);
}

std::string YamlValue(const Setting& setting, const Config& config) {
  const std::vector<std::string> texts = setting.codec.print(config);
  if (setting.codec.is_list) return YamlList(texts);
  const Json value = JsonValue(setting, texts.front());
  return IsText(value) ? YamlScalar(texts.front()) : texts.front();
}

// The default of `setting` in the documentation.
std::string DefaultText(const Setting& setting, const Config& defaults) {
  if (!setting.follows.empty()) return fmt::format("`{}`", setting.follows);
  if (!setting.default_note.empty()) return setting.default_note;
  const std::string text = JoinTexts(setting.codec.print(defaults));
  return text.empty() ? "none" : fmt::format("`{}`", text);
}

std::string Code(const std::string& text) { return text.empty() ? "" : fmt::format("`{}`", text); }

// A cell of a Markdown table.
std::string Cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, "\\");
  }
  return text;
}

}  // namespace

std::string ConfigYaml(const LoadedConfig& loaded) {
  struct Line {
    std::string text;
    std::string comment;
  };
  std::vector<Line> lines;
  std::vector<std::string> open;  // names of the sections we are in
  for (const Setting& setting : Settings(loaded.sources.providers)) {
    const std::vector<std::string> names = SplitPath(setting.path);
    std::size_t common = 0;
    while (common < open.size() && common + 1 < names.size() && open[common] == names[common]) {
      ++common;
    }
    open.resize(common);
    for (; open.size() + 1 < names.size(); open.push_back(names[open.size()])) {
      lines.push_back({std::string(2 * open.size(), ' ') + names[open.size()] + ":", ""});
    }
    lines.push_back({fmt::format("{}{}: {}", std::string(2 * open.size(), ' '), names.back(),
                                 YamlValue(setting, loaded.config)),
                     loaded.origins.at(setting.path)});
  }
  std::size_t width = 0;
  for (const Line& line : lines) {
    if (!line.comment.empty()) width = std::max(width, line.text.size());
  }
  std::string text;
  for (const Line& line : lines) {
    text += line.comment.empty() ? line.text + "\n"
                                 : fmt::format("{:<{}}  # {}\n", line.text, width, line.comment);
  }
  return text;
}

Json ConfigJson(const LoadedConfig& loaded) {
  Json json(jsoncons::json_object_arg);
  for (const Setting& setting : Settings(loaded.sources.providers)) {
    const std::vector<std::string> texts = setting.codec.print(loaded.config);
    Json entry(jsoncons::json_object_arg);
    entry["value"] = setting.codec.is_list ? JsonTexts(texts) : JsonValue(setting, texts.front());
    entry["source"] = loaded.origins.at(setting.path);
    json[setting.path] = std::move(entry);
  }
  return json;
}

std::string SettingsMarkdown(std::span<const ProviderEntry> providers) {
  const Config defaults = DefaultConfig(providers);
  std::string text =
      "| setting | default | environment, flag | meaning |\n"
      "|---|---|---|---|\n";
  for (const Setting& setting : Settings(providers)) {
    std::string elsewhere = Code(setting.environment);
    if (!setting.flag.empty()) elsewhere += (elsewhere.empty() ? "" : ", ") + Code(setting.flag);
    text += fmt::format("| `{}` | {} | {} | {}{} |\n", setting.path,
                        Cell(DefaultText(setting, defaults)), elsewhere, Cell(setting.help),
                        setting.live ? "" : " (restart)");
  }
  return text;
}

Json SettingsJson(std::span<const ProviderEntry> providers) {
  const Config defaults = DefaultConfig(providers);
  Json list(jsoncons::json_array_arg);
  for (const Setting& setting : Settings(providers)) {
    Json entry(jsoncons::json_object_arg);
    entry["path"] = setting.path;
    entry["type"] = setting.codec.type;
    entry["default"] = JoinTexts(setting.codec.print(defaults));
    entry["follows"] = setting.follows;
    entry["environment"] = setting.environment;
    entry["flag"] = setting.flag;
    entry["help"] = setting.help;
    entry["live"] = setting.live;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace nodekeep

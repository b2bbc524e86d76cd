#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iterator>
#include <map>
#include <optional>
#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/finding.h"
#include "agent/app/needed_settings.h"
#include "agent/app/offline_providers.h"
#include "agent/app/render.h"
#include "agent/app/secret_objects_check.h"
#include "agent/app/spc_manifest.h"
#include "agent/base/read_file.h"
#include "agent/base/yaml.h"
#include "csi/attributes.h"

namespace nodekeep {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string config;
  bool strict = false;
  std::shared_ptr<std::string> output;
};

struct InputFile {
  std::string name;
  std::string text;
  std::vector<YamlNode> documents;
};

// What was checked, and the findings.
struct Report {
  std::vector<Finding> findings;
  // What has no effect or can only be a mistake, although the class works.
  std::vector<Finding> warnings;
  NeededSettings needs;
  // What the node will do otherwise than the class says; not findings, because the class works.
  std::vector<Finding> notes;
  std::size_t configs = 0;
  std::size_t classes = 0;
  std::size_t skipped = 0;  // Kubernetes objects of other kinds
};

std::optional<InputFile> ReadInput(const CommandIo& io, const std::string& path, Report& report) {
  InputFile file{.name = path, .text = {}, .documents = {}};
  if (path == "-") {
    file.name = "standard input";
    file.text.assign(std::istreambuf_iterator<char>(io.in), {});
  } else {
    const Result<SecretBytes> text = ReadFile(path, kMaxYamlBytes, FileKind::kAny);
    if (!text.ok()) {
      report.findings.push_back({.source = path, .message = text.error().message()});
      return std::nullopt;
    }
    file.text = text->Reveal();
  }
  Result<std::vector<YamlNode>> documents = ParseYamlDocuments(file.text);
  if (!documents.ok()) {
    report.findings.push_back(FindingOf(file.name, documents.error()));
    return std::nullopt;
  }
  file.documents = *std::move(documents);
  return file;
}

bool IsConfig(const InputFile& file) {
  for (const YamlNode& document : file.documents) {
    if (KindOf(document) == DocumentKind::kOther) return true;
  }
  return false;
}

// For the loader of `run`, but the file alone: this shell's environment is not the agent's.
ConfigSources FileOnly(const CommandIo& io, const InputFile& file) {
  ConfigSources sources;
  sources.file = file.name;
  sources.file_text = file.text;
  sources.host_name = "node";
  sources.providers = io.providers;
  return sources;
}

int LineOf(const LoadedConfig& loaded, const std::string& setting) {
  const auto origin = loaded.origins.find(setting);
  if (origin == loaded.origins.end()) return 0;
  const std::string& text = origin->second;
  const std::string prefix = loaded.sources.file + ":";
  return text.starts_with(prefix) ? std::atoi(text.c_str() + prefix.size()) : 0;
}

// Settings are also checked by their providers, whose rules the loader does not have.
void CheckProviders(const LoadedConfig& loaded, OfflineProviders& providers, Report& report) {
  for (const std::string& name : loaded.config.enabled_providers) {
    const auto made = providers.Make(name, loaded);
    if (made.ok()) continue;
    Finding finding{.source = loaded.sources.file,
                    .field = "providers." + name,
                    .message = made.error().message()};
    // Point to the setting that the message names.
    for (const auto& [key, value] : loaded.config.providers.at(name).values) {
      if (finding.message.find(key) == std::string::npos) continue;
      finding.field = fmt::format("providers.{}.{}", name, key);
      finding.line = LineOf(loaded, finding.field);
    }
    report.findings.push_back(std::move(finding));
  }
}

// What is checked over all files.
struct AllClasses {
  SecretObjectsCheck secret_objects;
  std::map<std::string, std::string> places;  // of classes, by namespace and name: "a.yaml:3"
};

void CheckName(const SpcManifest& manifest, AllClasses& all, Report& report) {
  if (manifest.name.empty()) return;
  const auto [first, is_new] =
      all.places.try_emplace(manifest.Text(), fmt::format("{}:{}", manifest.file, manifest.line));
  if (is_new) return;
  report.warnings.push_back({.source = manifest.file,
                             .line = manifest.line,
                             .object = manifest.ObjectText(),
                             .field = "metadata.name",
                             .message = "is also that of a class at " + first->second,
                             .fix = "the one that is applied last replaces the other"});
}

void AddWarnings(const SpcManifest& manifest, const SpcWarnings& warnings, const InputFile& file,
                 Report& report) {
  for (const std::string& text : warnings.texts()) {
    report.warnings.push_back(
        manifest.FindingOfParseError(Error(ErrorCode::kInvalid, text), file.text));
  }
  if (warnings.more() == 0) return;
  report.warnings.push_back({.source = manifest.file,
                             .line = manifest.line,
                             .object = manifest.ObjectText(),
                             .message = fmt::format("and {} more warnings", warnings.more())});
}

// Returns what the class mounts; null, with a finding, if its parameters are invalid.
std::optional<ParsedMount> CheckParameters(const SpcManifest& manifest, const LoadedConfig& loaded,
                                           OfflineProviders& providers, const InputFile& file,
                                           Report& report) {
  const auto provider = providers.Make(manifest.provider, loaded);
  if (!provider.ok()) {
    report.findings.push_back({.source = manifest.file,
                               .line = manifest.provider_line,
                               .object = manifest.ObjectText(),
                               .field = "spec.provider",
                               .message = provider.error().message()});
    return std::nullopt;
  }
  Result<ParsedMount> parsed = provider->spc->Parse({manifest.parameters, kDriverMode});
  if (!parsed.ok()) {
    report.findings.push_back(manifest.FindingOfParseError(parsed.error(), file.text));
    return std::nullopt;
  }
  AddWarnings(manifest, parsed->warnings, file, report);
  if (std::string floor = TextOfFloor(parsed->policy); !floor.empty()) {
    report.notes.push_back(
        {.source = manifest.file, .object = manifest.ObjectText(), .message = std::move(floor)});
  }
  for (const NeededSetting& needed : parsed->options->NeededSettings()) {
    const SettingValues& in_force = loaded.config.providers.at(manifest.provider).values;
    report.needs.Add(fmt::format("providers.{}.{}", manifest.provider, needed.key), needed,
                     in_force.at(needed.key), manifest.Text());
  }
  return *std::move(parsed);
}

void CheckFile(const InputFile& file, const LoadedConfig& loaded, OfflineProviders& providers,
               AllClasses& all, Report& report) {
  ManifestCheck check;
  for (const YamlNode& document : file.documents) {
    if (document.IsNull() || KindOf(document) == DocumentKind::kOther) continue;
    const std::size_t before = check.classes.size() + check.findings.size();
    ReadManifest(file.name, document, check);
    if (check.classes.size() + check.findings.size() == before) ++report.skipped;
  }
  for (const Finding& finding : check.findings) report.findings.push_back(finding);
  for (const SpcManifest& manifest : check.classes) {
    CheckName(manifest, all, report);
    const std::optional<ParsedMount> mount =
        CheckParameters(manifest, loaded, providers, file, report);
    all.secret_objects.Add(manifest, mount ? &*mount : nullptr, report.findings);
  }
  for (const SpcManifest& manifest : check.faulty) {
    all.secret_objects.Add(manifest, nullptr, report.findings);
  }
  report.classes += check.classes.size();
}

Json ListOf(const std::vector<Finding>& findings) {
  Json list(jsoncons::json_array_arg);
  for (const Finding& finding : findings) {
    Json line(jsoncons::json_object_arg);
    line["file"] = finding.source;
    line["line"] = finding.line;
    line["column"] = finding.column;
    line["object"] = finding.object;
    line["field"] = finding.field;
    line["message"] = finding.message;
    line["fix"] = finding.fix;
    list.push_back(std::move(line));
  }
  return list;
}

Json ReportJson(const Report& report) {
  Json json(jsoncons::json_object_arg);
  json["findings"] = ListOf(report.findings);
  json["warnings"] = ListOf(report.warnings);
  json["notes"] = ListOf(report.notes);
  json["neededSettings"] = report.needs.ToJson();
  json["configurations"] = report.configs;
  json["classes"] = report.classes;
  json["skipped"] = report.skipped;
  return json;
}

std::string Count(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// "ok", "2 findings", "1 finding, 2 warnings". Under --strict, warnings are not ok.
std::string Verdict(const Report& report, bool strict) {
  std::vector<std::string> parts;
  if (!report.findings.empty()) {
    parts.push_back(Count(report.findings.size(), "finding", "findings"));
  } else if (report.warnings.empty() || !strict) {
    parts.emplace_back("ok");
  }
  if (!report.warnings.empty()) {
    parts.push_back(Count(report.warnings.size(), "warning", "warnings"));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ReportText(const Report& report, bool strict) {
  std::string text;
  for (const Finding& finding : report.findings) text += Printable(finding.Text()) + "\n";
  for (const Finding& warning : report.warnings) {
    text += "warning: " + Printable(warning.Text()) + "\n";
  }
  for (const Finding& note : report.notes) text += "note: " + Printable(note.Text()) + "\n";
  text += Verdict(report, strict) + ": " +
          Count(report.classes, "SecretProviderClass", "SecretProviderClasses") + ", " +
          Count(report.configs, "configuration", "configurations");
  if (report.skipped > 0) {
    text += ", " + Count(report.skipped, "other object", "other objects") + " skipped";
  }
  return text + "\n" + report.needs.Text();
}

int Validate(CommandIo& io, const Options& options) {
  Report report;
  std::vector<InputFile> files;
  for (const std::string& path : options.files) {
    if (auto file = ReadInput(io, path, report)) files.push_back(*std::move(file));
  }
  OfflineProviders providers;

  // Classes are checked with the configuration among the files, else with the defaults.
  ConfigSources sources;
  sources.host_name = "node";
  sources.providers = io.providers;
  sources.file = options.config;
  ConfigCheck base = CheckConfig(sources);
  for (const Finding& finding : base.findings) report.findings.push_back(finding);
  for (const InputFile& file : files) {
    if (!IsConfig(file)) continue;
    ++report.configs;
    ConfigCheck check = CheckConfig(FileOnly(io, file));
    for (const Finding& finding : check.findings) report.findings.push_back(finding);
    if (!check.loaded) continue;
    CheckProviders(*check.loaded, providers, report);
    if (options.config.empty()) base.loaded = std::move(check.loaded);
  }
  AllClasses all;
  for (const InputFile& file : files) {
    if (base.loaded) CheckFile(file, *base.loaded, providers, all, report);
  }
  Print(io, *options.output, ReportJson(report),
        [&] { return ReportText(report, options.strict); });
  const bool failed = !report.findings.empty() || (options.strict && !report.warnings.empty());
  return failed ? kExitFailed : kExitOk;
}

}  // namespace

void AddValidate(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand(
      "validate",
      "Checks SecretProviderClass manifests and agent configurations without network access");
  auto options = std::make_shared<Options>();
  command->add_option("-f,--filename", options->files, "Files to check, or - for standard input")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--config", options->config,
                   "Agent configuration whose provider settings the manifests are checked with")
      ->type_name("FILE");
  command->add_flag("--strict", options->strict, "Fail on warnings too");
  options->output = AddOutput(*command);
  Examples(*command, {"nodekeep validate -f class.yaml",
                      "nodekeep validate -f nodekeep.yaml class-a.yaml class-b.yaml",
                      "helm template my-chart | nodekeep validate -f - -o json"});
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return Validate(chosen.io, *options); };
  });
}

}  // namespace nodekeep

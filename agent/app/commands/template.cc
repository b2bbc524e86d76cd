#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <ostream>
#include <utility>

#include "agent/app/commands/commands.h"
#include "agent/app/external_secret_template.h"
#include "agent/base/clock.h"
#include "agent/base/digest.h"
#include "agent/base/read_file.h"
#include "agent/base/yaml.h"
#include "agent/template/function_reference.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxDataBytes = 1u << 20;

struct Options {
  std::string file;
  std::string name;
  std::vector<std::string> data;        // KEY=VALUE
  std::vector<std::string> data_files;  // KEY=FILE
  std::string left = "{{";
  std::string right = "}}";
  bool functions = false;
  std::string output = "yaml";
};

Result<std::pair<std::string, std::string>> KeyAndValue(const std::string& argument,
                                                        std::string_view flag) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Error::Format(ErrorCode::kInvalid, "{}: write KEY={}", flag,
                         flag == "--data" ? "VALUE" : "FILE");
  }
  return std::pair(argument.substr(0, equals), argument.substr(equals + 1));
}

Result<SecretMap> ReadData(const Options& options) {
  SecretMap data;
  for (const std::string& argument : options.data) {
    auto entry = KeyAndValue(argument, "--data");
    if (!entry.ok()) return entry.error();
    data.insert_or_assign(entry->first, SecretBytes::MoveFrom(std::move(entry->second)));
  }
  for (const std::string& argument : options.data_files) {
    auto entry = KeyAndValue(argument, "--data-file");
    if (!entry.ok()) return entry.error();
    Result<SecretBytes> bytes = ReadFile(entry->second, kMaxDataBytes, FileKind::kAny);
    if (!bytes.ok()) return bytes.error().Prepend("--data-file {}", entry->first);
    data.insert_or_assign(entry->first, *std::move(bytes));
  }
  return data;
}

Result<std::string> ReadManifest(CommandIo& io, const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(io.in), {});
  const Result<SecretBytes> text = ReadFile(file, kMaxYamlBytes, FileKind::kAny);
  if (!text.ok()) return text.error();
  return std::string(text->Reveal());
}

int Render(CommandIo& io, const Options& options) {
  if (options.functions) {
    io.out << FunctionReference();
    return kExitOk;
  }
  const Result<std::string> text = ReadManifest(io, options.file);
  if (!text.ok()) return Fail(io, text.error());
  const Result<ExternalSecretTemplate> manifest = ReadExternalSecret(*text, options.name);
  if (!manifest.ok()) return Fail(io, manifest.error().Prepend("{}", options.file));
  const Result<SecretMap> data = ReadData(options);
  if (!data.ok()) return Fail(io, data.error());
  const SystemClock clock;
  const TemplateEnvironment environment{
      .clock = clock, .random = [](std::size_t size) { return RandomBytes(size); }};
  TemplateOptions template_options;
  template_options.left = options.left;
  template_options.right = options.right;
  const Result<Json> rendered =
      RenderExternalSecret(environment, *manifest, *data, template_options);
  if (!rendered.ok()) return Fail(io, rendered.error());
  Print(io, options.output, *rendered, [] { return std::string(); });
  return kExitOk;
}

}  // namespace

void AddTemplate(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand(
      "template", "Renders the template of an ExternalSecret, without Kubernetes and backends");
  auto options = std::make_shared<Options>();
  CLI::Option_group* what = command->add_option_group("what", "What to do (one of these)");
  what->add_option("-f,--filename", options->file, "Render the ExternalSecret of this manifest")
      ->type_name("FILE");
  what->add_flag("--functions", options->functions,
                 "Print the reference of all template functions, in Markdown");
  what->require_option(1);
  command->add_option("--name", options->name, "Which one, when the file has several")
      ->type_name("NAME");
  command
      ->add_option("--data", options->data,
                   "A value that the backend would return; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command
      ->add_option("--data-file", options->data_files,
                   "The same, with the bytes of a file; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=FILE");
  command->add_option("--left-delimiter", options->left, "Begins an action (default {{)")
      ->type_name("TEXT");
  command->add_option("--right-delimiter", options->right, "Ends an action (default }})")
      ->type_name("TEXT");
  command->add_option("-o,--output", options->output, "Format: yaml or json")
      ->check(CLI::IsMember({"yaml", "json"}));
  Examples(*command, {"nodekeep template -f external-secret.yaml --data user=alice",
                      "nodekeep template -f external-secret.yaml --data-file tls=bundle.p12 -o "
                      "json"});
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return Render(chosen.io, *options); };
  });
}

}  // namespace nodekeep

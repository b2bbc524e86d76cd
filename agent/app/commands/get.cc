#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ostream>

#include "agent/app/commands/commands.h"
#include "agent/app/graph.h"
#include "agent/app/offline_providers.h"
#include "agent/app/render.h"
#include "agent/app/spc_manifest.h"
#include "agent/base/duration.h"
#include "agent/base/jwt.h"
#include "agent/base/read_file.h"
#include "agent/mount/mount_plan.h"
#include "agent/sink/atomic_writer.h"
#include "csi/attributes.h"

namespace nodekeep {
namespace {

constexpr std::size_t kMaxTokenBytes = 64 << 10;
constexpr Duration kRevokeBudget = std::chrono::seconds(5);

struct Options {
  std::string file;
  std::string name;
  std::string namespace_name;
  std::string pod;
  std::string service_account;
  std::vector<std::string> token_files;  // AUDIENCE=FILE
  std::string directory;
  bool explain = false;
  bool dry_run = false;
  std::string timeout = "90s";
  std::shared_ptr<ConfigFlags> config;
  std::shared_ptr<std::string> output;
};

// Tokens without an expiry are assumed to be valid for an hour.
Result<std::map<std::string, ServiceAccountToken>> ReadTokenFiles(
    const std::vector<std::string>& arguments) {
  const WallTime in_an_hour = SystemClock().Wall() + std::chrono::hours(1);
  std::map<std::string, ServiceAccountToken> tokens;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      return Error::Format(ErrorCode::kInvalid,
                           "--token-file {}: write AUDIENCE=FILE, such as vault=/tmp/token",
                           argument);
    }
    Result<SecretBytes> token =
        ReadFile(argument.substr(equals + 1), kMaxTokenBytes, FileKind::kAny);
    if (!token.ok()) return token.error().Prepend("--token-file");
    std::size_t end = token->Reveal().find_last_not_of(" \r\n\t");
    token->Truncate(end == std::string_view::npos ? 0 : end + 1);
    if (token->empty()) {
      return Error::Format(ErrorCode::kInvalid, "--token-file {}: the file is empty", argument);
    }
    const Result<JwtClaims> claims = ReadJwtClaims(token->Reveal());
    const WallTime expires = claims.ok() && claims->expires ? *claims->expires : in_an_hour;
    tokens[argument.substr(0, equals)] = {*std::move(token), expires};
  }
  return tokens;
}

// Flags override the claims of the tokens; the rest has defaults.
Result<Identity> ReadIdentity(const Options& options, const SpcManifest& manifest) {
  auto tokens = ReadTokenFiles(options.token_files);
  if (!tokens.ok()) return tokens.error();
  JwtClaims claims;
  for (const auto& [audience, token] : *tokens) {
    const Result<JwtClaims> read = ReadJwtClaims(token.token.Reveal());
    if (read.ok() && !read->service_account.empty()) claims = *read;
  }
  const auto first = [](std::initializer_list<std::string> choices) {
    for (const std::string& chosen : choices) {
      if (!chosen.empty()) return chosen;
    }
    return std::string();
  };
  Identity identity;
  identity.namespace_name =
      first({options.namespace_name, claims.namespace_, manifest.namespace_name, "default"});
  identity.service_account = first({options.service_account, claims.service_account, "default"});
  identity.pod = {first({options.pod, "nodekeep-get"}),
                  first({claims.pod_uid, "00000000-0000-0000-0000-000000000000"})};
  identity.tokens = *std::move(tokens);
  return identity;
}

Result<MountRequest> ReadRequest(const Options& options, const SpcManifest& manifest) {
  Result<Identity> identity = ReadIdentity(options, manifest);
  if (!identity.ok()) return identity.error();
  MountRequest request;
  request.provider = manifest.provider;
  request.parameters = manifest.parameters;
  request.mode = kDriverMode;
  request.identity = *std::move(identity);
  request.target_path = options.dry_run || options.explain ? "" : options.directory;
  return request;
}

// The configuration with this provider only, so that the settings of others cannot fail.
Result<LoadedConfig> ConfigFor(const CommandIo& io, const Options& options,
                               const SpcManifest& manifest) {
  ConfigSources sources = options.config->Sources(io);
  sources.flags["providers.enabled"] = {manifest.provider};
  if (!sources.flags.contains("log.level")) sources.flags["log.level"] = {"off"};
  return LoadConfig(sources);
}

// Parses and prints, without network and tokens.
int Explain(CommandIo& io, const LoadedConfig& loaded, MountRequest request) {
  OfflineProviders providers;
  auto provider = providers.Make(request.provider, loaded);
  if (!provider.ok()) return Fail(io, provider.error());
  auto plan = PlanWithoutToken(*provider, std::move(request));
  if (!plan.ok()) return Fail(io, plan.error());
  io.out << (*plan)->Explain();
  return kExitOk;
}

Json BundleJson(const Bundle& bundle) {
  Json files(jsoncons::json_array_arg);
  for (const BundleFile& file : bundle.files) {
    Json line(jsoncons::json_object_arg);
    line["path"] = file.path;
    line["mode"] = fmt::format("{:04o}", file.mode);
    line["bytes"] = file.contents.size();
    files.push_back(std::move(line));
  }
  Json versions(jsoncons::json_array_arg);
  for (const ObjectVersion& version : bundle.versions) {
    Json line(jsoncons::json_object_arg);
    line["object"] = version.id;
    line["version"] = version.version;
    versions.push_back(std::move(line));
  }
  Json json(jsoncons::json_object_arg);
  json["files"] = std::move(files);
  json["versions"] = std::move(versions);
  json["refs"] = bundle.report.refs;
  json["backendReads"] = bundle.report.backend_reads;
  json["logins"] = bundle.report.logins;
  return json;
}

std::string BundleTable(const Bundle& bundle, const std::string& last_line) {
  TextTable files({"FILE", "MODE", "SIZE"});
  for (const BundleFile& file : bundle.files) {
    files.Add({file.path, fmt::format("{:04o}", file.mode), ShortSize(file.contents.size())});
  }
  TextTable versions({"OBJECT", "VERSION"});
  for (const ObjectVersion& version : bundle.versions) versions.Add({version.id, version.version});
  return files.Text() + "\n" + versions.Text() + "\n" + last_line + "\n";
}

// A dry run leaves no login at the backend. Files that were written may hold credentials that end
// with the login, so that login is left to expire.
void RevokeLogins(Graph& graph) {
  const Context context(graph.clock.Now() + kRevokeBudget, std::stop_token());
  for (const SessionPtr& session : graph.credentials.Sessions()) {
    LeaseClient* leases = session->route.backend->lease_client();
    const Result<Credential> credential = session->Open();
    if (leases == nullptr || !credential.ok()) continue;
    // A login that cannot be revoked expires by itself; the command has succeeded nevertheless.
    (void)leases->RevokeCredential(context, *session->route.options, *credential);
  }
}

Result<std::string> WriteFiles(const Graph& graph, const std::string& directory,
                               const Bundle& bundle) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::Format(ErrorCode::kInvalid, "create directory {}: {}", directory,
                         std::strerror(errno));
  }
  const Result<WriteOutcome> written = AtomicWriter(directory, graph.clock).Write(bundle);
  if (!written.ok()) return written.error().Prepend("write to {}", directory);
  if (!written->changed) return fmt::format("{}: already up to date", directory);
  return fmt::format("{}: {} added, {} updated, {} removed", directory, written->added.size(),
                     written->updated.size(), written->removed.size());
}

int Fetch(CommandIo& io, const Options& options, const LoadedConfig& loaded, MountRequest request,
          Duration timeout) {
  Logger log(loaded.config.log_level, LogFormat::kText);
  auto graph = Graph::Create(loaded, log);
  if (!graph.ok()) return Fail(io, graph.error());
  const Context context((*graph)->clock.Now() + timeout, std::stop_token());
  const std::string provider = request.provider;
  const Result<Bundle> bundle = (*graph)->mounts.Mount(context, provider, std::move(request));
  if (options.dry_run) RevokeLogins(**graph);
  if (!bundle.ok()) return Fail(io, bundle.error());
  std::string outcome = "dry run: nothing was written";
  if (!options.dry_run) {
    Result<std::string> written = WriteFiles(**graph, options.directory, *bundle);
    if (!written.ok()) return Fail(io, written.error());
    outcome = *std::move(written);
  }
  Print(io, *options.output, BundleJson(*bundle), [&] { return BundleTable(*bundle, outcome); });
  return kExitOk;
}

int Get(CommandIo& io, const Options& options) {
  const Result<SpcManifest> manifest = LoadManifest(options.file, options.name);
  if (!manifest.ok()) return Fail(io, manifest.error());
  const Result<Duration> timeout = ParseDuration(options.timeout);
  if (!timeout.ok()) return Fail(io, timeout.error().Prepend("--timeout"));
  Result<MountRequest> request = ReadRequest(options, *manifest);
  if (!request.ok()) return Fail(io, request.error());
  const Result<LoadedConfig> loaded = ConfigFor(io, options, *manifest);
  if (!loaded.ok()) return Fail(io, loaded.error());
  if (options.explain) return Explain(io, *loaded, *std::move(request));
  return Fetch(io, options, *loaded, *std::move(request), *timeout);
}

}  // namespace

void AddGet(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command = root.add_subcommand(
      "get", "Mounts a SecretProviderClass into a directory, without Kubernetes and the agent");
  auto options = std::make_shared<Options>();
  command->add_option("-f,--filename", options->file, "Manifest with the SecretProviderClass")
      ->required()
      ->type_name("FILE");
  command->add_option("--name", options->name, "Which class, when the file has several")
      ->type_name("NAME");
  command
      ->add_option("-n,--namespace", options->namespace_name, "Namespace of the pod to mount for")
      ->type_name("NAME");
  command->add_option("--pod", options->pod, "Name of that pod")->type_name("NAME");
  command->add_option("--service-account", options->service_account, "Its service account")
      ->type_name("NAME");
  command
      ->add_option("--token-file", options->token_files,
                   "File with a service account token for an audience; may be repeated")
      ->allow_extra_args(false)
      ->type_name("AUDIENCE=FILE");
  CLI::Option_group* how = command->add_option_group("how", "What to do (one of these)");
  how->add_option("--out", options->directory, "Write the files into this directory")
      ->type_name("DIR");
  how->add_flag("--explain", options->explain,
                "Print what would be read and written, without network access");
  how->add_flag("--dry-run", options->dry_run,
                "Fetch, but write nothing and show no content: names, sizes and versions");
  how->require_option(1);
  command->add_option("--timeout", options->timeout, "Maximum time (default 90s)")
      ->type_name("DURATION");
  options->output = AddOutput(*command);
  options->config = AddConfigFile(*command);
  Examples(
      *command,
      {"nodekeep get -f class.yaml --explain", "kubectl create token web --audience vault > token",
       "VAULT_ADDR=https://vault:8200 nodekeep get -f class.yaml --token-file vault=token "
       "--dry-run",
       "nodekeep get -f class.yaml --namespace shop --pod web-0 --service-account web --out "
       "./secrets"});
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return Get(chosen.io, *options); }; });
}

}  // namespace nodekeep

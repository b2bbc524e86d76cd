// The SecretProviderClass dialect (docs/protocol/secret-provider-class.md, "vault parameters").
// Upstream's checks run in upstream's order, so that a manifest with two such mistakes gets the
// same error from us; our own checks of an entry of `objects` run when the entry is read.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "agent/base/ascii.h"
#include "agent/base/go_json.h"
#include "agent/base/go_text.h"
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "agent/base/volume_path.h"
#include "agent/http/tls_material.h"
#include "agent/secrets/spc_reader.h"
#include "providers/vault/answer.h"
#include "providers/vault/node_paths.h"
#include "providers/vault/options.h"
#include "providers/vault/secret_args.h"

namespace nodekeep::vault {
namespace {

constexpr std::string_view kMountError = "error making mount request";
constexpr std::string_view kEntryOptional = "nodekeep/optional";
constexpr std::string_view kEntryKeys[] = {kEntryOptional, kPropertyKey};
constexpr char kNullValues[] = "nodekeep/nullValues";
// Those of upstream; it ignores all others.
constexpr std::string_view kParameters[] = {"roleName",
                                            "vaultAddress",
                                            "vaultNamespace",
                                            "vaultAuthMountPath",
                                            "vaultKubernetesMountPath",
                                            "audience",
                                            "vaultSkipTLSVerify",
                                            "vaultCACertPath",
                                            "vaultCADirectory",
                                            "vaultTLSServerName",
                                            "vaultTLSClientCertPath",
                                            "vaultTLSClientKeyPath",
                                            "objects"};
constexpr std::string_view kKeys[] = {"objectName", "secretPath",     "secretKey", "method",
                                      "secretArgs", "filePermission", "encoding"};

// An element of `objects`, as written.
struct Entry {
  std::string object_name;
  std::string secret_path;
  std::string secret_key;
  std::string method;
  std::string secret_args;            // canonical JSON; "" = absent
  std::uint32_t file_permission = 0;  // 0 = that of the request
  std::string encoding;
  std::string property;
  bool optional = false;
};

Error Invalid(std::string message) { return Error(ErrorCode::kInvalid, std::move(message)); }

std::uint32_t ReadFilePermission(SpcEntry& reader) {
  const YamlNode* value = reader.Find("filePermission");
  if (value == nullptr) return 0;
  Result<std::int64_t> mode = YamlInt(*value);
  if (!mode.ok()) {
    reader.Fail(*value, "filePermission must be a number without quotes, such as 0644");
    return 0;
  }
  if (*mode < 0 || *mode > kMaxFileMode) {
    reader.Fail(*value, fmt::format("filePermission {} is not a file mode; use 0 to 0777", *mode));
  }
  return static_cast<std::uint32_t>(*mode);
}

std::string ReadSecretArgs(SpcEntry& reader) {
  const YamlNode* value = reader.Find("secretArgs");
  if (value == nullptr) return "";
  if (!value->IsMapping()) {
    reader.Fail(*value, "secretArgs must be a mapping");
    return "";
  }
  Result<Json> args = JsonOfYaml(*value);
  if (args.ok()) return std::string(GoJson(*args).Reveal());
  reader.Fail(*value, "secretArgs: " + args.error().message());
  return "";
}

bool IsHttpToken(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Result<Entry> ReadEntry(const YamlNode& node, SpcWarnings& warnings) {
  SpcEntry reader(node, "must be a mapping with objectName and secretPath");
  Entry entry;
  entry.object_name = reader.Text("objectName");
  reader.SetObject(entry.object_name);
  entry.secret_path = reader.Text("secretPath");
  entry.secret_key = reader.Text("secretKey");
  entry.method = reader.Text("method");
  if (!IsHttpToken(entry.method)) {
    reader.FailAt("method",
                  fmt::format("method \"{}\" is not an HTTP method", Excerpt(entry.method)));
  }
  entry.encoding = reader.Text("encoding");
  entry.file_permission = ReadFilePermission(reader);
  entry.secret_args = ReadSecretArgs(reader);
  entry.property = reader.Property();
  entry.optional = reader.Flag(kEntryOptional).value_or(false);
  if (const YamlNode* key = reader.UnknownReservedKey(kEntryKeys); key != nullptr) {
    reader.Fail(*key,
                fmt::format("key \"{}\" is unknown; keys under nodekeep/ in an object are: {}",
                            Excerpt(key->text), fmt::join(kEntryKeys, ", ")));
  }
  if (reader.failed()) return reader.status().error();
  reader.WarnOfKeys(kKeys, "filePermission", warnings);
  if (!entry.encoding.empty() && entry.secret_key.empty() && entry.property.empty()) {
    reader.Warn("encoding", "encoding: has no effect without secretKey: set secretKey", warnings);
  }
  return entry;
}

Result<std::vector<Entry>> ReadObjects(const std::string& text, SpcWarnings& warnings) {
  Result<std::vector<YamlNode>> nodes = ReadObjectList(text);
  if (!nodes.ok()) return nodes.error();
  std::vector<Entry> entries;
  for (const YamlNode& node : *nodes) {
    Result<Entry> entry = ReadEntry(node, warnings);
    if (!entry.ok()) {
      return entry.error().Prepend("parameter objects: entry {}", entries.size() + 1);
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<AuthMethod> ReadMethod(const SpcParameters& parameters) {
  if (!parameters.Has("nodekeep/auth")) return AuthMethod::kKubernetes;
  const std::string name = parameters.Get("nodekeep/auth");
  for (AuthMethod method : {AuthMethod::kKubernetes, AuthMethod::kJwt, AuthMethod::kToken,
                            AuthMethod::kAppRole, AuthMethod::kCert}) {
    if (name == AuthMethodName(method)) return method;
  }
  return Invalid(
      fmt::format("parameter nodekeep/auth: unknown method \"{}\"; use kubernetes, jwt, "
                  "token, approle or cert",
                  Excerpt(name)));
}

// Errors: the parameter's name, then upstream's text.
Result<bool> ReadSkipVerify(const SpcParameters& parameters) {
  if (!parameters.Has("vaultSkipTLSVerify")) return false;
  Result<bool> skip = ParseGoBool(parameters.Get("vaultSkipTLSVerify"));
  return skip.ok() ? skip : skip.error().Prepend("parameter vaultSkipTLSVerify");
}

Result<NullValues> ReadNullValues(const SpcParameters& parameters, const VaultSettings& settings) {
  const std::string text = parameters.Get(kNullValues);
  if (text.empty()) return settings.nulls;
  const std::optional<NullValues> nulls = NullValuesOf(text);
  if (nulls) return *nulls;
  return Invalid(fmt::format("parameter {}: \"{}\" is unknown; use refuse or text", kNullValues,
                             Excerpt(text)));
}

bool NeedsRole(AuthMethod method) {
  return method == AuthMethod::kKubernetes || method == AuthMethod::kJwt;
}

Status CheckUniqueNames(const std::vector<Entry>& entries) {
  std::set<std::string_view> seen, reported;
  std::vector<std::string_view> twice;
  for (const Entry& entry : entries) {
    if (seen.insert(entry.object_name).second) continue;
    if (!reported.insert(entry.object_name).second) continue;
    twice.push_back(entry.object_name.empty() ? "(no name)" : std::string_view(entry.object_name));
  }
  if (twice.empty()) return {};
  return Invalid(
      fmt::format("each `objectName` within a SecretProviderClass must be unique; used "
                  "more than once: {}",
                  Excerpt(fmt::format("\"{}\"", fmt::join(twice, "\", \"")))));
}

// A name cannot be a file and the folder of another file. The names are unique.
Status CheckNoFolderClash(const std::vector<Entry>& entries) {
  VolumePaths paths;
  for (const Entry& entry : entries) {
    const std::optional<VolumePaths::Clash> clash = paths.Add(entry.object_name);
    if (!clash) continue;
    const bool is_folder = clash->kind == VolumePaths::Clash::Kind::kAboveOther;
    return Invalid(
        fmt::format("object \"{}\": invalid path: \"{}\" is another object's file and cannot be a "
                    "folder as well",
                    Excerpt(is_folder ? clash->other : entry.object_name),
                    Excerpt(is_folder ? entry.object_name : clash->other)));
  }
  return {};
}

TlsSettings ReadTls(const SpcParameters& parameters, const TlsSettings& node, bool skip_verify) {
  TlsSettings tls;
  tls.ca_file = parameters.Get("vaultCACertPath");
  tls.ca_directory = parameters.Get("vaultCADirectory");
  tls.server_name = parameters.Get("vaultTLSServerName");
  tls.client_cert_file = parameters.Get("vaultTLSClientCertPath");
  tls.client_key_file = parameters.Get("vaultTLSClientKeyPath");
  tls.skip_verify = skip_verify;
  return TlsOverNode(tls, node);
}

// Whether the node has a credential for this method; a client certificate is always a node's file.
bool HasNodeCredential(AuthMethod method, const VaultSettings& settings) {
  switch (method) {
    case AuthMethod::kKubernetes:
    case AuthMethod::kJwt: return false;
    case AuthMethod::kToken: return !settings.token_file.empty();
    case AuthMethod::kAppRole: return !settings.approle_role_id.empty();
    case AuthMethod::kCert: return true;
  }
  return false;
}

bool IsNodeAddress(const Options& options, const VaultSettings& settings) {
  Result<Address> own = Address::Parse(settings.address);
  return own.ok() && own->base == options.address.base &&
         own->unix_socket == options.address.unix_socket;
}

// A socket of the class must be listed, because the agent reaches those of others.
Status CheckSocket(const Options& options, const VaultSettings& settings) {
  const std::string& socket = options.address.unix_socket;
  if (socket.empty() || IsNodeAddress(options, settings)) return {};
  const std::vector<std::string>& listed = settings.unix_sockets;
  if (std::find(listed.begin(), listed.end(), socket) != listed.end()) return {};
  return Invalid(
      fmt::format("{}: vaultAddress \"unix://{}\": providers.vault.unixSockets of the node's "
                  "configuration does "
                  "not list this socket",
                  kMountError, Excerpt(socket)));
}

// Whether the server is verified as the node's settings require; ignores the client certificate.
bool IsNodeTrust(const TlsSettings& tls, const TlsSettings& node) {
  return tls.ca_file == node.ca_file && tls.ca_directory == node.ca_directory &&
         tls.ca_pem == node.ca_pem && tls.server_name == node.server_name &&
         tls.skip_verify == node.skip_verify;
}

// Why the node's credential must not be sent to the class's server and login; "" if it may.
std::string WhyServerWithheld(const Options& options, const VaultSettings& settings) {
  if (!IsNodeAddress(options, settings)) return "the class sets another vaultAddress";
  if (!IsNodeTrust(*options.tls, settings.tls))
    return "the class changes how the server is trusted";
  const std::string login = NamespaceName(options.login_namespace);
  const bool known =
      login == NamespaceName(settings.namespace_name) ||
      std::any_of(settings.node_paths.begin(), settings.node_paths.end(),
                  [&](const VaultNodePath& path) { return path.namespace_name == login; });
  if (known) return "";
  return fmt::format(
      "the class logs in at namespace \"{}\", of which providers.vault.nodeCredentialPaths of the "
      "node's configuration lists no path",
      Excerpt(login));
}

// The path in the form of an entry of nodeCredentialPaths.
std::string NodePathText(const SecretRef& ref, const Options& options,
                         const VaultSettings& settings) {
  constexpr std::string_view kRoot = "/v1/";
  std::string path = ref.path.substr(kRoot.size(), ref.path.find('?') - kRoot.size());
  const std::string in = NamespaceName(options.read_namespace);
  if (in == NamespaceName(settings.namespace_name) && path.find(':') == std::string::npos) {
    return path;
  }
  return in + ":" + path;
}

// Why the node's credential must not be used for the class's reads; "" if it may.
std::string WhyReadsWithheld(const std::vector<Entry>& entries,
                             const std::vector<Projection>& projections,
                             const VaultSettings& settings, Options& options) {
  std::string why;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const SecretRef& ref = projections[i].ref;
    const std::string path = NodePathText(ref, options, settings);
    std::string reason;
    switch (
        NodeAccessTo(entries[i].method, ref.path, options.read_namespace, settings.node_paths)) {
      case NodeAccess::kAllowed: continue;
      case NodeAccess::kNotGet:
        reason =
            fmt::format("its method is \"{}\", and with a credential of the node only GET is sent",
                        Excerpt(entries[i].method));
        break;
      case NodeAccess::kSystem:
        reason = fmt::format(
            "\"{}\" is below auth, sys, identity or cubbyhole, which are never read with a "
            "credential "
            "of the node",
            Excerpt(path));
        break;
      case NodeAccess::kUnlisted:
        options.unlisted_paths.push_back(path);
        reason = fmt::format(
            "providers.vault.nodeCredentialPaths of the node's configuration does not list \"{}\"",
            Excerpt(path));
        break;
    }
    if (why.empty())
      why = fmt::format("of object \"{}\": {}", Excerpt(entries[i].object_name), reason);
  }
  return why;
}

// Sets the node's credential for the method in `options`, or why it is withheld.
void GrantNodeCredential(const std::vector<Entry>& entries,
                         const std::vector<Projection>& projections, const VaultSettings& settings,
                         Options& options) {
  if (!HasNodeCredential(options.method, settings)) return;
  options.node_credentials_withheld = WhyServerWithheld(options, settings);
  if (options.node_credentials_withheld.empty()) {
    options.node_credentials_withheld = WhyReadsWithheld(entries, projections, settings, options);
  }
  if (!options.node_credentials_withheld.empty()) return;
  if (options.method == AuthMethod::kToken) options.token_file = settings.token_file;
  if (options.method == AuthMethod::kAppRole) {
    options.approle_role_id = settings.approle_role_id;
    options.approle_secret_id_file = settings.approle_secret_id_file;
  }
}

Status ReadMount(const SpcParameters& parameters, const VaultSettings& settings, Options& options) {
  const bool kubernetes = options.method == AuthMethod::kKubernetes;
  const std::string of_node =
      kubernetes ? settings.auth_mount : std::string(AuthMethodName(options.method));
  // The two parameters are synonyms, and a class sets one of them.
  const std::string_view parameter = parameters.Get("vaultKubernetesMountPath").empty()
                                         ? "vaultAuthMountPath"
                                         : "vaultKubernetesMountPath";
  const std::string mount = parameters.Or(parameter, of_node);
  const bool of_setting = kubernetes && settings.auth_mount != VaultSettings().auth_mount;
  options.mount_source = of_setting ? parameters.SourceOf(parameter, "providers.vault.authMount")
                                    : std::string(parameter);
  std::string_view clean = mount;
  while (clean.starts_with('/')) clean.remove_prefix(1);
  while (clean.ends_with('/')) clean.remove_suffix(1);
  Result<std::string> path = ApiPath(clean);
  if (!path.ok() || *path != "/v1/" + std::string(clean) ||
      clean.find('?') != std::string_view::npos) {
    return Invalid(fmt::format("{}: {} \"{}\" is not a path of an auth mount", kMountError,
                               options.mount_source, Excerpt(mount)));
  }
  options.mount = clean;
  return {};
}

Status ReadNamespaces(const SpcParameters& parameters, const VaultSettings& settings,
                      Options& options) {
  options.read_namespace = parameters.Or("vaultNamespace", settings.namespace_name);
  // Present but empty is the root namespace.
  options.login_namespace = parameters.Has("nodekeep/authNamespace")
                                ? parameters.Get("nodekeep/authNamespace")
                                : options.read_namespace;
  std::string source;
  if (HasControlCharacters(options.read_namespace)) {
    source = parameters.SourceOf("vaultNamespace", "providers.vault.namespace");
  } else if (HasControlCharacters(options.login_namespace)) {
    source = "nodekeep/authNamespace";
  }
  if (source.empty()) return {};
  return Invalid(fmt::format("{}: {} holds control characters", kMountError, source));
}

// Which half of a client certificate and its key is not set. One of the class replaces both of the
// node.
std::string MissingOfPair(const SpcParameters& parameters, const TlsSettings& tls) {
  const bool no_key = tls.client_key_file.empty();
  if (!parameters.Get("vaultTLSClientCertPath").empty()) {
    return "set vaultTLSClientKeyPath beside vaultTLSClientCertPath";
  }
  if (!parameters.Get("vaultTLSClientKeyPath").empty()) {
    return "set vaultTLSClientCertPath beside vaultTLSClientKeyPath";
  }
  return fmt::format("set providers.vault.{} of the node's configuration beside its {}",
                     no_key ? "clientKeyFile" : "clientCertFile",
                     no_key ? "clientCertFile" : "clientKeyFile");
}

Result<std::shared_ptr<Options>> ReadOptions(const SpcParameters& parameters, AuthMethod method,
                                             bool skip_verify, const VaultSettings& settings) {
  auto options = std::make_shared<Options>();
  options->method = method;
  options->role = parameters.Get("roleName");
  if (NeedsRole(method)) {
    options->audience = parameters.Get("audience");
    options->audience_named = !options->audience.empty();
    if (!options->audience_named) options->audience = "vault";
  }
  options->address_text = parameters.Or("vaultAddress", settings.address);
  options->address_source = parameters.SourceOf("vaultAddress", "providers.vault.address");
  Result<Address> address = Address::Parse(options->address_text, options->address_source);
  if (!address.ok()) return address.error().Prepend("{}", kMountError);
  options->address = *std::move(address);
  if (Status socket = CheckSocket(*options, settings); !socket.ok()) return socket.error();
  options->redirect_hosts = settings.redirect_hosts;

  TlsSettings tls = ReadTls(parameters, settings.tls, skip_verify);
  if (const std::string name = parameters.Get("vaultTLSServerName");
      !name.empty() && !IsServerName(name)) {
    return Invalid(fmt::format("{}: vaultTLSServerName \"{}\" is not a host name", kMountError,
                               Excerpt(name)));
  }
  if (tls.client_cert_file.empty() != tls.client_key_file.empty()) {
    return Invalid(fmt::format("{}: both client cert and client key must be provided: {}",
                               kMountError, MissingOfPair(parameters, tls)));
  }
  if (method == AuthMethod::kCert &&
      (tls.client_cert_file.empty() || !options->address.base.starts_with("https://"))) {
    return Invalid(
        fmt::format("{}: nodekeep/auth \"cert\" needs an https address, "
                    "vaultTLSClientCertPath and vaultTLSClientKeyPath",
                    kMountError));
  }
  options->at_node_server = IsNodeAddress(*options, settings) && IsNodeTrust(tls, settings.tls);
  options->tls = std::make_shared<const TlsSettings>(std::move(tls));
  if (Status mount = ReadMount(parameters, settings, *options); !mount.ok()) return mount.error();
  if (Status read = ReadNamespaces(parameters, settings, *options); !read.ok()) return read.error();
  return options;
}

// What an object's version depends on besides the contents; the same bytes as upstream's.
std::string VersionSeed(const Entry& entry) {
  GoJsonObject seed;
  seed.String("ObjectName", entry.object_name)
      .String("SecretPath", entry.secret_path)
      .String("SecretKey", entry.secret_key)
      .String("Method", entry.method)
      .Raw("SecretArgs", entry.secret_args.empty() ? "null" : entry.secret_args)
      .Number("FilePermission", entry.file_permission)
      .String("Encoding", entry.encoding);
  return std::string(seed.Finish().Reveal());
}

// Canonical JSON of a request, "" for a plain GET. The arguments are part of it, so that two
// certificates of one path with different names are two requests.
std::string RequestText(const Entry& entry) {
  const std::string method = entry.method.empty() ? "GET" : entry.method;
  if (method == "GET" && entry.secret_args.empty()) return "";
  GoJsonObject request;
  if (!entry.secret_args.empty()) request.Raw("args", entry.secret_args);
  return std::string(request.String("method", method).Finish().Reveal());
}

Status CheckEncoding(const Entry& entry) {
  if (entry.secret_key.empty() && entry.property.empty()) return {};
  for (std::string_view known : {"", "utf-8", "base64", "hex"}) {
    if (EqualsIgnoreCase(entry.encoding, known)) return {};
  }
  return Invalid(
      fmt::format("{}: {{{}}}: {{invalid encoding type \"{}\"; use utf-8, base64 or "
                  "hex}}",
                  kMountError, Excerpt(entry.secret_path), Excerpt(entry.encoding)));
}

Result<Projection> Project(const Entry& entry, std::uint32_t request_mode, const Options& options) {
  if (Status path = CheckVolumePath(entry.object_name); !path.ok()) return path.error();
  Result<std::string> path = ApiPath(entry.secret_path);
  if (!path.ok()) return path.error();
  if (!options.tls->client_cert_file.empty() && !entry.method.empty() && entry.method != "GET" &&
      IsLoginPath(*path)) {
    return Invalid(
        fmt::format("secretPath \"{}\" is a login: over a connection with a client certificate its "
                    "reply could be a token of that certificate, which is the node's",
                    Excerpt(entry.secret_path)));
  }

  Projection projection;
  projection.object = entry.object_name;
  projection.path = entry.object_name;
  projection.ref.provider = "vault";
  projection.ref.endpoint = options.Endpoint();
  projection.ref.path = *std::move(path);
  projection.ref.request = RequestText(entry);
  projection.mode = entry.file_permission == 0 ? request_mode : entry.file_permission;
  projection.field = entry.secret_key;
  projection.property = entry.property;
  if (!entry.secret_key.empty() || !entry.property.empty()) {
    projection.encoding = AsciiLower(entry.encoding);
  }
  projection.optional = entry.optional;
  projection.version_seed = VersionSeed(entry);
  projection.read_error = fmt::format("couldn't read secret \"{}\"", Excerpt(entry.object_name));
  return projection;
}

Result<std::vector<Projection>> ProjectAll(const std::vector<Entry>& entries,
                                           std::uint32_t request_mode, const Options& options) {
  std::vector<Projection> projections;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (entry.object_name.empty()) {
      return Invalid(
          fmt::format("parameter objects: entry {}: objectName is missing: it names the "
                      "file",
                      i + 1));
    }
    Result<Projection> projection = Project(entry, request_mode, options);
    if (!projection.ok())
      return projection.error().Prepend("object \"{}\"", Excerpt(entry.object_name));
    if (Status encoding = CheckEncoding(entry); !encoding.ok()) return encoding.error();
    projections.push_back(*std::move(projection));
  }
  return projections;
}

}  // namespace

Result<ParsedMount> ParseMount(const SpcInput& input, const VaultSettings& settings) {
  if (Status sizes = CheckParameterSizes(input.parameters); !sizes.ok()) return sizes.error();
  const SpcParameters parameters(input.parameters);
  if (parameters.Has("vaultKubernetesMountPath") && parameters.Has("vaultAuthMountPath")) {
    return Invalid(
        "cannot set both vaultKubernetesMountPath and vaultAuthMountPath: keep "
        "vaultAuthMountPath");
  }
  Result<bool> skip_verify = ReadSkipVerify(parameters);
  if (!skip_verify.ok()) return skip_verify.error();
  SpcWarnings warnings;
  Result<std::vector<Entry>> entries = ReadObjects(parameters.Get("objects"), warnings);
  if (!entries.ok()) return entries.error();
  Result<AuthMethod> method = ReadMethod(parameters);
  if (!method.ok()) return method.error();
  if (NeedsRole(*method) && parameters.Get("roleName").empty()) {
    return Invalid("missing 'roleName': name the role of the auth mount to log in with");
  }
  if (entries->empty()) {
    return Invalid("no secrets configured: the class needs a list under \"objects\"");
  }
  if (Status unique = CheckUniqueNames(*entries); !unique.ok()) return unique.error();

  Result<std::shared_ptr<Options>> options =
      ReadOptions(parameters, *method, *skip_verify, settings);
  if (!options.ok()) return options.error();
  Result<std::vector<Projection>> projections = ProjectAll(*entries, input.mode, **options);
  if (!projections.ok()) return projections.error();
  if (Status clash = CheckNoFolderClash(*entries); !clash.ok()) return clash.error();
  Result<Policy> policy = ReadPolicy(parameters.values(), settings.policy,
                                     {"nodekeep/auth", "nodekeep/authNamespace", kNullValues});
  if (!policy.ok()) return policy.error();
  Result<NullValues> nulls = ReadNullValues(parameters, settings);
  if (!nulls.ok()) return nulls.error();
  for (Projection& projection : *projections) projection.nulls = *nulls;
  if (Status marked = MarkOptional(parameters.values(), *projections); !marked.ok()) {
    return marked.error();
  }
  GrantNodeCredential(*entries, *projections, settings, **options);
  WarnOfParameters(parameters, kParameters, {{kEntryOptional}}, warnings);
  constexpr std::string_view kNoApi[] = {"/v1", "/ui"};
  WarnOfUrlPath(parameters, "vaultAddress", kNoApi,
                "write the address without it, /v1 is put before each secretPath", warnings);

  ParsedMount mount;
  if (!(*options)->audience.empty()) mount.audiences.push_back((*options)->audience);
  // A token that the agent requests has the default audience where the class names none: roles
  // without an audience of their own accept no other
  // (docs/protocol/secret-provider-class.md, "vault tokens").
  if (!(*options)->audience.empty() && !(*options)->audience_named) {
    mount.audiences.push_back("");
  }
  mount.options = *std::move(options);
  mount.projections = *std::move(projections);
  mount.mount_error = kMountError;
  mount.policy = *policy;
  mount.warnings = std::move(warnings);
  return mount;
}

}  // namespace nodekeep::vault

// The SecretProviderClass dialect: the order of the checks is upstream's, so that a manifest with
// two mistakes gets the same complaint from us.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "agent/base/go_json.h"
#include "agent/base/go_text.h"
#include "agent/base/json.h"
#include "agent/base/volume_path.h"
#include "agent/base/yaml.h"
#include "providers/vault/answer.h"
#include "providers/vault/node_paths.h"
#include "providers/vault/options.h"
#include "providers/vault/secret_args.h"

namespace nodekeep::vault {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr std::int64_t kMaxMode = 0777;
constexpr std::string_view kMountError = "error making mount request";
constexpr std::string_view kEntryOptional = "nodekeep/optional";

// An element of `objects`, as written.
struct Entry {
  std::string object_name;
  std::string secret_path;
  std::string secret_key;
  std::string method;
  std::string secret_args;  // canonical JSON; "" = absent
  std::int64_t file_permission = 0;
  std::string encoding;
  bool optional = false;
  std::string unknown_reserved_key;
};

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "" for an absent key.
std::string Get(const Attributes& attributes, const std::string& key) {
  auto found = attributes.find(key);
  return found == attributes.end() ? "" : found->second;
}

Error Invalid(std::string message) { return Error(ErrorCode::kInvalid, std::move(message)); }

Status ReadField(const YamlNode& node, std::string_view name, std::string& into) {
  const YamlNode* value = node.Find(name);
  if (value == nullptr) return {};
  Result<std::string> text = YamlText(*value);
  if (!text.ok()) return text.error().Prepend("{}", name);
  into = *std::move(text);
  return {};
}

Status ReadFilePermission(const YamlNode& node, Entry& entry) {
  const YamlNode* value = node.Find("filePermission");
  if (value == nullptr || value->IsNull()) return {};
  Result<std::int64_t> number = YamlInt(*value);
  if (!number.ok()) {
    return number.error().Prepend("filePermission must be a number without quotes, such as 0644");
  }
  entry.file_permission = *number;
  return {};
}

Status ReadSecretArgs(const YamlNode& node, Entry& entry) {
  const YamlNode* value = node.Find("secretArgs");
  if (value == nullptr || value->IsNull()) return {};
  if (!value->IsMapping()) return YamlError(*value, "secretArgs must be a mapping");
  Result<Json> args = JsonOfYaml(*value);
  if (!args.ok()) return args.error().Prepend("secretArgs");
  entry.secret_args = std::string(GoJson(*args).Reveal());
  return {};
}

Status ReadReservedKeys(const YamlNode& node, Entry& entry) {
  for (const auto& [key, value] : node.entries) {
    if (!Lower(key.text).starts_with("nodekeep")) continue;
    if (key.text != kEntryOptional) {
      entry.unknown_reserved_key = key.text;
      continue;
    }
    Result<bool> optional = YamlBool(value);
    if (!optional.ok()) return optional.error().Prepend("{}", kEntryOptional);
    entry.optional = *optional;
  }
  return {};
}

Result<Entry> ReadEntry(const YamlNode& node) {
  Entry entry;
  if (node.IsNull()) return entry;
  if (!node.IsMapping()) return YamlError(node, "must be a mapping with objectName and secretPath");
  const std::pair<std::string_view, std::string*> texts[] = {
      {"objectName", &entry.object_name}, {"secretPath", &entry.secret_path},
      {"secretKey", &entry.secret_key},   {"method", &entry.method},
      {"encoding", &entry.encoding},
  };
  for (const auto& [name, into] : texts) {
    if (Status read = ReadField(node, name, *into); !read.ok()) return read.error();
  }
  if (Status read = ReadFilePermission(node, entry); !read.ok()) return read.error();
  if (Status read = ReadSecretArgs(node, entry); !read.ok()) return read.error();
  if (Status read = ReadReservedKeys(node, entry); !read.ok()) return read.error();
  return entry;
}

Result<std::vector<Entry>> ReadObjects(const std::string& text) {
  Result<YamlNode> root = ParseYaml(text);
  if (!root.ok()) return root.error().Prepend("parameter objects");
  std::vector<Entry> entries;
  if (root->IsNull()) return entries;
  if (!root->IsSequence()) {
    return YamlError(*root, "must be a list of objects").Prepend("parameter objects");
  }
  for (std::size_t i = 0; i < root->items.size(); ++i) {
    Result<Entry> entry = ReadEntry(root->items[i]);
    if (!entry.ok()) return entry.error().Prepend("parameter objects: entry {}", i + 1);
    entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<AuthMethod> ReadMethod(const Attributes& attributes) {
  auto found = attributes.find("nodekeep/auth");
  if (found == attributes.end()) return AuthMethod::kKubernetes;
  for (AuthMethod method : {AuthMethod::kKubernetes, AuthMethod::kJwt, AuthMethod::kToken,
                            AuthMethod::kAppRole, AuthMethod::kCert}) {
    if (found->second == AuthMethodName(method)) return method;
  }
  return Invalid(
      fmt::format("parameter nodekeep/auth: unknown method \"{}\"; use kubernetes, jwt, "
                  "token, approle or cert",
                  found->second));
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
                  fmt::join(twice, ", ")));
}

// A name cannot be a file and the folder of another file.
Status CheckNoFolderClash(const std::vector<Entry>& entries) {
  std::set<std::string_view> names;
  for (const Entry& entry : entries) names.insert(entry.object_name);
  for (std::string_view name : names) {
    for (std::size_t slash = name.find('/'); slash != std::string_view::npos;
         slash = name.find('/', slash + 1)) {
      if (!names.contains(name.substr(0, slash))) continue;
      return Invalid(
          fmt::format("object \"{}\": invalid path: \"{}\" is another object's file and "
                      "cannot be a folder as well",
                      name, name.substr(0, slash)));
    }
  }
  return {};
}

// The TLS pieces of the class over those of the node.
TlsSettings MergeTls(const Attributes& attributes, const TlsSettings& node, bool skip_verify) {
  TlsSettings tls = node;
  const std::string ca_file = Get(attributes, "vaultCACertPath");
  const std::string ca_directory = Get(attributes, "vaultCADirectory");
  if (!ca_file.empty() || !ca_directory.empty()) {
    tls.ca_file = ca_file;
    tls.ca_directory = ca_directory;
    tls.ca_pem.clear();
  }
  if (std::string name = Get(attributes, "vaultTLSServerName"); !name.empty()) {
    tls.server_name = name;
  }
  const std::string cert = Get(attributes, "vaultTLSClientCertPath");
  const std::string key = Get(attributes, "vaultTLSClientKeyPath");
  if (!cert.empty() || !key.empty()) {
    tls.client_cert_file = cert;
    tls.client_key_file = key;
  }
  if (skip_verify) tls.skip_verify = true;
  return tls;
}

// Whether the node has a credential for this method: a client certificate is always a file of it.
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

// Whether the server is verified as the node verifies it. The client certificate does not count.
bool IsNodeTrust(const TlsSettings& tls, const TlsSettings& node) {
  return tls.ca_file == node.ca_file && tls.ca_directory == node.ca_directory &&
         tls.ca_pem == node.ca_pem && tls.server_name == node.server_name &&
         tls.skip_verify == node.skip_verify;
}

// Why the node's own credential may not be used for where and how the class logs in; "" if it may.
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
      login);
}

// As nodeCredentialPaths would have to list it.
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

// Why the node's own credential may not read what the class asks for; "" if it may.
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
        reason = fmt::format("its method is {}, and with a credential of the node only GET is sent",
                             entries[i].method);
        break;
      case NodeAccess::kSystem:
        reason = fmt::format(
            "{} is below auth, sys, identity or cubbyhole, which are never read with a credential "
            "of the node",
            path);
        break;
      case NodeAccess::kUnlisted:
        options.unlisted_paths.push_back(path);
        reason = fmt::format(
            "providers.vault.nodeCredentialPaths of the node's configuration does not list {}",
            path);
        break;
    }
    if (why.empty()) why = fmt::format("of object \"{}\": {}", entries[i].object_name, reason);
  }
  return why;
}

// Gives `options` the node's credential for its method, or says why not.
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

Result<std::string> ReadMount(const Attributes& attributes, AuthMethod method,
                              const VaultSettings& settings) {
  std::string mount = Get(attributes, "vaultAuthMountPath");
  if (mount.empty()) mount = Get(attributes, "vaultKubernetesMountPath");
  if (mount.empty()) {
    mount = method == AuthMethod::kKubernetes ? settings.auth_mount
                                              : std::string(AuthMethodName(method));
  }
  std::string_view clean = mount;
  while (clean.starts_with('/')) clean.remove_prefix(1);
  while (clean.ends_with('/')) clean.remove_suffix(1);
  Result<std::string> path = ApiPath(clean);
  if (!path.ok() || *path != "/v1/" + std::string(clean) ||
      clean.find('?') != std::string_view::npos) {
    return Invalid(fmt::format("{}: vaultAuthMountPath \"{}\" is no path of an auth mount",
                               kMountError, mount));
  }
  return std::string(clean);
}

bool HasControlCharacters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Status ReadNamespaces(const Attributes& attributes, const VaultSettings& settings,
                      Options& options) {
  options.read_namespace = Get(attributes, "vaultNamespace");
  if (options.read_namespace.empty()) options.read_namespace = settings.namespace_name;
  auto login = attributes.find("nodekeep/authNamespace");
  // Present but empty is the root namespace.
  options.login_namespace = login == attributes.end() ? options.read_namespace : login->second;
  for (const std::string* name : {&options.read_namespace, &options.login_namespace}) {
    if (HasControlCharacters(*name)) {
      return Invalid(fmt::format("{}: vaultNamespace holds control characters", kMountError));
    }
  }
  return {};
}

Result<std::shared_ptr<Options>> ReadOptions(const Attributes& attributes, AuthMethod method,
                                             bool skip_verify, const VaultSettings& settings) {
  auto options = std::make_shared<Options>();
  options->method = method;
  options->role = Get(attributes, "roleName");
  if (NeedsRole(method)) {
    options->audience = Get(attributes, "audience");
    options->audience_named = !options->audience.empty();
    if (!options->audience_named) options->audience = "vault";
  }
  options->address_text = Get(attributes, "vaultAddress");
  if (options->address_text.empty()) options->address_text = settings.address;
  Result<Address> address = Address::Parse(options->address_text);
  if (!address.ok()) return address.error().Prepend("{}", kMountError);
  options->address = *std::move(address);

  TlsSettings tls = MergeTls(attributes, settings.tls, skip_verify);
  if (tls.client_cert_file.empty() != tls.client_key_file.empty()) {
    return Invalid(
        fmt::format("{}: both client cert and client key must be provided: set "
                    "vaultTLSClientCertPath and vaultTLSClientKeyPath",
                    kMountError));
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
  Result<std::string> mount = ReadMount(attributes, method, settings);
  if (!mount.ok()) return mount.error();
  options->mount = *std::move(mount);
  if (Status read = ReadNamespaces(attributes, settings, *options); !read.ok()) return read.error();
  return options;
}

// What the object's version is bound to besides the contents; upstream's bytes.
std::string VersionSeed(const Entry& entry) {
  SecretBytes seed("{");
  const auto member = [&](std::string_view name, std::string_view text) {
    if (seed.size() > 1) seed.Append(",");
    AppendGoJsonString(name, seed);
    seed.Append(":");
    AppendGoJsonString(text, seed);
  };
  member("ObjectName", entry.object_name);
  member("SecretPath", entry.secret_path);
  member("SecretKey", entry.secret_key);
  member("Method", entry.method);
  seed.Append(",\"SecretArgs\":");
  seed.Append(entry.secret_args.empty() ? "null" : entry.secret_args);
  seed.Append(fmt::format(",\"FilePermission\":{}", entry.file_permission));
  member("Encoding", entry.encoding);
  seed.Append("}");
  return std::string(seed.Reveal());
}

// Canonical JSON of everything but a plain read; args count, so that two certificates of one path
// with different names are two requests.
std::string RequestText(const Entry& entry) {
  const std::string method = entry.method.empty() ? "GET" : entry.method;
  if (method == "GET" && entry.secret_args.empty()) return "";
  std::string text = "{";
  if (!entry.secret_args.empty()) text += "\"args\":" + entry.secret_args + ",";
  return text + "\"method\":" + GoJsonString(method) + "}";
}

bool IsHttpToken(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Status CheckEncoding(const Entry& entry) {
  if (entry.secret_key.empty()) return {};
  const std::string encoding = Lower(entry.encoding);
  for (std::string_view known : {"", "utf-8", "base64", "hex"}) {
    if (encoding == known) return {};
  }
  return Invalid(
      fmt::format("{}: {{{}}}: {{invalid encoding type \"{}\"; use utf-8, base64 or "
                  "hex}}",
                  kMountError, entry.secret_path, entry.encoding));
}

Result<Projection> Project(const Entry& entry, std::uint32_t request_mode, const Options& options) {
  if (Status path = CheckVolumePath(entry.object_name); !path.ok()) return path.error();
  if (!entry.unknown_reserved_key.empty()) {
    return Invalid(fmt::format("key {} is unknown; keys under nodekeep/ in an object are: {}",
                               entry.unknown_reserved_key, kEntryOptional));
  }
  if (entry.file_permission < 0 || entry.file_permission > kMaxMode) {
    return Invalid(
        fmt::format("filePermission {} is no file mode; use 0 to 0777", entry.file_permission));
  }
  if (!IsHttpToken(entry.method)) {
    return Invalid(fmt::format("method \"{}\" is no HTTP method", entry.method));
  }
  Result<std::string> path = ApiPath(entry.secret_path);
  if (!path.ok()) return path.error();
  if (!options.tls->client_cert_file.empty() && !entry.method.empty() && entry.method != "GET" &&
      IsLoginPath(*path)) {
    return Invalid(
        fmt::format("secretPath \"{}\" is a login: over a connection with a client certificate its "
                    "reply could be a token of that certificate, which is the node's",
                    entry.secret_path));
  }

  Projection projection;
  projection.object = entry.object_name;
  projection.path = entry.object_name;
  projection.ref.provider = "vault";
  projection.ref.endpoint = options.Endpoint();
  projection.ref.path = *std::move(path);
  projection.ref.request = RequestText(entry);
  projection.mode =
      entry.file_permission == 0 ? request_mode : static_cast<std::uint32_t>(entry.file_permission);
  projection.field = entry.secret_key;
  if (!entry.secret_key.empty()) projection.encoding = Lower(entry.encoding);
  projection.optional = entry.optional;
  projection.version_seed = VersionSeed(entry);
  projection.read_error = fmt::format("couldn't read secret \"{}\"", entry.object_name);
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
    if (!projection.ok()) return projection.error().Prepend("object \"{}\"", entry.object_name);
    if (Status encoding = CheckEncoding(entry); !encoding.ok()) return encoding.error();
    projections.push_back(*std::move(projection));
  }
  return projections;
}

}  // namespace

Result<ParsedMount> ParseMount(const SpcInput& input, const VaultSettings& settings) {
  const Attributes& attributes = input.parameters;
  if (attributes.contains("vaultKubernetesMountPath") &&
      attributes.contains("vaultAuthMountPath")) {
    return Invalid(
        "cannot set both vaultKubernetesMountPath and vaultAuthMountPath: keep "
        "vaultAuthMountPath");
  }
  bool skip_verify = false;
  if (auto skip = attributes.find("vaultSkipTLSVerify"); skip != attributes.end()) {
    Result<bool> value = ParseGoBool(skip->second);
    if (!value.ok()) return value.error().Prepend("parameter vaultSkipTLSVerify");
    skip_verify = *value;
  }
  Result<std::vector<Entry>> entries = ReadObjects(Get(attributes, "objects"));
  if (!entries.ok()) return entries.error();
  Result<AuthMethod> method = ReadMethod(attributes);
  if (!method.ok()) return method.error();
  if (NeedsRole(*method) && Get(attributes, "roleName").empty()) {
    return Invalid("missing 'roleName': name the role of the auth mount to log in with");
  }
  if (entries->empty()) {
    return Invalid("no secrets configured: the class needs a list under \"objects\"");
  }
  if (Status unique = CheckUniqueNames(*entries); !unique.ok()) return unique.error();

  Result<std::shared_ptr<Options>> options =
      ReadOptions(attributes, *method, skip_verify, settings);
  if (!options.ok()) return options.error();
  Result<std::vector<Projection>> projections = ProjectAll(*entries, input.mode, **options);
  if (!projections.ok()) return projections.error();
  if (Status clash = CheckNoFolderClash(*entries); !clash.ok()) return clash.error();
  Result<Policy> policy =
      ReadPolicy(attributes, settings.policy, {"nodekeep/auth", "nodekeep/authNamespace"});
  if (!policy.ok()) return policy.error();
  if (Status marked = MarkOptional(attributes, *projections); !marked.ok()) return marked.error();
  GrantNodeCredential(*entries, *projections, settings, **options);

  ParsedMount mount;
  if (!(*options)->audience.empty()) mount.audiences.push_back((*options)->audience);
  // A token that has to be made has the cluster's default audience where the class names none
  // (dialects.md 3.2): roles without an audience of their own accept no other.
  if (!(*options)->audience.empty() && !(*options)->audience_named) {
    mount.audiences.push_back("");
  }
  mount.options = *std::move(options);
  mount.projections = *std::move(projections);
  mount.mount_error = kMountError;
  mount.policy = *policy;
  return mount;
}

}  // namespace nodekeep::vault

// The SecretProviderClass dialect: parameters over the node's settings. What upstream accepts is
// accepted; keys of our own are checked (docs/protocol/secret-provider-class.md,
// "akeyless parameters" and "What the dialects share").

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "agent/base/ascii.h"
#include "agent/base/closest.h"
#include "agent/base/codecs.h"
#include "agent/base/comma_list.h"
#include "agent/base/utf8.h"
#include "agent/http/origin.h"
#include "agent/http/tls_material.h"
#include "agent/secrets/spc_reader.h"
#include "providers/akeyless/item.h"
#include "providers/akeyless/objects.h"
#include "providers/akeyless/options.h"

namespace nodekeep::akeyless {
namespace {

constexpr std::string_view kApiPath = "/api/v2";
constexpr char kAuthAs[] = "akeylessAuthAs";
constexpr char kFallbackGateways[] = "nodekeep/fallbackGateways";
constexpr char kAudience[] = "nodekeep/audience";
constexpr char kCaFile[] = "nodekeep/caFile";
constexpr char kCaBundle[] = "nodekeep/caBundle";
constexpr char kTlsServerName[] = "nodekeep/tlsServerName";
constexpr char kAllowPlainHttp[] = "nodekeep/allowPlainHttp";
constexpr char kIgnoreCache[] = "nodekeep/ignoreCache";
constexpr char kJsonText[] = "nodekeep/jsonText";
constexpr char kK8sGateway[] = "nodekeep/k8sGatewayURL";

// Those of upstream, and akeylessAuthAs; all others are ignored.
constexpr std::string_view kParameters[] = {"akeylessGatewayURL",
                                            "akeylessAccessType",
                                            "akeylessAccessID",
                                            kAccessKeySecret,
                                            "akeylessAzureObjectID",
                                            "akeylessGCPAudience",
                                            kUidInitTokenSecret,
                                            "akeylessK8sAuthConfigName",
                                            "vaultKubernetesMountPath",
                                            kAuthAs,
                                            "objects"};

// The order in which upstream tries to log in.
constexpr AccessType kProbing[] = {AccessType::kAccessKey, AccessType::kAwsIam,
                                   AccessType::kAzureAd,   AccessType::kGcp,
                                   AccessType::kK8s,       AccessType::kUniversalIdentity};

Error Invalid(std::string message) { return Error(ErrorCode::kInvalid, std::move(message)); }

// Upstream ignores unknown keys. A misspelt extension key is an error instead, because ignoring it
// would change whose credential is used: a narrower ClosestTo would accept more of them.
Status CheckExtensionKeys(const SpcParameters& parameters) {
  constexpr std::string_view kExtensions[] = {kAuthAs};
  for (const auto& [key, value] : parameters.values()) {
    if (key == kAuthAs || ClosestTo(key, kExtensions).empty()) continue;
    return Invalid(
        fmt::format("parameter \"{}\" is unknown: did you mean {}?", Excerpt(key), kAuthAs));
  }
  return {};
}

bool IsHttp(std::string_view url) { return StartsWithIgnoreCase(url, "http://"); }

// Why `url` cannot be called; "" when it can.
std::string ProblemOf(const std::string& url) {
  for (unsigned char c : url) {
    if (c <= 0x20 || c == 0x7f) return "it holds white space or control characters";
  }
  if (url.find("://") == std::string::npos) return "it must start with https://";
  if (url.find_first_of("?#") != std::string::npos) return "it has a query or a fragment";
  HttpRequest request;
  request.url = url;
  Result<Origin> origin = ParseOrigin(request);
  return origin.ok() ? "" : origin.error().message();
}

// `source`: "parameter X" or the setting, for errors.
Result<Gateway> ReadGateway(std::string url, std::string_view source, bool allow_plain_http) {
  while (url.ends_with('/')) url.pop_back();
  // A user name in a URL usually comes with a password, and URLs appear in messages.
  if (url.find('@') != std::string::npos) {
    return Invalid(
        fmt::format("{}: the URL holds a user name: credentials of Akeyless "
                    "are an access id and what belongs to its type",
                    source));
  }
  if (IsHttp(url) && !allow_plain_http) {
    return Invalid(fmt::format(
        "{}: \"{}\" would carry tokens and secrets unencrypted: use https, or allow it with "
        "{}: \"true\" in the class or allowPlainHttp in the node's configuration",
        source, Excerpt(url), kAllowPlainHttp));
  }
  Gateway gateway;
  gateway.problem = ProblemOf(url);
  gateway.base = std::move(url);
  return gateway;
}

// `url` normalized for comparisons: scheme and host in lower case, explicit port, path
// unchanged; "" when it is not a URL.
std::string ComparableUrl(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  HttpRequest request;
  request.url = url;
  Result<Origin> origin = ParseOrigin(request);
  const std::size_t host = url.find("://");
  if (!origin.ok() || host == std::string::npos) return "";
  const std::size_t path = std::min(url.find('/', host + 3), url.size());
  return origin->text + url.substr(path);
}

// Whether one of `gateways` has this URL, in any spelling.
bool HasGateway(const std::vector<Gateway>& gateways, const std::string& base) {
  const std::string wanted = ComparableUrl(base);
  return std::any_of(gateways.begin(), gateways.end(), [&](const Gateway& gateway) {
    return wanted.empty() ? gateway.base == base : ComparableUrl(gateway.base) == wanted;
  });
}

Result<std::vector<Gateway>> ReadGateways(const SpcParameters& parameters,
                                          const AkeylessSettings& settings) {
  Result<bool> plain = parameters.Flag(kAllowPlainHttp, settings.allow_plain_http);
  if (!plain.ok()) return plain.error();
  std::vector<std::string> urls = {parameters.Get("akeylessGatewayURL")};
  std::vector<std::string> more = SplitCommas(parameters.Get(kFallbackGateways));
  std::string first_source = "parameter akeylessGatewayURL";
  std::string more_source = fmt::format("parameter {}", kFallbackGateways);
  if (urls.front().empty()) {
    urls.front() = settings.gateway;
    first_source = "providers.akeyless.gatewayUrl of the node's configuration";
    if (more.empty()) {
      more = settings.fallback_gateways;
      more_source = "providers.akeyless.fallbackGateways of the node's configuration";
    }
  }
  urls.insert(urls.end(), more.begin(), more.end());
  std::vector<Gateway> gateways;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    Result<Gateway> gateway = ReadGateway(urls[i], i == 0 ? first_source : more_source, *plain);
    if (!gateway.ok()) return gateway.error();
    if (HasGateway(gateways, gateway->base)) continue;
    gateways.push_back(*std::move(gateway));
    // Each may take its time before the next one is tried.
    if (gateways.size() > 1 + kMaxFallbackGateways) {
      return Invalid(fmt::format("parameter {}: it lists more than {} gateways", kFallbackGateways,
                                 kMaxFallbackGateways));
    }
  }
  return gateways;
}

Result<TlsSettings> ReadTls(const SpcParameters& parameters, const TlsSettings& node) {
  TlsSettings tls;
  tls.server_name = parameters.Get(kTlsServerName);
  if (!tls.server_name.empty() && !IsServerName(tls.server_name)) {
    return Invalid(fmt::format("parameter {}: \"{}\" is not a host name", kTlsServerName,
                               Excerpt(tls.server_name)));
  }
  tls.ca_file = parameters.Get(kCaFile);
  tls.ca_pem = parameters.Get(kCaBundle);
  if (!tls.ca_file.empty() && !tls.ca_pem.empty()) {
    return Invalid(fmt::format("parameters {} and {}: set one of them", kCaFile, kCaBundle));
  }
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  if (!tls.ca_pem.empty() && tls.ca_pem.find(kBegin) == std::string::npos) {
    Result<SecretBytes> decoded = Base64Decode(tls.ca_pem);
    if (!decoded.ok() || decoded->Reveal().find(kBegin) == std::string_view::npos) {
      return Invalid(
          fmt::format("parameter {}: must be PEM certificates, or those in base64", kCaBundle));
    }
    tls.ca_pem = std::string(decoded->Reveal());
  }
  return TlsOverNode(tls, node);
}

bool TrustsAnyGateway(const AkeylessSettings& settings) {
  const std::vector<std::string>& listed = settings.node_identity_gateways;
  return std::find(listed.begin(), listed.end(), "*") != listed.end();
}

// The gateways that the operator has named: the node's own and nodeIdentityGateways.
std::vector<std::string> TrustedGateways(const AkeylessSettings& settings) {
  std::vector<std::string> urls = {settings.gateway};
  urls.insert(urls.end(), settings.fallback_gateways.begin(), settings.fallback_gateways.end());
  urls.insert(urls.end(), settings.node_identity_gateways.begin(),
              settings.node_identity_gateways.end());
  return urls;
}

bool IsTrustedGateway(const std::string& base, const AkeylessSettings& settings) {
  if (TrustsAnyGateway(settings)) return true;
  const std::string wanted = ComparableUrl(base);
  const std::vector<std::string> trusted = TrustedGateways(settings);
  return !wanted.empty() &&
         std::any_of(trusted.begin(), trusted.end(),
                     [&](const std::string& url) { return ComparableUrl(url) == wanted; });
}

// Sets in `gateway` why the node's identity must not be sent there, if so.
void Withhold(const TlsSettings& tls, const AkeylessSettings& settings, Gateway& gateway) {
  std::vector<std::string_view> reasons;
  const bool listed = IsTrustedGateway(gateway.base, settings);
  if (!listed) {
    reasons.push_back(
        "it is none of the node's gateways: list it in providers.akeyless.nodeIdentityGateways of "
        "the node's configuration, or have the class bring a credential of its own "
        "(akeylessAuthAs: pod, or a Secret named by nodePublishSecretRef)");
  }
  if (IsHttp(gateway.base) && !settings.allow_plain_http) {
    reasons.push_back(
        "it is http, which the class allows, but allowPlainHttp of the node's configuration does "
        "not");
  }
  if (tls != settings.tls) reasons.push_back("the class changes how the gateway is trusted");
  gateway.node_identity_withheld = fmt::format("{}", fmt::join(reasons, "; "));
  gateway.unlisted = !listed && reasons.size() == 1;
}

// Why the gateway in nodekeep/k8sGatewayURL must not review the agent's token; "" if it may. The
// gateway that receives the login forwards the token to it.
std::string WhyReviewWithheld(const Options& options, const AkeylessSettings& settings) {
  if (options.k8s_gateway.empty() || options.k8s_gateway == settings.k8s_gateway ||
      TrustsAnyGateway(settings)) {
    return "";
  }
  const std::string wanted = ComparableUrl(options.k8s_gateway);
  for (const std::string& url : TrustedGateways(settings)) {
    const Result<std::string> configuration = ConfigurationUrl(url);
    if (configuration.ok() && ComparableUrl(*configuration) == wanted) return "";
  }
  return fmt::format(
      "the agent's own token is withheld from \"{}\", which {} names: list it in "
      "providers.akeyless.nodeIdentityGateways of the node's configuration",
      Excerpt(options.k8s_gateway), kK8sGateway);
}

// Why the node's AWS identity must not be signed for the STS in the class; "" if it may.
std::string WhyStsWithheld(const Options& options, const AkeylessSettings& settings) {
  const std::string& endpoint = options.cloud.sts_endpoint;
  if (endpoint.empty() || endpoint == settings.sts_endpoint || TrustsAnyGateway(settings))
    return "";
  return fmt::format(
      "the node's own identity is not signed for \"{}\", which {} names: set "
      "providers.akeyless.stsEndpoint of the node's configuration",
      Excerpt(endpoint), kStsEndpoint);
}

// Whether probing may try `type`. A node has a cloud identity even if it was never configured for
// Akeyless, so the operator must have named it.
bool MayProbe(AccessType type, const AkeylessSettings& settings) {
  return !IsCloud(type) || settings.legacy_probing || KnownType(settings.access_type) == type;
}

// Types whose login can use the pod's own token, at Akeyless or at the cloud.
bool TakesPodToken(AccessType type) {
  switch (type) {
    case AccessType::kK8s:
    case AccessType::kJwt:
    case AccessType::kAwsIam:
    case AccessType::kAzureAd:
    case AccessType::kGcp: return true;
    default: return false;
  }
}

// Reads the gateway's configuration URL, below which it serves /api/v2; other clients strip that
// as well (docs/protocol/akeyless-api.md, "Kubernetes login").
Status ReadK8sGateway(const SpcParameters& parameters, const AkeylessSettings& settings,
                      std::optional<AccessType> type, Options& options) {
  const bool is_k8s = !type || *type == AccessType::kK8s;
  std::string url = parameters.Get(kK8sGateway);
  if (url.empty()) {
    options.k8s_gateway = is_k8s ? settings.k8s_gateway : "";
    return {};
  }
  if (!is_k8s) {
    return Invalid(fmt::format("parameter {}: goes with akeylessAccessType k8s, not {}",
                               kK8sGateway, Excerpt(options.type_text)));
  }
  Result<std::string> read = ConfigurationUrl(std::move(url));
  if (!read.ok()) return read.error().Prepend("parameter {}", kK8sGateway);
  options.k8s_gateway = *std::move(read);
  return {};
}

// Reads the access type and akeylessAuthAs.
Status ReadAccess(const SpcParameters& parameters, const AkeylessSettings& settings,
                  Options& options) {
  const std::string said = parameters.Or("akeylessAccessType", settings.access_type);
  options.type_text = said.empty() ? "access_key" : said;
  const std::optional<AccessType> type = KnownType(options.type_text);

  const std::string as = parameters.Get(kAuthAs);
  if (!as.empty() && as != "pod" && as != "agent") {
    return Invalid(
        fmt::format("parameter {}: \"{}\" is unknown; use pod or agent", kAuthAs, Excerpt(as)));
  }
  options.as_pod =
      as == "pod" || (as.empty() && type == AccessType::kJwt && settings.jwt_file.empty());
  if (options.as_pod && !(type && TakesPodToken(*type))) {
    return Invalid(
        fmt::format("parameter {}: pod goes with akeylessAccessType k8s, jwt, aws_iam, azure_ad or "
                    "gcp, not {}",
                    kAuthAs, Excerpt(options.type_text)));
  }
  if (type == AccessType::kJwt && !options.as_pod && settings.jwt_file.empty()) {
    return Invalid(
        fmt::format("parameter {}: agent with akeylessAccessType jwt needs jwtFile in "
                    "the node's configuration",
                    kAuthAs));
  }
  const bool probing = said.empty() || !type || settings.legacy_probing;
  if (probing && !options.as_pod) {
    std::copy_if(std::begin(kProbing), std::end(kProbing), std::back_inserter(options.login_order),
                 [&](AccessType one) { return MayProbe(one, settings); });
  } else {
    options.login_order = {*type};
  }
  // Probing may try any of upstream's types.
  const std::optional<AccessType> only =
      options.login_order.size() == 1 ? type : std::optional<AccessType>();
  Result<CloudLogin> cloud = ReadCloudLogin(parameters, settings, only, options.as_pod);
  if (!cloud.ok()) return cloud.error();
  options.cloud = *std::move(cloud);
  if (options.as_pod) {
    options.audience = parameters.Or(kAudience, TokenAudience(*type, options.cloud));
    options.share_by_service_account = settings.share_by_service_account;
  }
  return ReadK8sGateway(parameters, settings, only, options);
}

Result<std::shared_ptr<Options>> ReadOptions(const SpcParameters& parameters,
                                             const AkeylessSettings& settings) {
  auto options = std::make_shared<Options>();
  Result<std::vector<Gateway>> gateways = ReadGateways(parameters, settings);
  if (!gateways.ok()) return gateways.error();
  options->gateways = *std::move(gateways);
  if (Status read = ReadAccess(parameters, settings, *options); !read.ok()) return read.error();
  Result<TlsSettings> tls = ReadTls(parameters, settings.tls);
  if (!tls.ok()) return tls.error();
  for (Gateway& gateway : options->gateways) Withhold(*tls, settings, gateway);
  options->k8s_gateway_withheld = WhyReviewWithheld(*options, settings);
  options->sts_withheld = WhyStsWithheld(*options, settings);
  options->tls = std::make_shared<const TlsSettings>(*std::move(tls));

  options->access_id = parameters.Or("akeylessAccessID", settings.access_id);
  options->azure_object_id = parameters.Or("akeylessAzureObjectID", settings.azure_object_id);
  options->gcp_audience = parameters.Or("akeylessGCPAudience", settings.gcp_audience);
  options->k8s_auth_config = parameters.Or("akeylessK8sAuthConfigName", settings.k8s_auth_config);
  options->access_key_in_class = !parameters.Get(kAccessKeySecret).empty();
  options->uid_init_token_in_class = !parameters.Get(kUidInitTokenSecret).empty();
  options->node_access_key = settings.access_key;
  options->node_uid_init_token = settings.uid_init_token;
  options->service_account_token_file = settings.service_account_token_file;
  options->jwt_file = settings.jwt_file;
  options->cert_file = settings.cert_file;
  options->cert_key_file = settings.cert_key_file;
  options->uid_token_directory = settings.uid_token_directory;
  return options;
}

void WarnOfOptions(const SpcParameters& parameters, const Options& options, SpcWarnings& warnings) {
  constexpr std::string_view kLists[] = {kFallbackGateways, kCaBundle, "nodekeep/optional"};
  WarnOfParameters(parameters, kParameters, kLists, warnings);
  if (const std::string type = parameters.Get("akeylessAccessType");
      !type.empty() && !KnownType(type)) {
    std::vector<std::string_view> names;
    for (AccessType known : kAccessTypes) names.push_back(AccessTypeName(known));
    warnings.Add([&] {
      return fmt::format(
          "parameter akeylessAccessType: \"{}\" is unknown, so the logins are tried "
          "in turn: {}",
          Excerpt(type), SuggestOrList(type, names));
    });
  }
  for (const Gateway& gateway : options.gateways) {
    const bool is_first = &gateway == &options.gateways.front();
    const std::string_view name = is_first ? "akeylessGatewayURL" : kFallbackGateways;
    // One of the node's configuration is not a mistake of the class.
    if (gateway.problem.empty() || parameters.Get(name).empty()) continue;
    warnings.Add([&] {
      return fmt::format("parameter {}: \"{}\" cannot be called: {}", name, Excerpt(gateway.base),
                         gateway.problem);
    });
  }
  constexpr std::string_view kNoApi[] = {"/v1", "/ui", "/console", "/status", "/health"};
  WarnOfUrlPath(parameters, "akeylessGatewayURL", kNoApi,
                "of a gateway it is below /api/v2 of port 8000", warnings);
}

// Defaults of the class for its objects.
struct ObjectDefaults {
  std::uint32_t mode = 0;
  bool ignore_cache = false;
  bool json_text = false;
};

Result<ObjectDefaults> ReadDefaults(const SpcParameters& parameters, std::uint32_t mode) {
  Result<bool> ignore_cache = parameters.Flag(kIgnoreCache, false);
  if (!ignore_cache.ok()) return ignore_cache.error();
  Result<bool> json_text = parameters.Flag(kJsonText, false);
  if (!json_text.ok()) return json_text.error();
  return ObjectDefaults{mode, *ignore_cache, *json_text};
}

// The gateway caches items that it reads, not credentials and certificates that it creates.
bool IsCached(ItemKind kind) {
  return kind != ItemKind::kDynamic && kind != ItemKind::kPki && kind != ItemKind::kSsh;
}

// A folder begins and ends with a slash, as list-items requires.
std::string FolderPath(std::string path) {
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  if (!path.ends_with('/')) path += '/';
  return path;
}

Projection Project(ObjectEntry entry, const ObjectDefaults& defaults, const std::string& endpoint) {
  ItemRequest request = std::move(entry.request);
  request.ignore_cache =
      IsCached(request.kind) && entry.ignore_cache.value_or(defaults.ignore_cache);
  Projection projection;
  projection.object = entry.file_name;
  projection.path = entry.file_name;
  projection.ref.provider = "akeyless";
  projection.ref.endpoint = endpoint;
  projection.ref.path = request.kind == ItemKind::kFolder ? FolderPath(std::move(entry.secret_path))
                                                          : std::move(entry.secret_path);
  projection.ref.version = std::move(entry.version);
  projection.ref.request = request.Text();
  projection.mode = entry.mode.value_or(defaults.mode);
  projection.property = std::move(entry.property);
  projection.encoding = std::move(entry.decode);
  if (projection.encoding.empty() && entry.json_text.value_or(defaults.json_text)) {
    projection.encoding = "json";
  }
  projection.optional = entry.optional;
  projection.is_folder = request.kind == ItemKind::kFolder;
  return projection;
}

// A folder that is optional leaves out the items that cannot be read.
void LeaveOutUnreadable(Projection& projection) {
  Result<ItemRequest> request = ItemRequest::Parse(projection.ref.request);
  if (!projection.optional || !request.ok() || request->kind != ItemKind::kFolder) return;
  request->leave_out = true;
  projection.ref.request = request->Text();
}

}  // namespace

Result<std::string> ConfigurationUrl(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  if (url.ends_with(kApiPath)) url.resize(url.size() - kApiPath.size());
  while (url.ends_with('/')) url.pop_back();
  // A user name usually comes with a password, which must not be repeated in the message.
  if (url.find('@') != std::string::npos) return Invalid("the URL holds a user name");
  if (std::string problem = ProblemOf(url); !problem.empty()) {
    return Invalid(fmt::format("\"{}\": {}", Excerpt(url), problem));
  }
  return url;
}

Result<ParsedMount> ParseMount(const SpcInput& input, const AkeylessSettings& settings) {
  constexpr std::string_view kPem[] = {kCaBundle};
  if (Status sizes = CheckParameterSizes(input.parameters, kPem); !sizes.ok()) {
    return sizes.error();
  }
  const SpcParameters parameters(input.parameters);
  ParsedMount mount;
  Result<std::vector<ObjectEntry>> entries = ReadObjects(parameters.Get("objects"), mount.warnings);
  if (!entries.ok()) return entries.error();
  if (entries->empty()) {
    return Invalid("no secrets configured: the class needs a list under \"objects\"");
  }
  if (Status keys = CheckExtensionKeys(parameters); !keys.ok()) return keys.error();
  Result<Policy> policy =
      ReadPolicy(parameters.values(), settings.policy,
                 {kFallbackGateways, kAudience, kCaFile, kCaBundle, kTlsServerName, kAllowPlainHttp,
                  kIgnoreCache, kJsonText, kK8sGateway, kStsRegion, kStsEndpoint, kAwsRoleArn,
                  kAwsRegion, kAzureClientId, kAzureTenantId, kGcpProvider, kGcpServiceAccount});
  if (!policy.ok()) return policy.error();
  Result<std::shared_ptr<Options>> options = ReadOptions(parameters, settings);
  if (!options.ok()) return options.error();
  Result<ObjectDefaults> defaults = ReadDefaults(parameters, input.mode);
  if (!defaults.ok()) return defaults.error();
  WarnOfOptions(parameters, **options, mount.warnings);
  for (ObjectEntry& entry : *entries) {
    if (entry.secret_args) {
      (*options)->without_effect.emplace_back(
          fmt::format("secretArgs of object \"{}\"", Excerpt(entry.file_name)),
          "ignored, as upstream does; arguments of reads go into nodekeep/arguments");
    }
    mount.projections.push_back(Project(std::move(entry), *defaults, (*options)->Endpoint()));
  }
  if (Status marked = MarkOptional(parameters.values(), mount.projections); !marked.ok()) {
    return marked.error();
  }
  for (Projection& projection : mount.projections) LeaveOutUnreadable(projection);
  if ((*options)->as_pod) mount.audiences.push_back((*options)->audience);
  if ((*options)->access_key_in_class) mount.credential_parameters.emplace_back(kAccessKeySecret);
  if ((*options)->uid_init_token_in_class) {
    mount.credential_parameters.emplace_back(kUidInitTokenSecret);
  }
  mount.options = *std::move(options);
  mount.policy = *policy;
  return mount;
}

}  // namespace nodekeep::akeyless

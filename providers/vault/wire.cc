#include "providers/vault/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "agent/base/ascii.h"
#include "agent/base/go_json.h"
#include "agent/base/go_text.h"
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "agent/http/retry.h"
#include "providers/vault/answer.h"

namespace nodekeep::vault {
namespace {

constexpr std::size_t kMaxServerText = 1024;

constexpr TlsParameterNames kTlsNames = {"vaultCACertPath or vaultCADirectory",
                                         "vaultTLSServerName", "vaultTLSClientCertPath"};

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 307 || status == 308;
}

// Go's escaping rules for URL paths, so that we request the same bytes as upstream.
bool StaysInPath(unsigned char c) {
  return std::isalnum(c) || std::string_view("-_.~$&+,/:;=@").find(c) != std::string_view::npos;
}

std::string EncodePath(std::string_view path) {
  std::string out;
  for (unsigned char c : path) {
    if (StaysInPath(c)) {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

// Makes a server's text fit for one line of an event: white space collapsed, no control characters,
// limited length, and without our token if the server echoes it.
std::string Printable(std::string text, const ApiCall& call) {
  const std::string_view token = call.token.Reveal();
  for (std::size_t at = 0; !token.empty() && (at = text.find(token, at)) != std::string::npos;) {
    text.replace(at, token.size(), "<token>");
  }
  return OneLine(text, kMaxServerText);
}

// True when `text` holds a string member of the body that was sent: a jwt, a secret id.
bool EchoesBody(const std::string& text, const ApiCall& call) {
  if (call.body.empty()) return false;
  Result<Json> body = ParseJson(call.body.Reveal());
  if (!body.ok() || !body->is_object()) return false;
  for (std::string_view key : {"jwt", "secret_id"}) {
    std::optional<std::string> value = TextOf(Find(*body, {key}));
    const bool echoed = value && value->size() >= 4 && text.find(*value) != std::string::npos;
    if (value) WipeString(*value);
    if (echoed) return true;
  }
  return false;
}

std::string ServerWords(const Json& body, const ApiCall& call) {
  std::string words;
  if (const Json* errors = Find(body, {"errors"}); errors != nullptr && errors->is_array()) {
    for (const Json& error : errors->array_range()) {
      if (std::optional<std::string> text = TextOf(error)) words += "* " + *text + "\n";
    }
  }
  if (const Json* warnings = Find(body, {"warnings"});
      warnings != nullptr && warnings->is_array()) {
    for (const Json& warning : warnings->array_range()) {
      if (std::optional<std::string> text = TextOf(warning)) words += "* warning: " + *text + "\n";
    }
  }
  if (EchoesBody(words, call)) return "* (the server's text repeats the credential; withheld)";
  return Printable(std::move(words), call);
}

// What happened to a KV v2 version: "was deleted at ..."; "" when the body does not say.
std::string FateOfVersion(const Json& metadata) {
  if (BoolOf(Find(metadata, {"destroyed"})).value_or(false)) {
    return "was destroyed; write a new version";
  }
  const std::string when = Excerpt(TextOf(Find(metadata, {"deletion_time"})).value_or(""));
  if (when.empty()) return "";
  return fmt::format("was deleted at {}; undelete it or write a new version", when);
}

// The version that the query of a KV v2 path names; "" = none, or the latest.
std::string_view VersionInQuery(std::string_view path) {
  constexpr std::string_view kVersion = "version=";
  std::string_view query = path.substr(std::min(path.find('?'), path.size()));
  while (!query.empty()) {
    query.remove_prefix(1);  // ? or &
    const std::string_view part = query.substr(0, query.find('&'));
    if (part.starts_with(kVersion) && part != "version=0") return part.substr(kVersion.size());
    query.remove_prefix(part.size());
  }
  return "";
}

// What a read answered 404 has not found.
std::string Absent(const Json& body, std::string_view words, const ApiCall& call) {
  const std::string path =
      Excerpt(ShownPath(std::string_view(call.path).substr(0, call.path.find('?'))));
  if (words.find("no handler for route") != std::string_view::npos) {
    return fmt::format("no secrets engine is mounted at the path \"{}\"", path);
  }
  const std::string secret =
      fmt::format("{} \"{}\"", call.method == "GET" ? "secret" : "path", path);
  const Json* metadata = Find(body, {"data", "metadata"});
  if (metadata != nullptr && metadata->is_object()) {
    const std::string fate = FateOfVersion(*metadata);
    if (!fate.empty()) {
      return fmt::format("version {} of {} does not exist: it {}",
                         Excerpt(ScalarText(Find(*metadata, {"version"})).value_or("?")), secret,
                         fate);
    }
  }
  if (std::string_view version = VersionInQuery(call.path); !version.empty()) {
    return fmt::format("version {} of {} does not exist", Excerpt(version), secret);
  }
  return secret + " does not exist";
}

// A part of the API's paths that the class or the node wrote although it is added. Not refused
// before: a proxy may have a prefix "/v1", and an auth method may be mounted at "auth/x".
std::string DoubledPart(const ApiCall& call, const Options& options, Step step) {
  if (options.address.base.ends_with("/v1")) {
    return fmt::format("; {} \"{}\" ends with \"/v1\", which is added to it: leave it out",
                       options.address_source, Excerpt(options.address_text));
  }
  if (step == Step::kRead && call.path.starts_with("/v1/v1/")) {
    return "; the secretPath begins with \"v1/\" twice: write it once, or not at all";
  }
  constexpr std::string_view kAuth = "auth/";
  if (step == Step::kLogin && options.mount.starts_with(kAuth)) {
    return fmt::format("; {} \"{}\" begins with \"auth/\", which is added to it: write \"{}\"",
                       options.mount_source, Excerpt(options.mount),
                       Excerpt(std::string_view(options.mount).substr(kAuth.size())));
  }
  return "";
}

// A KV v2 path is <mount>/data/<path>; the most common mistake omits "data". "" when the path has
// it, or clearly belongs to another engine.
std::string MissingDataHint(const ApiCall& call) {
  if (call.method != "GET" || !call.path.starts_with("/v1/")) return "";
  std::string_view path = std::string_view(call.path).substr(4);
  path = path.substr(0, path.find('?'));
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return "";
  for (std::string_view known :
       {"/data/", "/metadata/", "/creds/", "/static-creds/", "/issue/", "/cert/"}) {
    if (path.find(known) != std::string_view::npos) return "";
  }
  return fmt::format("; on a KV v2 engine the secretPath is \"{}/data/{}\"",
                     Excerpt(path.substr(0, slash)), Excerpt(path.substr(slash + 1)));
}

ErrorCode CodeOf(int status, Step step) {
  // A second redirect: the cluster is electing a leader.
  if (IsRedirect(status)) return ErrorCode::kTransient;
  switch (status) {
    case 400: return step == Step::kLogin ? ErrorCode::kDenied : ErrorCode::kInvalid;
    case 401: return step == Step::kLogin ? ErrorCode::kDenied : ErrorCode::kAuthExpired;
    case 404: return step == Step::kLogin ? ErrorCode::kInvalid : ErrorCode::kNotFound;
    case 410: return ErrorCode::kInvalid;
    case 412:
    // Only health checks of standby nodes return these; from a load balancer they are temporary.
    case 472:
    case 473: return ErrorCode::kTransient;
    case 501: return ErrorCode::kPrecondition;  // not initialised: waiting does not help
    default: return CodeOfStatus(status);
  }
}

// How the caller logged in: `auth mount "kubernetes", role "app"`.
std::string LoginWords(const Options& options) {
  if (options.method == AuthMethod::kToken) return "the given token";
  std::string words = fmt::format("auth mount \"{}\"", Excerpt(options.mount));
  if (!options.role.empty() && options.method != AuthMethod::kAppRole) {
    words += fmt::format(", role \"{}\"", Excerpt(options.role));
  }
  if (!options.login_namespace.empty()) {
    words += fmt::format(", namespace \"{}\"", Excerpt(options.login_namespace));
  }
  return words;
}

std::string LoginHint(int status, const Options& options) {
  if (options.method == AuthMethod::kToken) {
    return status == 403 ? "; the given token is expired or revoked, or its policies do not allow "
                           "auth/token/lookup-self"
                         : "";
  }
  if (status == 404) {
    return fmt::format("; no login at {}: check {} and vaultNamespace", LoginWords(options),
                       options.mount_source);
  }
  if (status != 400 && status != 401 && status != 403) return "";
  std::string_view check = "check the role";
  switch (options.method) {
    case AuthMethod::kKubernetes:
      check = "check the role's bound service accounts, namespaces and audience";
      break;
    case AuthMethod::kJwt:
      check = "check the role's bound claims and audiences";
      break;
    case AuthMethod::kAppRole:
      check = "check role_id and secret_id";
      break;
    case AuthMethod::kCert:
      check = "check the role's certificate and allowed names";
      break;
    case AuthMethod::kToken:
      break;
  }
  // Without a token the server answers an unknown mount like a refusal.
  return fmt::format("; login by {} was refused: {}{}", LoginWords(options), check,
                     status == 403 ? ", and that the mount exists" : "");
}

std::string ReadHint(int status, const Json& body, std::string_view words, const ApiCall& call,
                     const Options& options) {
  if (status == 403) {
    return fmt::format("; read after login by {}: its policies must allow this path{}",
                       LoginWords(options), MissingDataHint(call));
  }
  // A version that was deleted: the path is right.
  if (status != 404 || Find(body, {"data", "metadata"}) != nullptr) return "";
  if (words.find("no handler for route") != std::string_view::npos) {
    return "; check the first part of the secretPath, and vaultNamespace";
  }
  if (call.path.find("/data/") != std::string::npos) {
    return "; on a KV v1 engine the path has no \"data/\"";
  }
  return MissingDataHint(call);
}

// The fix, appended to the server's message; "" when there is none.
std::string Hint(int status, const Json& body, std::string_view words, const ApiCall& call,
                 const Options& options, Step step) {
  if (IsRedirect(status)) {
    return "; redirected twice: point vaultAddress at the active node or at a balancer";
  }
  if (status == 429) return "; the server is throttling (rate limit or lease quota)";
  if (status == 503) return "; the server is sealed or in maintenance";
  std::string doubled =
      status >= 400 && status < 500 ? DoubledPart(call, options, step) : std::string();
  if (step == Step::kLogin) return doubled + LoginHint(status, options);
  if (!doubled.empty()) return doubled;
  if (step == Step::kRead) return ReadHint(status, body, words, call, options);
  return "";
}

// The URL of a call for messages, its path as the class spells it.
std::string ShownUrl(const ApiCall& call, const Options& options) {
  return options.address.base + call.path;
}

}  // namespace

std::string UrlOf(const ApiCall& call, const Options& options) {
  const std::string_view path = call.path;
  const std::size_t query = std::min(path.find('?'), path.size());
  return options.address.base + EncodePath(path.substr(0, query)) + std::string(path.substr(query));
}

ServerState StateOfServer(const HttpResponse& response) {
  if (response.status != 503) return StateByStatus(response);
  const std::string_view body = response.body.Reveal();
  for (std::string_view words : {"Vault is sealed", "OpenBao is sealed", "is in standby mode"}) {
    if (body.find(words) != std::string_view::npos) return ServerState::kDown;
  }
  return StateByStatus(response);
}

HttpRequest ApiClient::Request(const ApiCall& call, const Options& options) const {
  HttpRequest request;
  request.method = call.method;
  request.url = UrlOf(call, options);
  request.unix_socket = options.address.unix_socket;
  request.tls = options.tls;
  request.tls_names = &kTlsNames;
  request.timeout = timeout_;
  request.server_state = StateOfServer;
  // Required by local agents and proxies with protection against request forgery.
  request.headers.push_back({"X-Vault-Request", SecretBytes("true")});
  if (!call.namespace_name.empty()) {
    request.headers.push_back({"X-Vault-Namespace", SecretBytes(call.namespace_name)});
  }
  if (!call.token.empty()) request.headers.push_back({"X-Vault-Token", call.token.Clone()});
  if (!call.body.empty()) {
    request.headers.push_back({"Content-Type", SecretBytes("application/json")});
    request.body = call.body.Clone();
  }
  return request;
}

std::vector<Result<HttpResponse>> ApiClient::SendAll(const Context& context, const Options& options,
                                                     Step step, const std::vector<ApiCall>& calls) {
  std::vector<HttpRequest> requests;
  for (const ApiCall& call : calls) requests.push_back(Request(call, options));
  std::vector<Result<HttpResponse>> replies = http_.SendAll(context, std::move(requests));

  std::vector<HttpRequest> redirected;
  std::vector<std::size_t> origin;  // index in `calls` of each redirected request
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok() || !IsRedirect(replies[i]->status)) continue;
    HttpRequest again = Request(calls[i], options);
    Result<std::string> target = RedirectTarget(again, replies[i]->Header("location"), options);
    if (!target.ok()) {
      replies[i] = target.error();
      continue;
    }
    again.url = *std::move(target);
    redirected.push_back(std::move(again));
    origin.push_back(i);
  }
  if (!redirected.empty()) {
    std::vector<Result<HttpResponse>> second = http_.SendAll(context, std::move(redirected));
    for (std::size_t j = 0; j < second.size(); ++j) replies[origin[j]] = std::move(second[j]);
  }

  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok()) {
      replies[i] = replies[i].error().Prepend("{} {}", Excerpt(calls[i].method),
                                              Excerpt(ShownUrl(calls[i], options)));
    } else if (replies[i]->status < 200 || replies[i]->status > 299) {
      replies[i] = ErrorOf(*replies[i], calls[i], options, step, clock_.Wall());
    }
  }
  return replies;
}

Result<HttpResponse> ApiClient::Send(const Context& context, const Options& options, Step step,
                                     const ApiCall& call) {
  std::vector<ApiCall> calls;
  calls.push_back(
      {call.method, call.path, call.namespace_name, call.token.Clone(), call.body.Clone()});
  std::vector<Result<HttpResponse>> replies = SendAll(context, options, step, calls);
  return std::move(replies.front());
}

Error ErrorOf(const HttpResponse& response, const ApiCall& call, const Options& options, Step step,
              WallTime now) {
  Result<Json> body = ParseJson(response.body.Reveal());
  const Json empty(jsoncons::json_object_arg);
  const bool readable = body.ok() && body->is_object();
  const Json& reply = readable ? *body : empty;

  std::string words = ServerWords(reply, call);
  if (!readable && !response.body.empty()) {
    words = "* the reply is not JSON: a proxy or another server answers at this address";
  }
  std::string text = fmt::format("Error making API request. URL: {} {} Code: {}. Errors: {}",
                                 Excerpt(call.method), Excerpt(ShownUrl(call, options)),
                                 response.status, words.empty() ? "none given" : words);
  text += Hint(response.status, reply, words, call, options, step);
  if (step == Step::kRead && response.status == 404) {
    text = Absent(reply, words, call) + ": " + text;
  }

  ErrorCode code = CodeOf(response.status, step);
  if (step == Step::kLease && response.status == 400 &&
      words.find("lease not found") != std::string::npos) {
    code = ErrorCode::kNotFound;
  }
  Error error(code, std::move(text));
  if (std::optional<Duration> delay = ParseRetryAfter(response.Header("retry-after"), now)) {
    error = std::move(error).WithRetryAfter(*delay);
  }
  return error;
}

SecretBytes JsonBody(std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  GoJsonObject body;
  for (const auto& [name, value] : members) body.String(name, value);
  return body.Finish();
}

}  // namespace nodekeep::vault

#include "providers/vault/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/ascii.h"
#include "agent/base/digest.h"
#include "agent/base/utf8.h"
#include "agent/secrets/login_text.h"

namespace nodekeep::vault {
namespace {

Error BadAddress(std::string_view source, std::string_view text, std::string_view why) {
  // A user name in a URL usually comes with a password, so the URL is not quoted.
  if (text.find('@') != std::string_view::npos) {
    return Error::Format(ErrorCode::kInvalid, "{}: {}", source, why);
  }
  return Error::Format(ErrorCode::kInvalid, "{} \"{}\": {}", source, Excerpt(text), why);
}

bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  int port = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + (c - '0');
  }
  return port >= 1 && port <= 65535;
}

// What is wrong with `authority`; "" when it is host, host:port, [v6] or [v6]:port.
std::string_view WrongInAuthority(std::string_view authority) {
  if (authority.find('@') != std::string_view::npos) return "a user name in it is not supported";
  std::string_view rest = authority;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos || end == 1) return "the IPv6 address is not closed by \"]\"";
    rest.remove_prefix(end + 1);
  } else {
    const std::size_t colon = rest.find(':');
    if (colon == 0 || rest.empty()) return "it names no host";
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
    if (rest.find(':', 1) != std::string_view::npos) return "an IPv6 address goes into brackets";
  }
  if (rest.empty()) return "";
  if (rest.front() != ':' || !IsPort(rest.substr(1)))
    return "the port is not a number of 1 to 65535";
  return "";
}

}  // namespace

std::string_view AuthMethodName(AuthMethod method) {
  switch (method) {
    case AuthMethod::kKubernetes: return "kubernetes";
    case AuthMethod::kJwt: return "jwt";
    case AuthMethod::kToken: return "token";
    case AuthMethod::kAppRole: return "approle";
    case AuthMethod::kCert: return "cert";
  }
  return "";
}

Result<Address> Address::Parse(std::string_view text, std::string_view source) {
  for (unsigned char c : text) {
    if (c <= 0x20 || c == 0x7f) {
      return BadAddress(source, "", "it holds white space or control characters");
    }
  }
  constexpr std::string_view kUnix = "unix://";
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    if (path.size() < 2 || path.front() != '/') {
      return BadAddress(source, text, "write the socket's absolute path after unix://");
    }
    return Address{"http://localhost", std::string(path)};
  }
  const std::size_t host = text.find("://");
  const std::string scheme = AsciiLower(text.substr(0, host == std::string_view::npos ? 0 : host));
  if (scheme != "http" && scheme != "https") {
    return BadAddress(source, text, "it must begin with http://, https:// or unix://");
  }
  if (text.find_first_of("?#") != std::string_view::npos) {
    return BadAddress(source, text, "an address has no query and no fragment");
  }
  std::string_view rest = text.substr(host + 3);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (std::string_view wrong = WrongInAuthority(rest.substr(0, slash)); !wrong.empty()) {
    return BadAddress(source, text, wrong);
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return Address{scheme + "://" + std::string(rest), ""};
}

std::optional<NullValues> NullValuesOf(std::string_view text) {
  if (text == "refuse") return NullValues::kRefuse;
  if (text == "text") return NullValues::kText;
  return std::nullopt;
}

std::string Options::Endpoint() const {
  std::string text = address.unix_socket.empty() ? address.base : "unix://" + address.unix_socket;
  if (!read_namespace.empty()) text += "#" + read_namespace;
  return text;
}

std::string Options::LoginText() const {
  const std::string endpoint =
      address.unix_socket.empty() ? address.base : "unix://" + address.unix_socket;
  nodekeep::LoginText text(AuthMethodName(method), endpoint, *tls, audience);
  text.Part("namespace", login_namespace).Part("read-namespace", read_namespace);
  text.Part("mount", mount).Part("role", role);
  // Files and ids of the node are the same for all users, so their names suffice.
  text.Part("token-file", token_file).Part("approle", approle_role_id);
  text.Part("secret-id-file", approle_secret_id_file);
  // A class that may not use the certificate must not find its login in the cache.
  const bool withheld = method == AuthMethod::kCert && !node_credentials_withheld.empty();
  return text.Part("certificate", withheld ? "withheld" : "").Take();
}

std::string Options::CredentialDigest(const Identity& identity) const {
  const auto secret = [&](const std::string& key) -> std::string_view {
    auto found = identity.credentials.find(key);
    return found == identity.credentials.end() ? std::string_view() : found->second.Reveal();
  };
  switch (method) {
    case AuthMethod::kKubernetes:
    case AuthMethod::kJwt: return "";
    case AuthMethod::kCert:
      return Sha256Hex(fmt::format("cert {}:{}", tls->client_cert_file, tls->client_key_file));
    case AuthMethod::kToken: {
      const std::string_view token = secret("token");
      if (token.empty()) return Sha256Hex("token of the node " + token_file);
      SecretBytes text("token of the pod ");
      text.Append(token);
      return Sha256Hex(text.Reveal());
    }
    case AuthMethod::kAppRole: {
      const std::string_view role_id = secret("role_id");
      if (role_id.empty()) return Sha256Hex("approle of the node " + approle_role_id);
      SecretBytes text(fmt::format("approle of the pod {}:", role_id.size()));
      text.Append(role_id);
      text.Append(secret("secret_id"));
      return Sha256Hex(text.Reveal());
    }
  }
  return "";
}

std::vector<std::pair<std::string, std::string>> Options::Explain() const {
  std::vector<std::pair<std::string, std::string>> lines;
  const auto add = [&](std::string name, std::string value) {
    if (!value.empty()) lines.emplace_back(std::move(name), std::move(value));
  };
  add("address", address_text);
  add("namespace", read_namespace);
  if (login_namespace != read_namespace) {
    lines.emplace_back("login namespace", login_namespace.empty() ? "(root)" : login_namespace);
  }
  add("auth", std::string(AuthMethodName(method)));
  if (method != AuthMethod::kToken) add("auth mount", mount);
  add("role", role);
  add("audience", audience);
  add("ca file", tls->ca_file);
  add("ca directory", tls->ca_directory);
  add("tls server name", tls->server_name);
  add("client certificate", tls->client_cert_file);
  if (tls->skip_verify) add("tls verification", "off");
  add("token file", token_file);
  if (method == AuthMethod::kAppRole) add("approle of the node", approle_role_id);
  if (!node_credentials_withheld.empty()) {
    add("credential of the node", "withheld: " + node_credentials_withheld);
  }
  return lines;
}

std::vector<NeededSetting> Options::NeededSettings() const {
  std::vector<NeededSetting> needed;
  for (const std::string& path : unlisted_paths) {
    needed.push_back({.key = "nodeCredentialPaths",
                      .value = path,
                      .unless_secret = method != AuthMethod::kCert});
  }
  return needed;
}

}  // namespace nodekeep::vault

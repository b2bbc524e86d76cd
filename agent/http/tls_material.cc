#include "agent/http/tls_material.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "agent/base/pem.h"
#include "agent/base/read_file.h"
#include "agent/base/utf8.h"
#include "agent/http/permitted_path.h"

namespace nodekeep {
namespace {

// Five times the size of a system trust store; a larger file is a wrong path.
constexpr std::size_t kMaxFileBytes = 8u << 20;
constexpr std::size_t kMaxDirectoryEntries = 1000;

// The error text is the reason only. The file type is checked before opening for reading: opening a
// pipe would block until it has a writer, opening a device may have side effects.
Result<SecretBytes> ReadChecked(const Descriptor& place) {
  const Descriptor file(open(place.Path().c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) {
    return Error(ErrorCode::kInvalid, std::generic_category().message(errno));
  }
  return ReadDescriptor(file.number(), kMaxFileBytes);
}

Result<SecretBytes> ReadPermitted(std::string_view what, const std::string& path) {
  Result<Descriptor> place = OpenPermitted(path, PathKind::kFile);
  Result<SecretBytes> content = place.ok() ? ReadChecked(*place) : place.error();
  if (content.ok()) return content;
  return Error::Format(ErrorCode::kInvalid, "read {} \"{}\": {}", what, path,
                       content.error().message());
}

// True when the first PEM certificate of `text` can be parsed; curl parses the rest.
bool HoldsCertificate(std::string_view text) { return ReadPemCertificate(text) != nullptr; }

Result<std::string> ReadCertificates(std::string_view what, const std::string& path) {
  Result<SecretBytes> content = ReadPermitted(what, path);
  if (!content.ok()) return content.error();
  if (!HoldsCertificate(content->Reveal())) {
    return Error::Format(ErrorCode::kInvalid, "{} \"{}\" holds no PEM certificate", what, path);
  }
  return std::string(content->Reveal());
}

// The names of the files of a directory, sorted. The internal entries of a Kubernetes volume
// ("..data" and the timestamped directory) are skipped: they contain the same files a second time.
Result<std::vector<std::string>> FilesIn(const Descriptor& directory) {
  std::error_code failed;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory.Path(), failed);
  const std::filesystem::directory_iterator end;
  for (std::size_t seen = 0; !failed && entry != end; ++seen) {
    if (seen == kMaxDirectoryEntries) {
      return Error::Format(ErrorCode::kInvalid,
                           "holds more than {} files: name one that holds certificates only",
                           kMaxDirectoryEntries);
    }
    std::error_code unknown;
    const std::string name = entry->path().filename();
    if (!name.starts_with("..") && !entry->is_directory(unknown)) names.push_back(name);
    entry.increment(failed);
  }
  if (failed) return Error(ErrorCode::kInvalid, failed.message());
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> ReadDirectory(const std::string& path) {
  const auto refused = [&](const std::string& why) {
    return Error::Format(ErrorCode::kInvalid, "CA directory \"{}\": {}", path, why);
  };
  Result<Descriptor> directory = OpenPermitted(path, PathKind::kDirectory);
  if (!directory.ok()) return refused(directory.error().message());
  Result<std::vector<std::string>> names = FilesIn(*directory);
  if (!names.ok()) return refused(names.error().message());
  if (names->empty()) return refused("holds no file");
  std::string bundle;
  for (const std::string& name : *names) {
    Result<Descriptor> place = OpenPermittedIn(*directory, name, PathKind::kFile);
    Result<SecretBytes> content = place.ok() ? ReadChecked(*place) : place.error();
    if (!content.ok()) return refused("one of its files: " + content.error().message());
    if (!HoldsCertificate(content->Reveal())) {
      return refused("one of its files holds no PEM certificate");
    }
    bundle += content->Reveal();
    bundle += "\n";
    if (bundle.size() > kMaxFileBytes) return refused("is larger than 8 MiB");
  }
  return bundle;
}

Result<std::string> ReadTrustRoots(const TlsSettings& settings) {
  if (!settings.ca_file.empty()) return ReadCertificates("CA file", settings.ca_file);
  if (!settings.ca_directory.empty()) return ReadDirectory(settings.ca_directory);
  if (!settings.ca_pem.empty() && !HoldsCertificate(settings.ca_pem)) {
    return Error(ErrorCode::kInvalid, "the CA text holds no PEM certificate");
  }
  return settings.ca_pem;
}

std::string Fingerprint(const SecretBytes& key) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(key.Reveal().data(), key.size(), digest, &size, EVP_sha256(), nullptr);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<std::string> ReadClientCertificate(const TlsSettings& settings) {
  if (!settings.client_cert_file.empty()) {
    return ReadCertificates("client cert", settings.client_cert_file);
  }
  if (!HoldsCertificate(settings.client_cert_pem)) {
    return Error(ErrorCode::kInvalid, "the client cert text holds no PEM certificate");
  }
  return settings.client_cert_pem;
}

Result<SecretBytes> ReadClientKey(const TlsSettings& settings) {
  const bool is_file = !settings.client_key_file.empty();
  Result<SecretBytes> key = is_file ? ReadPermitted("client key", settings.client_key_file)
                                    : Result<SecretBytes>(settings.client_key_pem->Clone());
  if (!key.ok()) return key.error();
  const std::string what =
      is_file ? fmt::format("client key \"{}\"", settings.client_key_file) : "the client key text";
  if (key->Reveal().find("PRIVATE KEY-----") == std::string_view::npos) {
    return Error::Format(ErrorCode::kInvalid, "{} holds no PEM private key", what);
  }
  // OpenSSL would prompt for the pass phrase on the terminal.
  if (key->Reveal().find("ENCRYPTED") != std::string_view::npos) {
    return Error::Format(ErrorCode::kInvalid, "{} is encrypted: give the key without a pass phrase",
                         what);
  }
  return key;
}

Status ReadClientPair(const TlsSettings& settings, TlsMaterial& material) {
  const bool has_cert = !settings.client_cert_file.empty() || !settings.client_cert_pem.empty();
  const bool has_key = !settings.client_key_file.empty() || settings.client_key_pem != nullptr;
  if (has_cert != has_key) {
    return Error(ErrorCode::kInvalid, "both client cert and client key must be provided");
  }
  if (!has_cert) return {};
  Result<std::string> certificate = ReadClientCertificate(settings);
  if (!certificate.ok()) return certificate.error();
  Result<SecretBytes> key = ReadClientKey(settings);
  if (!key.ok()) return key.error();
  material.client_cert_pem = *certificate + "\n# key " + Fingerprint(*key) + "\n";
  material.client_key_pem = *std::move(key);
  return {};
}

}  // namespace

bool IsServerName(std::string_view name) {
  constexpr std::size_t kLongestName = 253;
  constexpr std::size_t kLongestLabel = 63;
  unsigned char address[sizeof(in6_addr)];
  const std::string text(name);
  if (name.find('\0') != std::string_view::npos) return false;
  if (inet_pton(AF_INET6, text.c_str(), address) == 1) return true;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > kLongestName) return false;
  std::size_t label = 0;
  for (unsigned char c : name) {
    const bool in_label = std::isalnum(c) != 0 || c == '-' || c == '_';
    if (!in_label && (c != '.' || label == 0)) return false;
    label = in_label ? label + 1 : 0;
    if (label > kLongestLabel) return false;
  }
  return label > 0;
}

Result<TlsMaterial> ReadTlsMaterial(const TlsSettings& settings) {
  if (!settings.server_name.empty() && !IsServerName(settings.server_name)) {
    return Error::Format(ErrorCode::kInvalid, "TLS server name \"{}\" is not a host name",
                         Excerpt(settings.server_name));
  }
  TlsMaterial material;
  material.server_name = settings.server_name;
  material.skip_verify = settings.skip_verify;
  Result<std::string> roots = ReadTrustRoots(settings);
  if (!roots.ok()) return roots.error();
  material.ca_pem = std::move(*roots);
  Status pair = ReadClientPair(settings, material);
  if (!pair.ok()) return pair.error();
  return material;
}

}  // namespace nodekeep

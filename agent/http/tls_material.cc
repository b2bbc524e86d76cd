#include "agent/http/tls_material.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "agent/base/pem.h"
#include "agent/base/read_file.h"

namespace nodekeep {
namespace {

// Five times the size of a system trust store; a larger file is a wrong path.
constexpr std::size_t kMaxFileBytes = 8u << 20;
constexpr std::size_t kMaxDirectoryEntries = 1000;

// A file descriptor; -1 = none.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  const int number_;
};

// Why the agent must not read a file at this path; "" if it may. Classes name these paths, and the
// agent can read more than the author of a class: all pods' volumes, devices, processes.
std::string WhyRefused(const std::string& place) {
  for (const char* directory : {"/proc/", "/sys/", "/dev/"}) {
    if (place.starts_with(directory)) return fmt::format("files below {} are not read", directory);
  }
  for (const char* part : {"/volumes/kubernetes.io~", "/volume-subpaths/"}) {
    if (place.find(part) == std::string::npos) continue;
    return "it is in a volume of a pod, which is for that pod only; mount the file into the agent";
  }
  return "";
}

// Checks the file type before opening for reading: opening a pipe would block until it has a
// writer, opening a device may have side effects.
Result<std::unique_ptr<Descriptor>> OpenFile(std::string_view what, const std::string& path) {
  const auto failed = [&](const std::string& why) {
    return Error::Format(ErrorCode::kInvalid, "read {} \"{}\": {}", what, path, why);
  };
  const auto system = [&] { return failed(std::generic_category().message(errno)); };
  const std::string named = std::filesystem::path(path).lexically_normal();
  if (const std::string why = WhyRefused(named); !why.empty()) return failed(why);
  const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (place.number() < 0) return system();
  struct stat facts;
  if (fstat(place.number(), &facts) != 0) return system();
  if (!S_ISREG(facts.st_mode)) return failed("not a regular file");
  const std::string link = fmt::format("/proc/self/fd/{}", place.number());
  std::error_code unreadable;
  const std::string real = std::filesystem::read_symlink(link, unreadable);
  if (unreadable) return failed(unreadable.message());
  if (const std::string why = WhyRefused(real); !why.empty()) return failed(why);
  auto file = std::make_unique<Descriptor>(open(link.c_str(), O_RDONLY | O_CLOEXEC));
  if (file->number() < 0) return system();
  return file;
}

Result<SecretBytes> ReadPermitted(std::string_view what, const std::string& path) {
  Result<std::unique_ptr<Descriptor>> opened = OpenFile(what, path);
  if (!opened.ok()) return opened.error();
  Result<SecretBytes> content = ReadDescriptor((*opened)->number(), kMaxFileBytes);
  if (!content.ok()) {
    return Error::Format(ErrorCode::kInvalid, "read {} \"{}\": {}", what, path,
                         content.error().message());
  }
  return content;
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

// Every file below the directory. The internal entries of a Kubernetes volume ("..data" and the
// timestamped directory) are skipped: they contain the same files a second time.
Result<std::string> ReadDirectory(const std::string& directory) {
  std::error_code failed;
  std::vector<std::string> paths;
  std::filesystem::recursive_directory_iterator entry(directory, failed);
  const std::filesystem::recursive_directory_iterator end;
  for (std::size_t seen = 0; !failed && entry != end; ++seen) {
    if (seen == kMaxDirectoryEntries) {
      return Error::Format(ErrorCode::kInvalid,
                           "CA directory \"{}\" holds more than {} files: name one that holds "
                           "certificates only",
                           directory, kMaxDirectoryEntries);
    }
    const std::string name = entry->path().filename();
    std::error_code unknown;
    if (name.starts_with("..")) {
      entry.disable_recursion_pending();
    } else if (!entry->is_directory(unknown)) {
      paths.push_back(entry->path());
    }
    entry.increment(failed);
  }
  if (failed) {
    return Error::Format(ErrorCode::kInvalid, "read CA directory \"{}\": {}", directory,
                         failed.message());
  }
  if (paths.empty()) {
    return Error::Format(ErrorCode::kInvalid, "CA directory \"{}\" holds no file", directory);
  }
  std::sort(paths.begin(), paths.end());
  std::string bundle;
  for (const std::string& path : paths) {
    Result<std::string> pem = ReadCertificates("CA file", path);
    if (!pem.ok()) return pem.error();
    bundle += *pem + "\n";
    if (bundle.size() > kMaxFileBytes) {
      return Error::Format(ErrorCode::kInvalid, "CA directory \"{}\" is larger than 8 MiB",
                           directory);
    }
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

// The name becomes part of the request's URL.
bool IsServerName(std::string_view name) {
  constexpr std::size_t kLongest = 253;
  return name.size() <= kLongest && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
         });
}

}  // namespace

Result<TlsMaterial> ReadTlsMaterial(const TlsSettings& settings) {
  if (!IsServerName(settings.server_name)) {
    return Error::Format(ErrorCode::kInvalid, "TLS server name \"{}\" is not a host name",
                         settings.server_name.substr(0, 253));
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

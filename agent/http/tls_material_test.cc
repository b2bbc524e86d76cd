#include "agent/http/tls_material.h"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/certificates.h"
#include "tests/fakes/temp_dir.h"

namespace nodekeep {

TEST_CASE("TLS: a client certificate and key work the same as texts and as files") {
  const TestAuthority authority("authority");
  const CertificatePair pair = authority.Issue("me", {"DNS:me.test"});
  TempDir files;
  TlsSettings by_file;
  by_file.client_cert_file = files.Write("me.crt", pair.certificate_pem);
  by_file.client_key_file = files.Write("me.key", pair.key_pem);
  TlsSettings by_text;
  by_text.client_cert_pem = pair.certificate_pem;
  by_text.client_key_pem = std::make_shared<const SecretBytes>(pair.key_pem);

  Result<TlsMaterial> from_file = ReadTlsMaterial(by_file);
  Result<TlsMaterial> from_text = ReadTlsMaterial(by_text);
  REQUIRE(from_file.ok());
  REQUIRE(from_text.ok());
  CHECK(from_text->client_key_pem.Reveal() == pair.key_pem);
  CHECK(from_text->client_cert_pem == from_file->client_cert_pem);
  CHECK(from_text->client_cert_pem.starts_with(pair.certificate_pem));
}

TEST_CASE("TLS: unusable texts for a client certificate and key are refused") {
  const TestAuthority authority("authority");
  const CertificatePair pair = authority.Issue("me", {"DNS:me.test"});
  struct Row {
    std::string name, certificate, key, want;
  };
  const Row rows[] = {
      {"no key", pair.certificate_pem, "", "both client cert and client key must be provided"},
      {"no certificate", "", pair.key_pem, "both client cert and client key must be provided"},
      {"a key for a certificate", pair.key_pem, pair.key_pem,
       "the client cert text holds no PEM certificate"},
      {"a certificate for a key", pair.certificate_pem, pair.certificate_pem,
       "the client key text holds no PEM private key"},
      {"an encrypted key", pair.certificate_pem,
       "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
       "the client key text is encrypted: give the key without a pass phrase"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TlsSettings settings;
    settings.client_cert_pem = row.certificate;
    if (!row.key.empty()) settings.client_key_pem = std::make_shared<const SecretBytes>(row.key);
    Result<TlsMaterial> material = ReadTlsMaterial(settings);
    REQUIRE_FALSE(material.ok());
    CHECK(material.error().code() == ErrorCode::kInvalid);
    CHECK(material.error().message() == row.want);
  }
}

TEST_CASE("TLS: files of pods, devices and processes are refused, whatever their path") {
  const TestAuthority authority("authority");
  TempDir files;
  const std::string in_pod =
      files.Write("pods/u1/volumes/kubernetes.io~empty-dir/v/ca.crt", authority.certificate_pem());
  const std::string subpath =
      files.Write("pods/u1/volume-subpaths/v/main/0", authority.certificate_pem());
  const std::string flex =
      files.Write("pods/u1/volumes/acme.com~nfs/v/ca.crt", authority.certificate_pem());
  const std::string staged =
      files.Write("plugins/kubernetes.io/csi/d/globalmount/ca.crt", authority.certificate_pem());
  const std::string of_kubelet =
      files.Write("kubelet/pods/u1/etc-hosts", authority.certificate_pem());
  std::filesystem::create_symlink(in_pod, files / "link.crt");
  REQUIRE(mkfifo((files / "pipe").c_str(), 0600) == 0);
  const std::string of_pod =
      "it is in a volume of a pod, which is for that pod only; mount the file into the agent";
  struct Row {
    std::string name, path, want;
  };
  const Row rows[] = {
      {"a pod's volume", in_pod, of_pod},
      {"the same with \"..\"", files / "pods/../pods/u1/volumes/kubernetes.io~empty-dir/v/ca.crt",
       of_pod},
      {"a link to it", files / "link.crt", of_pod},
      {"a subpath", subpath, of_pod},
      {"a FlexVolume", flex, of_pod},
      {"a mount that is bound into pods", staged, of_pod},
      {"another file of a pod", of_kubelet, of_pod},
      {"a pipe without a writer", files / "pipe", "not a regular file"},
      {"a directory", files.path(), "not a regular file"},
      {"a device", "/dev/zero", "files below /dev/ are not read"},
      {"a process", "/proc/self/environ", "files below /proc/ are not read"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TlsSettings settings;
    settings.ca_file = row.path;
    Result<TlsMaterial> material = ReadTlsMaterial(settings);
    REQUIRE_FALSE(material.ok());
    CHECK(material.error().code() == ErrorCode::kInvalid);
    CHECK(material.error().message() == "read CA file \"" + row.path + "\": " + row.want);
  }
}

TEST_CASE("TLS: a server name must be a host name, because it becomes part of the URL") {
  TlsSettings settings;
  settings.ca_pem = TestAuthority("authority").certificate_pem();
  for (const std::string name :
       {"", "vault.test", "10.0.0.1", "::1", "2001:db8::1", "a-b_c.test."}) {
    INFO(name);
    settings.server_name = name;
    CHECK(ReadTlsMaterial(settings).ok());
  }
  for (const std::string& name : std::vector<std::string>{
           "vault:18200/v1/auth/cert/login?x=", "a/b", "a b", "a@b", "a#", "a\nb", "[::1]",
           "b\xC3\xBC", std::string(254, 'a'), "a..b", ".", ".a", std::string(64, 'a') + ".test",
           std::string("a\0b", 3), "::1%eth0"}) {
    INFO(name);
    settings.server_name = name;
    const Result<TlsMaterial> material = ReadTlsMaterial(settings);
    REQUIRE_FALSE(material.ok());
    CHECK(material.error().code() == ErrorCode::kInvalid);
    CHECK(material.error().message().ends_with("\" is not a host name"));
  }
}

TEST_CASE("TLS: files are limited in bytes") {
  const TestAuthority authority("authority");
  const CertificatePair pair = authority.Issue("me", {"DNS:me.test"});
  constexpr std::size_t kLimit = 8u << 20;
  TempDir files;
  const auto padded = [&](const std::string& name, const std::string& pem, std::size_t size) {
    return files.Write(name, pem + std::string(size - pem.size(), '\n'));
  };
  TlsSettings at_limit;
  at_limit.ca_file = padded("ca.pem", authority.certificate_pem(), kLimit);
  at_limit.client_cert_file = padded("me.crt", pair.certificate_pem, kLimit);
  at_limit.client_key_file = padded("me.key", pair.key_pem, kLimit);
  CHECK(ReadTlsMaterial(at_limit).ok());
  struct Row {
    std::string TlsSettings::*field;
    std::string pem, want;
  };
  const Row rows[] = {
      {&TlsSettings::ca_file, authority.certificate_pem(), "read CA file \"PATH\": "},
      {&TlsSettings::client_cert_file, pair.certificate_pem, "read client cert \"PATH\": "},
      {&TlsSettings::client_key_file, pair.key_pem, "read client key \"PATH\": "},
  };
  for (const Row& row : rows) {
    INFO(row.want);
    TlsSettings settings = at_limit;
    settings.*row.field = padded("large", row.pem, kLimit + 1);
    const Result<TlsMaterial> material = ReadTlsMaterial(settings);
    REQUIRE_FALSE(material.ok());
    CHECK(material.error().code() == ErrorCode::kInvalid);
    std::string want = row.want;
    want.replace(want.find("PATH"), 4, settings.*row.field);
    CHECK(material.error().message().starts_with(want));
  }
}

TEST_CASE("TLS: a CA directory is limited in files and bytes") {
  const TestAuthority authority("authority");
  TempDir many;
  for (int i = 0; i < 1001; ++i) many.Write("ca-" + std::to_string(i), "");
  TempDir large;
  const std::string one =
      large.Write("ca-0", authority.certificate_pem() + std::string(3u << 20, '\n'));
  for (int i = 1; i < 4; ++i) {
    std::filesystem::create_hard_link(one, large / ("ca-" + std::to_string(i)));
  }
  TlsSettings settings;
  settings.ca_directory = many.path();
  CHECK(ReadTlsMaterial(settings).error().message() ==
        "CA directory \"" + many.path() +
            "\": holds more than 1000 files: name one that holds certificates only");
  settings.ca_directory = large.path();
  CHECK(ReadTlsMaterial(settings).error().message() ==
        "CA directory \"" + large.path() + "\": is larger than 8 MiB");
}

TEST_CASE("TLS: a CA directory tells nothing of what is in it, and is checked before it is read") {
  const TestAuthority authority("authority");
  TempDir files;
  files.Write("kubelet/pods/u1/volumes/kubernetes.io~secret/token/ca.crt", "not PEM");
  files.Write("cas/ca.crt", authority.certificate_pem());
  files.Write("cas/below/secret-name", "not PEM");
  files.Write("mixed/secret-name", "not PEM");
  files.Write("only/below/ca.crt", authority.certificate_pem());
  std::filesystem::create_directory(files / "linked");
  std::filesystem::create_symlink(
      files / "kubelet/pods/u1/volumes/kubernetes.io~secret/token/ca.crt",
      files / "linked/secret-name");
  std::filesystem::create_symlink(files / "kubelet/pods", files / "link");
  const std::string of_pod =
      "it is in a volume of a pod, which is for that pod only; mount the file into the agent";
  struct Row {
    std::string name, path, want;  // "" = it is read
  };
  const Row rows[] = {
      {"only its own files count", files / "cas", ""},
      {"kubelet's pods", files / "kubelet/pods", of_pod},
      {"a pod's volumes", files / "kubelet/pods/u1/volumes", of_pod},
      {"a link to kubelet's pods", files / "link", of_pod},
      {"a link in it", files / "linked", "one of its files: " + of_pod},
      {"another file in it", files / "mixed", "one of its files holds no PEM certificate"},
      {"directories only", files / "only", "holds no file"},
      {"processes", "/proc", "files below /proc/ are not read"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    TlsSettings settings;
    settings.ca_directory = row.path;
    const Result<TlsMaterial> material = ReadTlsMaterial(settings);
    CHECK(material.ok() == row.want.empty());
    if (material.ok()) continue;
    CHECK(material.error().message() == "CA directory \"" + row.path + "\": " + row.want);
    CHECK(material.error().message().find("secret-name") == std::string::npos);
  }
}

}  // namespace nodekeep

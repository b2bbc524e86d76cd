#pragma once

// A provider on a scripted network, for the tests of this folder.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "providers/vault/vault.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_http_client.h"

namespace nodekeep::vault {

inline constexpr const char* kPodToken = "header.payload.signature-of-the-pod";

// The identity of pod web-0 in namespace shop, service account web, with a token for "vault".
inline Identity TestPod() {
  Identity pod;
  pod.namespace_name = "shop";
  pod.pod = {"web-0", "pod-uid-1"};
  pod.service_account = "web";
  pod.service_account_uid = "sa-uid-1";
  pod.tokens["vault"].token = SecretBytes(kPodToken);
  return pod;
}

using Attributes = std::map<std::string, std::string>;

struct TestMount {
  explicit TestMount(Attributes attributes = {}, VaultSettings settings = {}) {
    if (settings.version_key.empty()) settings.version_key = SecretBytes("version key");
    provider = MakeVaultProvider(std::move(settings), http, clock);
    attributes.try_emplace("roleName", "app");
    attributes.try_emplace("vaultAddress", "https://vault:8200");
    attributes.try_emplace("objects", "- {objectName: a, secretPath: secret/data/a, secretKey: k}");
    SpcInput input;
    input.parameters = std::move(attributes);
    Result<ParsedMount> parsed = provider.spc->Parse(input);
    if (parsed.ok()) {
      mount = *std::move(parsed);
    } else {
      parse_error = parsed.error().message();
    }
  }

  const ProviderOptions& options() const { return *mount.options; }

  Result<Credential> LogIn(const Identity& pod) {
    return provider.backend->Authenticate(Context(), options(), pod);
  }
  Result<Credential> LogIn() { return LogIn(TestPod()); }

  std::vector<Result<Answer>> Fetch(const std::vector<Question>& questions) {
    return provider.backend->Fetch(Context(), options(), credential(), questions);
  }
  // Of the first object.
  Result<Answer> FetchOne(const std::string& known_version = "") {
    std::vector<Result<Answer>> answers = Fetch({{mount.projections[0].ref, known_version}});
    return std::move(answers.front());
  }

  static Credential credential() {
    Credential credential;
    credential.token = SecretBytes("hvs.test-token");
    return credential;
  }

  FakeClock clock;
  FakeHttpClient http;
  Provider provider;
  ParsedMount mount;
  std::string parse_error;
};

template <typename T>
std::string MessageOf(const Result<T>& result) {
  return result.ok() ? "(ok)" : result.error().message();
}

template <typename T>
std::string CodeOf(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(ErrorCodeName(result.error().code()));
}

}  // namespace nodekeep::vault

#include "agent/app/configured_hosts.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {

TEST_CASE("configured hosts: addresses of enabled providers, alone or in lists") {
  Config config;
  config.enabled_providers = {"one", "two", "three"};
  config.providers["one"].values = {{"address", "https://Vault.example/prefix"},
                                    {"caFile", "/etc/ca.pem"},
                                    {"timeout", "30s"},
                                    {"namespace", ""}};
  config.providers["two"].values = {
      {"gatewayUrl", "https://gw1.example:8443/api/v2"},
      {"fallbackGateways", "http://gw2.example, https://gw1.example:8443"},
      {"nodeIdentityGateways", "*"}};
  config.providers["three"].values = {{"address", "unix:///run/vault.sock"}};
  config.providers["disabled"].values = {{"address", "https://other.example"}};
  CHECK(ConfiguredHosts(config) ==
        std::set<std::string, std::less<>>{"https://vault.example:443", "https://gw1.example:8443",
                                           "http://gw2.example:80", "unix:/run/vault.sock"});
}

}  // namespace nodekeep

#include "agent/http/origin.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep {

TEST_CASE("origin: consists of scheme, host and port, whatever follows in the URL") {
  struct Row {
    std::string name, url, unix_socket, text, host;
    int port;
  };
  const Row rows[] = {
      {"default port of https", "https://vault.example/v1/x", "", "https://vault.example:443",
       "vault.example", 443},
      {"default port of http", "http://vault.example", "", "http://vault.example:80",
       "vault.example", 80},
      {"port", "https://vault.example:8200?x=1", "", "https://vault.example:8200", "vault.example",
       8200},
      {"capital letters", "HTTPS://Vault.Example/", "", "https://vault.example:443",
       "vault.example", 443},
      {"IPv6", "http://[fd00:EC2::254]/latest", "", "http://[fd00:ec2::254]:80", "fd00:ec2::254",
       80},
      {"unix socket", "http://vault/v1/x", "/run/vault.sock", "unix:/run/vault.sock", "vault", 80},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    HttpRequest request;
    request.url = row.url;
    request.unix_socket = row.unix_socket;
    Result<Origin> origin = ParseOrigin(request);
    REQUIRE(origin.ok());
    CHECK(origin->text == row.text);
    CHECK(origin->host == row.host);
    CHECK(origin->port == row.port);
  }
}

TEST_CASE(
    "origin: URLs that curl and a human reader would resolve to different hosts are refused") {
  for (const std::string url :
       {"https:/vault.example/x", "https:/vault.example/x://y", "https:///vault.example",
        "http:vault.example", "https:/vault.example:8200/v1/://", "http://[fe80::1%25eth0]/x"}) {
    INFO(url);
    HttpRequest request;
    request.url = url;
    Result<Origin> origin = ParseOrigin(request);
    INFO((origin.ok() ? origin->text : origin.error().message()));
    CHECK_FALSE((origin.ok() && origin->text != "https://vault.example:443"));
    if (url.find("///") == std::string::npos) CHECK_FALSE(origin.ok());
  }
}

}  // namespace nodekeep

#include "agent/template/go_url.h"

#include <catch2/catch_test_macros.hpp>

namespace nodekeep::go {
namespace {

TEST_CASE("a URL that was read is written as net/url writes it") {
  struct Row {
    std::string text, want;
  };
  const Row rows[] = {
      {"https://user:p%40ss@example.com:8443/a/b?c=d&e#frag",
       "https://user:p%40ss@example.com:8443/a/b?c=d&e#frag"},
      {"HTTP://A/B", "http://A/B"},
      {"mailto:a@b", "mailto:a@b"},
      {"http://[::1]:80/x", "http://[::1]:80/x"},
      {"http://a/ b", "http://a/%20b"},
      {":x", "parse \":x\": missing protocol scheme"},
      {"http://a/%zz", "parse \"http://a/%zz\": invalid URL escape \"%zz\""},
      {"http://a:b/", "parse \"http://a:b/\": invalid port \":b\" after host"},
      {"http://a:80:90/", "parse \"http://a:80:90/\": invalid port \":80:90\" after host"},
      {"http://a[::1]/", "parse \"http://a[::1]/\": invalid IP-literal"},
      {"http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"},
      {"1:b", "parse \"1:b\": first path segment in URL cannot contain colon"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const Result<GoUrl> url = ParseGoUrl(row.text);
    CHECK((url.ok() ? url->Text() : url.error().message()) == row.want);
  }
}

}  // namespace
}  // namespace nodekeep::go

#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

// A chain of Ed25519 certificates.
constexpr std::string_view kRoot =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBGjCBzaADAgECAgID6TAFBgMrZXAwDDEKMAgGA1UEAwwBcjAeFw0yNjAxMDEw\n"
    "MDAwMDBaFw00NjAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAXIwKjAFBgMrZXADIQCK\n"
    "iOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXKNTMFEwHQYDVR0OBBYEFJrR\n"
    "ng8W7vcUy5DG8ZXbzmbpRYD5MB8GA1UdIwQYMBaAFJrRng8W7vcUy5DG8ZXbzmbp\n"
    "RYD5MA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EAZycE7DW7Qe5rlBaWSFiscH1h\n"
    "Q5lqRipvPL0MLMHDcWFE0c0z6tyGuQmvAPrEmLea+oZcd2e+qTn6XEnhcSqVAg==\n"
    "-----END CERTIFICATE-----\n";
constexpr std::string_view kIntermediate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBGjCBzaADAgECAgID6TAFBgMrZXAwDDEKMAgGA1UEAwwBcjAeFw0yNjAxMDEw\n"
    "MDAwMDBaFw00NjAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAWkwKjAFBgMrZXADIQCB\n"
    "OXcOqH0XX1ajVGbDTH7My42KkbTuN6Jd9g9bj8mzlKNTMFEwHQYDVR0OBBYEFGlo\n"
    "TlHaVfFuU1yq3MDFxawXc8OnMB8GA1UdIwQYMBaAFJrRng8W7vcUy5DG8ZXbzmbp\n"
    "RYD5MA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EAfbV3mCRqgd20X7xEh6uKsE5q\n"
    "M4eUKu7vhNEI4t8oh0RNoKx3+L57/ArWEH8kHof/2b8t7lmyitvdBTnOrZerCw==\n"
    "-----END CERTIFICATE-----\n";
// Names: a.example, who@example.com, 10.0.0.1, spiffe://example/a.
constexpr std::string_view kLeaf =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBTDCB/6ADAgECAgID6TAFBgMrZXAwDDEKMAgGA1UEAwwBaTAeFw0yNjAxMDEw\n"
    "MDAwMDBaFw00NjAxMDEwMDAwMDBaMAwxCjAIBgNVBAMMAWwwKjAFBgMrZXADIQDt\n"
    "SSjGKNHCxurpAziQWZVhKVknOlxj+TY2wUYUrIc30aOBhDCBgTAdBgNVHQ4EFgQU\n"
    "PYU0PZXNNikwhy4ZmywyTeQEtWowHwYDVR0jBBgwFoAUaWhOUdpV8W5TXKrcwMXF\n"
    "rBdzw6cwPwYDVR0RBDgwNoIJYS5leGFtcGxlgQ93aG9AZXhhbXBsZS5jb22HBAoA\n"
    "AAGGEnNwaWZmZTovL2V4YW1wbGUvYTAFBgMrZXADQQC7FL/fh5ojZDi7Yui9J8M+\n"
    "SBKRqotQxZBxq2VV6IxR5E6aav+99XVWiQ29OSlT6yK8HeBLtYhZ0Ei/w5W4eYkP\n"
    "-----END CERTIFICATE-----\n";
constexpr std::string_view kBlock =
    "-----BEGIN A-----\nB: 2\nProc-Type: 4\nA: x\n\nYWJj\n-----END A-----\n";

TEST_CASE("filterPEM writes the blocks of a type anew, the type in any case") {
  const std::string want =
      "\"-----BEGIN A-----\nProc-Type: 4\nA: x\nB: 2\n\nYWJj\n-----END A-----\n\"";
  std::string with_cr;
  for (const char c : kBlock) with_cr += c == '\n' ? "\r\n" : std::string(1, c);
  const std::string block(kBlock);
  for (const std::string& text : {block, with_cr, block + "x", "x\n" + block,
                                  block + "-----BEGIN B-----\nYWJj\n-----END B-----\n"}) {
    INFO(text);
    const Value arguments[] = {Text("a"), Text(text)};
    CHECK(Outcome("filterPEM", arguments) == want);
  }
}

TEST_CASE("filterPEM refuses text after the last block only if it found nothing") {
  const std::string block(kBlock);
  const FunctionRow rows[] = {
      {"filterPEM", {Text("a"), Text("")}, "\"\""},
      {"filterPEM", {Text("b"), Text(block)}, "\"\""},
      {"filterPEM", {Text("b"), Text(block + "x")}, "error: error filtering pem: found junk"},
      {"filterPEM", {Text("a"), Text("x")}, "error: error filtering pem: found junk"},
      {"filterPEM", {Text("a"), Text(" " + block)}, "error: error filtering pem: found junk"},
  };
  CheckAll(rows);
}

TEST_CASE("filterCertChain orders certificates by their key identifiers and gives one part") {
  struct Row {
    std::string_view which;
    std::vector<std::string_view> certificates;
    std::string_view want;
  };
  const std::string_view several = "error: found multiple leaf or disjunct certificates";
  const Row rows[] = {
      {"leaf", {kLeaf, kIntermediate, kRoot}, kLeaf},
      {"leaf", {kRoot, kIntermediate, kLeaf}, kLeaf},
      {"leaf", {kIntermediate}, kIntermediate},
      {"leaf", {kRoot}, ""},
      {"leaf", {kLeaf, kLeaf}, several},
      {"leaf", {kLeaf, kRoot}, several},
      {"leaf", {}, "error: no leaf certificate found"},
      {"intermediate", {kRoot, kIntermediate, kLeaf}, kIntermediate},
      {"intermediate", {kLeaf, kIntermediate}, kIntermediate},
      {"intermediate", {kLeaf}, ""},
      {"root", {kLeaf, kRoot, kIntermediate}, kRoot},
      {"root", {kRoot}, kRoot},
      {"root", {kLeaf, kIntermediate}, ""},
      {"x", {kLeaf, kIntermediate, kRoot}, ""},
      {"x", {kLeaf, kRoot}, several},
  };
  for (const Row& row : rows) {
    INFO(row.which << " of " << row.certificates.size() << ", " << row.want);
    std::string text;
    for (const std::string_view certificate : row.certificates) text += certificate;
    const Value arguments[] = {Text(row.which), Text(text)};
    const bool is_error = row.want.starts_with("error: ");
    CHECK(Outcome("filterCertChain", arguments) ==
          (is_error ? std::string(row.want) : fmt::format("\"{}\"", row.want)));
  }
}

TEST_CASE("certSANs lists names of hosts, addresses, mail addresses, then URIs") {
  const FunctionRow rows[] = {
      {"certSANs",
       {Text(kLeaf)},
       "[]string[\"a.example\" \"10.0.0.1\" \"who@example.com\" \"spiffe://example/a\"]"},
      {"certSANs", {Text(kRoot)}, "[]string[]"},
      {"certSANs", {Text("x")}, "error: failed to decode PEM block"},
  };
  CheckAll(rows);
  const Value no_certificate[] = {Text(kBlock)};
  CHECK(Outcome("certSANs", no_certificate).starts_with("error: failed to parse certificate: "));
}

}  // namespace
}  // namespace nodekeep::go

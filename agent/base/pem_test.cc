#include "agent/base/pem.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace nodekeep {
namespace {

std::string Block(const std::string& label, const std::string& lines) {
  return "-----BEGIN " + label + "-----\n" + lines + "\n-----END " + label + "-----\n";
}

TEST_CASE("PEM: blocks are read in order, and text between them is skipped") {
  struct Row {
    std::string name, text;
    std::vector<std::string> want;  // label, header, content
  };
  const Row rows[] = {
      {"nothing", "", {}},
      {"prose", "subject=web\n", {}},
      {"one block", Block("CERTIFICATE", "AQID"), {"CERTIFICATE||\x01\x02\x03"}},
      {"two blocks and prose",
       "first\n" + Block("A", "YQ==") + "\n\nsecond\n" + Block("PRIVATE KEY", "Yg==") + "end",
       {"A||a", "PRIVATE KEY||b"}},
      {"an encrypted traditional key",
       Block("EC PRIVATE KEY",
             "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
             "YQ=="),
       {"EC PRIVATE KEY|Proc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n|a"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<std::vector<PemBlock>> blocks = ReadPemBlocks(row.text);
    REQUIRE(blocks.ok());
    std::vector<std::string> found;
    for (const PemBlock& block : *blocks) {
      found.push_back(block.label + "|" + block.header + "|" + std::string(block.der.Reveal()));
    }
    CHECK(found == row.want);
  }
}

TEST_CASE("PEM: a damaged block is an error, also after valid ones") {
  const std::string good = Block("A", "YQ==");
  for (const std::string& text :
       {Block("B", "!!!!"), good + Block("B", "!!!!"), good.substr(0, good.size() - 8),
        good + std::string("-----BEGIN B-----\nYQ==\n-----END C-----\n")}) {
    INFO(text);
    const Result<std::vector<PemBlock>> blocks = ReadPemBlocks(text);
    REQUIRE_FALSE(blocks.ok());
    CHECK(blocks.error().code() == ErrorCode::kInvalid);
    CHECK(blocks.error().message().starts_with("a PEM block is damaged"));
  }
}

}  // namespace
}  // namespace nodekeep

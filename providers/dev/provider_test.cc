#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <iterator>

#include "agent/base/yaml.h"
#include "providers/dev/dev.h"
#include "providers/dev/factory.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"
#include "tests/source_dir.h"

namespace nodekeep {
namespace {

struct Bed {
  TempDir dir;
  FakeClock clock;
  Logger log{LogLevel::kOff, LogFormat::kText};
  Provider provider;

  explicit Bed(const std::string& store) {
    DevSettings settings;
    settings.path = dir.Write("store.yaml", store);
    provider = MakeDevProvider(std::move(settings), clock, log);
  }
};

std::string Rendered(const Provider& provider, const std::string& field,
                     const std::string& encoding, const std::string& answer) {
  Projection projection;
  projection.object = "o";
  projection.ref.path = "p";
  projection.field = field;
  projection.encoding = encoding;
  const auto files = provider.spc->RenderFiles(projection, SecretBytes(answer));
  if (files.ok()) return std::string(files->at(0).contents.Reveal());
  return "(" + std::string(ErrorCodeName(files.error().code())) + ")";
}

std::string Sample(const std::string& name) {
  std::ifstream file(std::string(NODEKEEP_SOURCE_DIR) + "/providers/dev/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("dev: the sample class is served from the sample store") {
  Bed bed(Sample("sample-store.yaml"));
  Result<std::vector<YamlNode>> documents = ParseYamlDocuments(Sample("sample.yaml"));
  REQUIRE(documents.ok());
  REQUIRE_FALSE(documents->empty());
  const YamlNode* spec = documents->front().Find("spec");
  REQUIRE(spec != nullptr);
  SpcInput input;
  for (const auto& [key, value] : spec->Find("parameters")->entries) {
    input.parameters[key.text] = value.text;
  }
  Result<ParsedMount> mount = bed.provider.spc->Parse(input);
  REQUIRE(mount.ok());

  Identity identity;
  identity.namespace_name = "shop";
  identity.service_account = "cart";
  Result<Credential> credential =
      bed.provider.backend->Authenticate(Context(), *mount->options, identity);
  REQUIRE(credential.ok());
  std::map<std::string, std::string> files;
  for (const Projection& projection : mount->projections) {
    const Question question{projection.ref, ""};
    auto answers =
        bed.provider.backend->Fetch(Context(), *mount->options, *credential, {&question, 1});
    if (!answers[0].ok()) {
      INFO(answers[0].error().message());
      CHECK(projection.optional);
      continue;
    }
    const auto rendered = bed.provider.spc->RenderFiles(projection, answers[0]->value);
    REQUIRE(rendered.ok());
    files[projection.path] = std::string(rendered->at(0).contents.Reveal());
  }
  const std::map<std::string, std::string> want = {
      {"api-token", "tok_2f9a1c07d4"},
      {"database/username", "cart"},
      {"database/password", "correct horse battery staple"},
      {"database/previous-password", "hunter2"},
      {"keystore.p12", std::string("\0\1\2\3\4\5\6\7\xff", 9)},
      {"settings.json", "{\"region\": \"eu-central\", \"retries\": 3}\n"},
  };
  CHECK(files == want);
}

TEST_CASE("dev: a file's contents are the value, or a key of it, decoded") {
  Bed bed("secrets: {}\n");
  struct Row {
    std::string name, field, encoding, answer, want;
  };
  const Row rows[] = {
      {"whole", "", "", "hunter2", "hunter2"},
      {"key", "user", "", R"({"user":"app"})", "app"},
      {"number keeps its text", "n", "", R"({"n":1.50})", "1.50"},
      {"structure as JSON", "o", "", R"({"o":{"b":1,"a":[true]}})", R"({"a":[true],"b":1})"},
      {"key missing", "x", "", R"({"user":"app"})", "(not_found)"},
      {"key of a plain text", "x", "", "hunter2", "(invalid)"},
      {"base64", "", "base64", "aHVudGVyMg==", "hunter2"},
      {"hex of a key", "k", "hex", R"({"k":"6869"})", "hi"},
      {"utf-8", "", "utf-8", "hunter2", "hunter2"},
      {"not base64", "", "base64", "!", "(invalid)"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Rendered(bed.provider, row.field, row.encoding, row.answer) == row.want);
  }
}

TEST_CASE("dev: the credential is the service account, and may be shared within it") {
  Bed bed("secrets: {}\n");
  Identity identity;
  identity.namespace_name = "shop";
  identity.service_account = "cart";
  identity.service_account_uid = "uid-1";
  SpcInput input;
  input.parameters["objects"] = "- objectName: a\n";
  Result<ParsedMount> mount = bed.provider.spc->Parse(input);
  REQUIRE(mount.ok());
  Result<Credential> credential =
      bed.provider.backend->Authenticate(Context(), *mount->options, identity);
  REQUIRE(credential.ok());
  CHECK(credential->sharing == Sharing::kServiceAccount);
  CHECK(credential->service_account_uid == "uid-1");
  CHECK(credential->token.Reveal() == "shop/cart");
}

TEST_CASE("dev: the factory takes the path from the configuration and refuses an empty one") {
  struct NoHttp final : HttpClient {
    std::vector<Result<HttpResponse>> SendAll(const Context&, std::vector<HttpRequest>) override {
      return {};
    }
  } http;
  FakeClock clock;
  Logger log(LogLevel::kOff, LogFormat::kText);
  REQUIRE(dev::SettingsKeys().size() == 1);
  CHECK(dev::SettingsKeys()[0].name == "path");
  CHECK(dev::SettingsKeys()[0].environment == "NODEKEEP_DEV_PATH");
  CHECK_FALSE(dev::Make({{"path", ""}}, {http, clock, log, Policy(), SecretBytes()}).ok());

  TempDir dir;
  Policy policy;
  policy.refresh_after = std::chrono::seconds(7);
  auto made = dev::Make({{"path", dir.path() + "/./x/../store.yaml"}},
                        {http, clock, log, policy, SecretBytes()});
  REQUIRE(made.ok());
  SpcInput input;
  input.parameters["objects"] = "- objectName: a\n";
  Result<ParsedMount> mount = made->spc->Parse(input);
  REQUIRE(mount.ok());
  CHECK(mount->projections[0].ref.endpoint == dir / "store.yaml");
  CHECK(mount->policy.refresh_after == std::chrono::seconds(7));
}

}  // namespace nodekeep

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
      {"hex with a final line break", "", "hex", "6869\n", "hi"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Rendered(bed.provider, row.field, row.encoding, row.answer) == row.want);
  }
}

TEST_CASE("dev: nodekeep/property is a field of the key's value, or of the whole secret") {
  Bed bed("secrets: {}\n");
  struct Row {
    std::string name, field, property, answer, want;
  };
  const Row rows[] = {
      {"of a key that holds JSON text", "c", "db.user", R"({"c":"{\"db\":{\"user\":\"u\"}}"})",
       "u"},
      {"of a key that is an object", "c", "hosts.1", R"({"c":{"hosts":["a","b"]}})", "b"},
      {"of the whole secret", "", "db.port", R"({"db":{"port":5432}})", "5432"},
      {"missing", "", "x", R"({"db":1})",
       "dev: object \"f\": secret \"s\" has no property \"x\": write a key of its JSON, or keys "
       "joined by dots"},
      {"of a plain text", "", "x", "hunter2",
       "dev: object \"f\": secret \"s\" is not a JSON object: nodekeep/property \"x\" cannot be "
       "taken from it"},
      {"a null key", "k", "", R"({"k":null})",
       "dev: object \"f\": key \"k\" of secret \"s\" is null, which is no value: write one, or "
       "have "
       "the object left out with nodekeep/optional: true"},
      {"a null property", "", "k", R"({"k":null})",
       "dev: object \"f\": property \"k\" of secret \"s\" is null, which is no value: write one, "
       "or "
       "have the object left out with nodekeep/optional: true"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Projection projection;
    projection.object = projection.path = "f";
    projection.ref.path = "s";
    projection.field = row.field;
    projection.property = row.property;
    const auto files = bed.provider.spc->RenderFiles(projection, SecretBytes(row.answer));
    CHECK((files.ok() ? std::string(files->at(0).contents.Reveal()) : files.error().message()) ==
          row.want);
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

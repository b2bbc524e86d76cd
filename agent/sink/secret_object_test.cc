#include "agent/sink/secret_object.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "tests/fakes/certificates.h"

namespace nodekeep {
namespace {

std::vector<BundleFile> Files(const std::vector<std::pair<std::string, std::string>>& texts) {
  std::vector<BundleFile> files;
  for (const auto& [path, text] : texts) files.push_back({path, 0644, SecretBytes(text)});
  return files;
}

// All entries, or the first error.
Result<std::vector<SecretObject>> Parse(const std::string& text) {
  Result<Json> json = ParseJson(text);
  REQUIRE(json.ok());
  std::vector<SecretObject> objects;
  for (Result<SecretObject>& object : ReadSecretObjects(*json)) {
    if (!object.ok()) return object.error();
    objects.push_back(*std::move(object));
  }
  return objects;
}

SecretObject One(const std::string& text) {
  Result<std::vector<SecretObject>> objects = Parse("[" + text + "]");
  if (!objects.ok()) FAIL(objects.error().message());
  REQUIRE(objects->size() == 1);
  return objects->front();
}

std::string Fault(const Result<KubeSecret>& secret) {
  return secret.ok() ? "no error" : secret.error().message();
}

TEST_CASE("secretObjects: an entry is parsed, its strings trimmed") {
  const SecretObject object = One(R"({"secretName":" app ","type":" Opaque ",
      "labels":{"environment":"test"},"annotations":{"team":"shop","nodekeep/deletionPolicy":"Retain"},
      "data":[{"objectName":" foo/bar.txt ","key":" username "},{"objectName":"b","key":"B_2.x-y"}]})");
  CHECK(object.secret_name == "app");
  CHECK(object.type == "Opaque");
  CHECK(object.labels.at("environment") == "test");
  CHECK(object.annotations.at("team") == "shop");
  CHECK(object.deletion == DeletionPolicy::kRetain);
  REQUIRE(object.data.size() == 2);
  CHECK(object.data[0].object_name == "foo/bar.txt");
  CHECK(object.data[0].key == "username");
  CHECK(object.data[1].key == "B_2.x-y");
}

TEST_CASE("secretObjects: null and an empty list have no entries") {
  for (const char* text : {"null", "[]"}) {
    INFO(text);
    Result<std::vector<SecretObject>> objects = Parse(text);
    REQUIRE(objects.ok());
    CHECK(objects->empty());
  }
}

TEST_CASE("secretObjects: an error of an entry names the field and the fix") {
  const std::string data = R"("data":[{"objectName":"a","key":"k"}])";
  struct Row {
    std::string name, entry, want;
  };
  const Row rows[] = {
      {"not a map", R"("x")", "secretObjects[0]: must be a map"},
      {"no name", R"({"type":"Opaque",)" + data + "}",
       "secretObjects[0].secretName: secret name is empty: "},
      {"blank name", R"({"secretName":"  ","type":"Opaque",)" + data + "}",
       "secretObjects[0].secretName: secret name is empty: "},
      {"number as name", R"({"secretName":7,"type":"Opaque",)" + data + "}",
       "secretObjects[0].secretName: must be a string, found a number"},
      {"name in capitals", R"({"secretName":"App","type":"Opaque",)" + data + "}",
       "secretObjects[0].secretName: \"App\" is not a valid Secret name"},
      {"name with empty part", R"({"secretName":"a..b","type":"Opaque",)" + data + "}",
       "secretObjects[0].secretName: \"a..b\" is not a valid Secret name"},
      {"name too long",
       R"({"secretName":")" + std::string(254, 'a') + R"(","type":"Opaque",)" + data + "}",
       "is not a valid Secret name"},
      {"no type", R"({"secretName":"app",)" + data + "}",
       "secretObjects[0].type: secret type is empty: "},
      {"no data", R"({"secretName":"app","type":"Opaque"})",
       "secretObjects[0].data: data is empty: "},
      {"empty data", R"({"secretName":"app","type":"Opaque","data":[]})",
       "secretObjects[0].data: data is empty: "},
      {"data item is not a map", R"({"secretName":"app","type":"Opaque","data":["a"]})",
       "secretObjects[0].data[0]: must be a map with objectName and key"},
      {"no objectName", R"({"secretName":"app","type":"Opaque","data":[{"key":"k"}]})",
       "secretObjects[0].data[0].objectName: object name is empty: "},
      {"no key", R"({"secretName":"app","type":"Opaque","data":[{"objectName":"a"}]})",
       "secretObjects[0].data[0].key: key is empty: "},
      {"key with a slash",
       R"({"secretName":"app","type":"Opaque","data":[{"objectName":"a","key":"a/b"}]})",
       "secretObjects[0].data[0].key: \"a/b\" is not a valid Secret key"},
      {"key of dots",
       R"({"secretName":"app","type":"Opaque","data":[{"objectName":"a","key":".."}]})",
       "secretObjects[0].data[0].key: \"..\" is not a valid Secret key"},
      {"key twice",
       R"({"secretName":"app","type":"Opaque","data":[{"objectName":"a","key":"k"},
           {"objectName":"b","key":"k"}]})",
       "secretObjects[0].data[1].key: \"k\" is set twice, from a and b"},
      {"label is a number", R"({"secretName":"app","type":"Opaque","labels":{"v":1},)" + data + "}",
       "secretObjects[0].labels[\"v\"]: must be a string"},
      {"annotations are a list",
       R"({"secretName":"app","type":"Opaque","annotations":[],)" + data + "}",
       "secretObjects[0].annotations: must be a map of strings"},
      {"policy misspelt",
       R"({"secretName":"app","type":"Opaque","annotations":{"nodekeep/deletionPolicy":"Keep"},)" +
           data + "}",
       "secretObjects[0].annotations[\"nodekeep/deletionPolicy\"]: is \"Keep\": write Delete, "
       "Retain or WithClass"},
      {"annotation misspelt",
       R"({"secretName":"app","type":"Opaque","annotations":{"nodekeep/deletionpolicy":"Retain"},)" +
           data + "}",
       "secretObjects[0].annotations[\"nodekeep/deletionpolicy\"]: is unknown: write "
       "nodekeep/deletionPolicy"},
      {"annotation misspelt in its prefix",
       R"({"secretName":"app","type":"Opaque","annotations":{"Nodekeep/deletionPolicy":"Retain"},)" +
           data + "}",
       "secretObjects[0].annotations[\"Nodekeep/deletionPolicy\"]: is unknown"},
      {"adoption requested by the class",
       R"({"secretName":"app","type":"Opaque","annotations":{"nodekeep/adopt":"true"},)" + data +
           "}",
       "set it on the Secret that is to be adopted"},
      {"tls with a foreign key",
       R"({"secretName":"app","type":"kubernetes.io/tls","data":[{"objectName":"a","key":"crt"}]})",
       "secretObjects[0].data[0].key: \"crt\" does not fit type kubernetes.io/tls: use tls.crt, "
       "tls.key or ca.crt"},
      {"tls without its key",
       R"({"secretName":"app","type":"kubernetes.io/tls",
           "data":[{"objectName":"a","key":"tls.crt"}]})",
       "secretObjects[0].data: has no key tls.key: type kubernetes.io/tls needs it"},
      {"docker without its key",
       R"({"secretName":"app","type":"kubernetes.io/dockerconfigjson",
           "data":[{"objectName":"a","key":"config"}]})",
       "secretObjects[0].data: has no key .dockerconfigjson"},
      {"basic auth without both",
       R"({"secretName":"app","type":"kubernetes.io/basic-auth",
           "data":[{"objectName":"a","key":"user"}]})",
       "secretObjects[0].data: has no key username or password"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<std::vector<SecretObject>> objects = Parse("[" + row.entry + "]");
    REQUIRE(!objects.ok());
    INFO(objects.error().message());
    CHECK(objects.error().code() == ErrorCode::kInvalid);
    CHECK(objects.error().message().find(row.want) != std::string::npos);
  }
}

TEST_CASE("secretObjects: an invalid entry does not affect others, and each error is reported") {
  Result<Json> json = ParseJson(R"([{"type":"Opaque"},
      {"secretName":"good","type":"Opaque","data":[{"objectName":"a","key":"k"}]},
      {"secretName":"bad","data":[{"objectName":"a","key":"k"}]},
      {"secretName":"good","type":"Opaque","data":[{"objectName":"b","key":"k"}]}])");
  REQUIRE(json.ok());
  const std::vector<Result<SecretObject>> entries = ReadSecretObjects(*json);
  REQUIRE(entries.size() == 4);
  REQUIRE(!entries[0].ok());
  CHECK(entries[0].error().message().starts_with(
      "secretObjects[0].secretName: secret name is empty"));
  CHECK(entries[1].ok());
  REQUIRE(!entries[2].ok());
  CHECK(entries[2].error().message().starts_with("secretObjects[2].type: secret type is empty"));
  REQUIRE(!entries[3].ok());
  CHECK(entries[3].error().message() ==
        "secretObjects[3].secretName: \"good\" is used twice: put all keys into one entry");
}

TEST_CASE("secretObjects: all faults of an entry are reported at once, with their places") {
  Result<Json> json = ParseJson(R"([{"secretName":"A_b","type":7,"secretname":"x",
      "labels":{"a.b":1},"annotations":{"nodekeep/adopt":"true"},
      "data":[{"objectName":"a","key":"k"},{"key":"k/"},{"objectname":"a","key":"l"},
              {"objectName":"b","key":"k"},{"objectName":"a","key":"k"},{"objectName":"a","key":"m"}]}])");
  REQUIRE(json.ok());
  const std::vector<SecretObjectEntry> entries = ReadSecretObjectEntries(*json);
  REQUIRE(entries.size() == 1);
  const SecretObjectEntry& entry = entries[0];
  std::vector<std::string> faults;
  for (const ClassFault& fault : entry.faults) faults.push_back(fault.path.text());
  CHECK(faults == std::vector<std::string>{
                      "secretObjects[0].secretName", "secretObjects[0].type",
                      "secretObjects[0].labels[\"a.b\"]",
                      "secretObjects[0].annotations[\"nodekeep/adopt\"]",
                      "secretObjects[0].data[1].objectName", "secretObjects[0].data[1].key",
                      "secretObjects[0].data[2].objectName", "secretObjects[0].data[3].key"});
  CHECK(entry.faults[2].path.steps() ==
        std::vector<std::string>{"secretObjects", "0", "labels", "a.b"});
  std::vector<std::string> unknown;
  for (const ClassFault& fault : entry.unknown_fields) unknown.push_back(fault.Text());
  CHECK(unknown == std::vector<std::string>{
                       "secretObjects[0].secretname: unknown field: did you mean secretName?",
                       "secretObjects[0].data[2].objectname: unknown field: did you mean "
                       "objectName?"});
  // What could be read, with the places of the keys in the class.
  REQUIRE(entry.object.data.size() == 2);
  CHECK(entry.object.data[1].key == "m");
  CHECK(entry.places == std::vector<std::size_t>{0, 5});
  // The mirror reports all of them too.
  const std::string text = ReadSecretObjects(*json)[0].error().message();
  CHECK(text.starts_with("secretObjects[0].secretName: \"A_b\" is not a valid Secret name: "));
  CHECK(text.find("; secretObjects[0].data[3].key: \"k\" is set twice") != std::string::npos);
}

TEST_CASE("secretObjects: unknown fields alone do not keep a Secret from being made") {
  CHECK(One(R"({"secretName":"app","type":"Opaque","x":1,"data":[{"objectName":"a","key":"k"}]})")
            .secret_name == "app");
}

TEST_CASE("secretObjects: anything but a list is refused") {
  const Result<std::vector<SecretObject>> objects = Parse("{}");
  REQUIRE_FALSE(objects.ok());
  CHECK(objects.error().message() ==
        "secretObjects: must be a list, found a map: write one `- secretName: ...` per Secret");
}

TEST_CASE("secretObjects: an identical duplicate of a line is not an error") {
  CHECK(One(R"({"secretName":"app","type":"Opaque",
      "data":[{"objectName":"a","key":"k"},{"objectName":"a","key":"k"}]})")
            .data.size() == 1);
}

TEST_CASE("mirror: files become keys with the same bytes, and the Secret is labelled") {
  const SecretObject object = One(R"({"secretName":"app","type":"Opaque",
      "labels":{"environment":"test","secrets-store.csi.k8s.io/managed":"no"},
      "annotations":{"a":"b"},
      "data":[{"objectName":"foo/bar.txt","key":"one"},{"objectName":"raw","key":"two"}]})");
  const std::string raw("\0\xff\n", 3);
  Result<KubeSecret> secret =
      BuildSecret(object, Files({{"foo/bar.txt", "alice"}, {"raw", raw}, {"other", "x"}}));
  REQUIRE(secret.ok());
  CHECK(secret->name == "app");
  CHECK(secret->type == "Opaque");
  CHECK(secret->labels.size() == 2);
  CHECK(secret->labels.at("secrets-store.csi.k8s.io/managed") == "true");
  CHECK(secret->annotations.at("a") == "b");
  REQUIRE(secret->data.size() == 2);
  CHECK(secret->data.at("one").Reveal() == "alice");
  CHECK(secret->data.at("two").Reveal() == raw);
}

TEST_CASE("mirror: types other than tls get whole files") {
  struct Row {
    std::string type, key;
  };
  const Row rows[] = {
      {"Opaque", "k"},
      {"kubernetes.io/basic-auth", "password"},
      {"kubernetes.io/ssh-auth", "ssh-privatekey"},
      {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
      {"kubernetes.io/dockercfg", ".dockercfg"},
      {"kubernetes.io/service-account-token", "extra"},
      {"bootstrap.kubernetes.io/token", "token-id"},
      {"example.com/own", "k"},
  };
  for (const Row& row : rows) {
    INFO(row.type);
    const SecretObject object = One(R"({"secretName":"app","type":")" + row.type +
                                    R"(","data":[{"objectName":"a","key":")" + row.key + R"("}]})");
    Result<KubeSecret> secret = BuildSecret(object, Files({{"a", " as it is \n"}}));
    REQUIRE(secret.ok());
    CHECK(secret->type == row.type);
    CHECK(secret->data.at(row.key).Reveal() == " as it is \n");
  }
}

TEST_CASE("mirror: a tls Secret gets certificate, key and CA from one file") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const SecretObject object = One(R"({"secretName":"web-tls","type":"kubernetes.io/tls",
      "data":[{"objectName":"web.pem","key":"tls.crt"},{"objectName":"web.pem","key":"tls.key"},
              {"objectName":"web.pem","key":"ca.crt"}]})");
  Result<KubeSecret> secret = BuildSecret(
      object,
      Files({{"web.pem", web.key_pem + web.certificate_pem + authority.certificate_pem()}}));
  if (!secret.ok()) FAIL(secret.error().message());
  CHECK(secret->data.at("tls.crt").Reveal() == web.certificate_pem + authority.certificate_pem());
  CHECK(secret->data.at("tls.key").Reveal().starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
  CHECK(secret->data.at("ca.crt").Reveal() == authority.certificate_pem());
}

TEST_CASE("mirror: the key of an optional object that does not exist is left out") {
  const SecretObject object = One(R"({"secretName":"app","type":"Opaque","data":[
      {"objectName":"a","key":"a"},{"objectName":"b","key":"b"},{"objectName":"d/e/f","key":"f"}]})");
  struct Row {
    std::string name;
    std::vector<std::string> files, absent, want;
    std::string fault;
  };
  const Row rows[] = {
      {"none", {"a", "b", "d/e/f"}, {}, {"a", "b", "f"}, ""},
      {"a file", {"b", "d/e/f"}, {"a"}, {"b", "f"}, ""},
      {"a folder", {"a", "b"}, {"d"}, {"a", "b"}, ""},
      {"a folder in a folder", {"a", "b"}, {"d/e"}, {"a", "b"}, ""},
      {"all", {}, {"a", "b", "d"}, {}, ""},
      {"a file that is not in the class", {"a", "d/e/f"}, {"x"}, {}, "objectName b not found"},
      {"a path that only begins alike", {"b", "d/e/f"}, {"a2", "aa"}, {}, "objectName a not found"},
      {"a longer path", {"b", "d/e/f"}, {"a/b"}, {}, "objectName a not found"},
      {"a folder that only begins alike", {"a", "b"}, {"d/ee"}, {}, "objectName d/e/f not found"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    std::vector<std::pair<std::string, std::string>> texts;
    for (const std::string& path : row.files) texts.emplace_back(path, "v");
    const Result<KubeSecret> secret = BuildSecret(object, Files(texts), row.absent);
    CHECK(secret.ok() == row.fault.empty());
    if (!secret.ok()) {
      CHECK(Fault(secret).find(row.fault) != std::string::npos);
      continue;
    }
    std::vector<std::string> keys;
    for (const auto& [key, value] : secret->data) keys.push_back(key);
    CHECK(keys == row.want);
  }
}

TEST_CASE("mirror: a Secret whose type needs the key that is left out is an error") {
  const SecretObject basic = One(R"({"secretName":"app","type":"kubernetes.io/basic-auth",
      "data":[{"objectName":"a","key":"username"},{"objectName":"b","key":"password"}]})");
  CHECK(BuildSecret(basic, Files({{"a", "v"}}), {"b"}).ok());
  const Result<KubeSecret> refused = BuildSecret(basic, {}, {"a", "b"});
  CHECK(refused.error().code() == ErrorCode::kNotFound);
  CHECK(Fault(refused) ==
        "secret \"app\": type kubernetes.io/basic-auth needs the key \"username\" or \"password\", "
        "whose "
        "optional object does not exist: create it, or use type Opaque");
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const SecretObject tls = One(R"({"secretName":"web-tls","type":"kubernetes.io/tls",
      "data":[{"objectName":"crt","key":"tls.crt"},{"objectName":"key","key":"tls.key"}]})");
  for (const char* absent : {"crt", "key"}) {
    INFO(absent);
    const bool is_crt = std::string(absent) == "crt";
    const Result<KubeSecret> secret = BuildSecret(
        tls,
        Files({is_crt ? std::pair<std::string, std::string>("key", web.key_pem)
                      : std::pair<std::string, std::string>("crt", web.certificate_pem)}),
        {absent});
    CHECK(Fault(secret).starts_with(
        std::string("secret \"web-tls\": type kubernetes.io/tls needs the key \"tls.") + absent));
  }
}

TEST_CASE("mirror: a certificate and a key that do not fit are an error, whatever their order") {
  const TestAuthority authority("root");
  const CertificatePair web = authority.Issue("web", {"DNS:web.test"});
  const CertificatePair other = authority.Issue("other", {"DNS:other.test"});
  for (const char* data :
       {R"([{"objectName":"crt","key":"tls.crt"},{"objectName":"key","key":"tls.key"}])",
        R"([{"objectName":"key","key":"tls.key"},{"objectName":"crt","key":"tls.crt"}])"}) {
    const SecretObject tls = One(R"({"secretName":"web-tls","type":"kubernetes.io/tls","data":)" +
                                 std::string(data) + "}");
    const std::string chain = authority.certificate_pem() + web.certificate_pem;
    const Result<KubeSecret> made = BuildSecret(tls, Files({{"crt", chain}, {"key", web.key_pem}}));
    if (!made.ok()) FAIL(made.error().message());
    CHECK(made->data.at("tls.crt").Reveal() == web.certificate_pem + authority.certificate_pem());
    const Result<KubeSecret> refused =
        BuildSecret(tls, Files({{"crt", chain}, {"key", other.key_pem}}));
    CHECK(refused.error().code() == ErrorCode::kInvalid);
    CHECK(Fault(refused).starts_with(
        "secret \"web-tls\": key \"tls.crt\" from objectName \"crt\": the private "
        "key in tls.key does not fit"));
  }
}

TEST_CASE("mirror: an error of a value names Secret, key and file") {
  const SecretObject tls = One(R"({"secretName":"web-tls","type":"kubernetes.io/tls",
      "data":[{"objectName":"web.pem","key":"tls.crt"},{"objectName":"web.pem","key":"tls.key"}]})");
  CHECK(Fault(BuildSecret(tls, Files({{"web.pem", "hunter2"}})))
            .starts_with("secret \"web-tls\": key \"tls.key\" from objectName \"web.pem\": no "
                         "private key found"));

  const SecretObject opaque =
      One(R"({"secretName":"app","type":"Opaque","data":[{"objectName":"a","key":"k"}]})");
  const Result<KubeSecret> missing = BuildSecret(opaque, Files({{"b", "hunter2"}, {"c/d", "x"}}));
  CHECK(missing.error().code() == ErrorCode::kNotFound);
  CHECK(
      Fault(missing) ==
      "file matching objectName a not found in the pod: key \"k\" of secret \"app\": objectName is "
      "the path of a file in the volume; the volume has the files \"b\", \"c/d\"");
  CHECK(Fault(BuildSecret(opaque, {})).ends_with("; the volume has no files"));
}

TEST_CASE("mirror: a Secret is limited to one MiB") {
  const SecretObject object = One(R"({"secretName":"app","type":"Opaque",
      "data":[{"objectName":"a","key":"k"},{"objectName":"b","key":"l"}]})");
  const std::string half(512 * 1024, 'x');
  CHECK(BuildSecret(object, Files({{"a", half}, {"b", half}})).ok());
  const Result<KubeSecret> over = BuildSecret(object, Files({{"a", half}, {"b", half + "x"}}));
  REQUIRE(!over.ok());
  CHECK(over.error().code() == ErrorCode::kTooLarge);
  CHECK(over.error().message().starts_with("secret \"app\": 1048577 bytes of data"));
}

TEST_CASE("mirror: a certificate file that fits into no Secret is not parsed") {
  const SecretObject tls = One(R"({"secretName":"web-tls","type":"kubernetes.io/tls",
      "data":[{"objectName":"crt","key":"tls.crt"},{"objectName":"crt","key":"tls.key"}]})");
  const Result<KubeSecret> over =
      BuildSecret(tls, Files({{"crt", std::string((1 << 20) + 1, 'x')}}));
  CHECK(over.error().code() == ErrorCode::kTooLarge);
  CHECK(Fault(over).ends_with("the file has 1048577 bytes, and a Secret holds 1048576"));
}

}  // namespace
}  // namespace nodekeep

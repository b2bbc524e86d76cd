#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "providers/vault/answer.h"
#include "providers/vault/test_mount.h"

using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

namespace nodekeep::vault {
namespace {

const WallTime kNow = WallTime(1'800'000'000s);

std::string Rendered(const std::string& body, const std::string& key,
                     const std::string& encoding = "", const std::string& property = "") {
  Projection projection;
  projection.object = "o";
  projection.ref.path = "/v1/secret/data/a";
  projection.field = key;
  projection.encoding = encoding;
  projection.property = property;
  Result<SecretBytes> contents = RenderAnswer(projection, SecretBytes(body));
  return contents.ok() ? std::string(contents->Reveal()) : "error: " + contents.error().message();
}

Result<Answer> Read(const std::string& body, const std::string& known_version = "",
                    int status = 200) {
  Question question;
  question.ref.path = "/v1/secret/data/a";
  question.known_version = known_version;
  HttpResponse response;
  response.status = status;
  response.body = SecretBytes(body);
  return ReadAnswer(question, std::move(response), SecretBytes("key"), kNow);
}

std::string VersionOf(const std::string& body) {
  Result<Answer> answer = Read(body);
  REQUIRE(MessageOf(answer) == "(ok)");
  return answer->version;
}

}  // namespace

TEST_CASE("vault: a key is looked for in data.data before data") {
  struct Row {
    std::string name, body, key, want;
  };
  const Row rows[] = {
      {"kv v2", R"({"data":{"data":{"user":"alice"},"metadata":{}}})", "user", "alice"},
      {"kv v1", R"({"data":{"user":"alice"}})", "user", "alice"},
      {"kv v1 with a key named data", R"({"data":{"data":"x","user":"alice"}})", "user", "alice"},
      {"that key itself", R"({"data":{"data":"x"}})", "data", "x"},
      {"only data.data once it is an object", R"({"data":{"data":{"a":"1"},"user":"no"}})", "user",
       "error: {secret/data/a}: {key \"user\" does not exist at the secret path}"},
      {"number keeps its text", R"({"data":{"n":1.50}})", "n", "1.50"},
      {"big number", R"({"data":{"n":123456789012345678901234567890}})", "n",
       "123456789012345678901234567890"},
      {"exponent", R"({"data":{"n":1E+2}})", "n", "1E+2"},
      {"boolean", R"({"data":{"n":true}})", "n", "true"},
      {"object is compact and sorted", R"({"data":{"n":{"b": 1, "a": [1, "<"]}}})", "n",
       "{\"a\":[1,\"\\u003c\"],\"b\":1}"},
      {"text is not escaped", R"({"data":{"n":"<\u00e9\n\"&"}})", "n", "<\xc3\xa9\n\"&"},
      {"empty text", R"({"data":{"n":""}})", "n", ""},
      {"a text that looks like a number", R"({"data":{"n":"007"}})", "n", "007"},
      {"a dotted key is one key", R"({"data":{"a.b":"x","a":{"b":"y"}}})", "a.b", "x"},
      {"no data", R"({"data":null})", "n",
       "error: {secret/data/a}: {key \"n\" does not exist at the secret path}"},
      {"no such key", R"({"data":{"a":"x"}})", "n",
       "error: {secret/data/a}: {key \"n\" does not exist at the secret path}"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(row.want == Rendered(row.body, row.key));
  }
}

TEST_CASE("vault: a null is refused, or is the text \"null\" where the class or the node says so") {
  struct Row {
    std::string name, body, key, property, refusal;
  };
  constexpr char kWayOut[] =
      " is null, which is no value: write one, or have the object left out with nodekeep/optional: "
      "true; nodekeep/nullValues: text in the class writes the text \"null\", as upstream}";
  const Row rows[] = {
      {"a key", R"({"data":{"n":null}})", "n", "", "{secret/data/a}: {key \"n\""},
      {"a key of KV v2", R"({"data":{"data":{"n":null},"metadata":{}}})", "n", "",
       "{secret/data/a}: {key \"n\""},
      {"a property", R"({"data":{"n":"{\"a\":null}"}})", "n", "a",
       "{secret/data/a}: {property \"a\" of key \"n\""},
      {"a property without a key", R"({"data":{"n":{"a":null}}})", "", "n.a",
       "{secret/data/a}: {property \"n.a\" of the secret"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Projection projection;
    projection.ref.path = "/v1/secret/data/a";
    projection.field = row.key;
    projection.property = row.property;
    const Result<SecretBytes> refused = RenderAnswer(projection, SecretBytes(row.body));
    CHECK(CodeOf(refused) == "not_found");  // so that an optional object is left out
    CHECK(MessageOf(refused) == row.refusal + kWayOut);
    projection.nulls = NullValues::kText;
    const Result<SecretBytes> text = RenderAnswer(projection, SecretBytes(row.body));
    REQUIRE(MessageOf(text) == "(ok)");
    CHECK(text->Reveal() == "null");
  }
}

TEST_CASE("vault: nodekeep/property is a field of the key's value, or of the whole data") {
  struct Row {
    std::string name, body, key, property, encoding, want;
  };
  const Row rows[] = {
      {"of a JSON text", R"({"data":{"data":{"c":"{\"db\":{\"user\":\"u\"}}"}}})", "c", "db.user",
       "", "u"},
      {"of an object", R"({"data":{"c":{"hosts":["a","b"]}}})", "c", "hosts.1", "", "b"},
      {"of the data of KV v2", R"({"data":{"data":{"c":{"d":1.50}},"metadata":{"d":"no"}}})", "",
       "c.d", "", "1.50"},
      {"of the data of KV v1", R"({"data":{"c":{"d":"x"}}})", "", "c.d", "", "x"},
      {"decoded", R"({"data":{"c":"{\"k\":\"aGk=\"}"}})", "c", "k", "base64", "hi"},
      {"no such field", R"({"data":{"c":"{\"k\":\"secret\"}"}})", "c", "x", "",
       "error: {secret/data/a}: {key \"c\" has no property \"x\": write a key of its JSON, or keys "
       "joined by dots}"},
      {"no such key", R"({"data":{"c":"x"}})", "d", "x", "",
       "error: {secret/data/a}: {key \"d\" does not exist at the secret path}"},
      {"a text that is no JSON", R"({"data":{"c":"secret"}})", "c", "x", "",
       "error: {secret/data/a}: {key \"c\" is not a JSON object: nodekeep/property \"x\" cannot be "
       "taken from it}"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Rendered(row.body, row.key, row.encoding, row.property) == row.want);
  }
}

TEST_CASE("vault: a key is decoded with the object's encoding") {
  struct Row {
    std::string name, value, encoding, want;
  };
  const Row rows[] = {
      {"none", "aGk=", "", "aGk="},
      {"utf-8", "aGk=", "utf-8", "aGk="},
      {"base64", "aGk=", "base64", "hi"},
      {"base64 with line breaks", "aG\\r\\nk=\\n", "base64", "hi"},
      {"base64 in upper case", "aGk=", "BASE64", "hi"},
      {"hex", "6869", "hex", "hi"},
      {"hex in upper case", "6A", "Hex", "j"},
      {"hex with a final line break", "6869\\n", "hex", "hi"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(row.want == Rendered(R"({"data":{"k":")" + row.value + R"("}})", "k", row.encoding));
  }
  for (const auto& [value, encoding] :
       {std::pair{"aGk", "base64"}, {"a-_=", "base64"}, {"686", "hex"}, {"zz", "hex"}}) {
    INFO(value);
    const std::string text =
        Rendered(R"({"data":{"k":")" + std::string(value) + R"("}})", "k", encoding);
    CHECK_THAT(text, ContainsSubstring("error: {secret/data/a}: {"));
    CHECK_THAT(text, !ContainsSubstring(value));
  }
}

TEST_CASE("vault: binary values are written byte for byte") {
  const std::string out = Rendered(R"({"data":{"k":"AP8A/w=="}})", "k", "base64");
  CHECK(out == std::string("\x00\xff\x00\xff", 4));
}

TEST_CASE("vault: a whole response has the members, order and escapes of upstream's Go client") {
  struct Row {
    std::string name, body, want;
  };
  const Row rows[] = {
      {"kv v2",
       R"({"request_id":"r-1","lease_id":"","renewable":false,"lease_duration":0,
           "data":{"metadata":{"version":1,"custom_metadata":null},"data":{"z":"<&>","a":1.0}},
           "wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"})",
       R"({"request_id":"r-1","lease_id":"","lease_duration":0,"renewable":false,)"
       R"("data":{"data":{"a":1.0,"z":"\u003c\u0026\u003e"},)"
       R"("metadata":{"custom_metadata":null,"version":1}},"warnings":null,"mount_type":"kv"})"},
      {"nothing but data", R"({"data":{"a":"b"}})",
       R"({"request_id":"","lease_id":"","lease_duration":0,"renewable":false,)"
       R"("data":{"a":"b"},"warnings":null})"},
      {"a lease and warnings",
       R"({"lease_id":"database/creds/app/x","renewable":true,"lease_duration":3600,
           "data":{},"warnings":["careful"]})",
       R"({"request_id":"","lease_id":"database/creds/app/x","lease_duration":3600,)"
       R"("renewable":true,"data":{},"warnings":["careful"]})"},
      {"no data but auth", R"({"auth":{"client_token":"t"}})",
       R"({"request_id":"","lease_id":"","lease_duration":0,"renewable":false,)"
       R"("data":null,"warnings":null,"auth":{"client_token":"t"}})"},
      {"an unknown member is dropped", R"({"data":{},"extra":1})",
       R"({"request_id":"","lease_id":"","lease_duration":0,"renewable":false,)"
       R"("data":{},"warnings":null})"},
      {"line separators", "{\"data\":{\"a\":\"\xe2\x80\xa8\"}}",
       R"({"request_id":"","lease_id":"","lease_duration":0,"renewable":false,)"
       R"("data":{"a":"\u2028"},"warnings":null})"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(row.want == Rendered(row.body, ""));
  }
}

TEST_CASE("vault: the version is the server's for KV v2 and a keyed hash of the data elsewhere") {
  const std::string v2 = R"({"request_id":"1","data":{"data":{"a":"b"},
      "metadata":{"version":3,"created_time":"2026-01-31T12:00:00Z","custom_metadata":null}}})";
  CHECK(VersionOf(v2) == "kv2:3:2026-01-31T12:00:00Z");

  const std::string v1 = VersionOf(R"({"request_id":"1","data":{"a":"b","c":"d"}})");
  CHECK(v1.starts_with("hmac:"));
  CHECK(v1 == VersionOf(R"({"request_id":"2","data":{"c":"d", "a":"b"}})"));
  CHECK(v1 != VersionOf(R"({"request_id":"1","data":{"a":"b","c":"e"}})"));
  // A KV v1 secret with the same keys is not a KV v2 answer.
  CHECK(
      VersionOf(R"({"data":{"metadata":{"version":1,"created_time":"x"}}})").starts_with("hmac:"));
  CHECK(VersionOf(R"({"data":{"data":"x","metadata":"y"}})").starts_with("hmac:"));
}

TEST_CASE("vault: changed custom metadata is a new version, with the same value too") {
  const auto with = [](const std::string& custom) {
    return VersionOf(R"({"data":{"data":{},"metadata":{"version":3,"created_time":"t",
        "custom_metadata":)" +
                     custom + "}}}");
  };
  CHECK(with("null") == "kv2:3:t");
  CHECK(with(R"({"owner":"a"})") != with(R"({"owner":"b"})"));
  CHECK(with(R"({"owner":"a"})").starts_with("kv2:3:t:"));
}

TEST_CASE("vault: the version hash is keyed, so a value cannot be guessed from it") {
  Question question;
  question.ref.path = "/v1/secret/a";
  const auto hash = [&](const std::string& key) {
    HttpResponse response;
    response.status = 200;
    response.body = SecretBytes(R"({"data":{"pin":"1234"}})");
    return ReadAnswer(question, std::move(response), SecretBytes(key), kNow)->version;
  };
  CHECK(hash("one") != hash("two"));
  CHECK(hash("one") == hash("one"));
}

TEST_CASE("vault: an equal version is answered unchanged, so that the first answer stays") {
  for (
      const std::string body :
      {R"({"request_id":"2","data":{"data":{"a":"b"},
           "metadata":{"version":3,"created_time":"t"}}})",
       R"({"request_id":"2","data":{"a":"b"}})"}) {
    INFO(body);
    const std::string version = VersionOf(body);
    Result<Answer> same = Read(body, version);
    REQUIRE(same.ok());
    CHECK(same->unchanged);
    CHECK(same->value.empty());
    CHECK(same->version == version);
    Result<Answer> other = Read(body, "kv2:2:s");
    REQUIRE(other.ok());
    CHECK_FALSE(other->unchanged);
    CHECK(other->value.Reveal() == body);
  }
}

TEST_CASE("vault: an answer's lifetime is that of its lease or of its own expiry") {
  struct Row {
    std::string name, body;
    Duration want;
    bool lease, renewable;
  };
  const Row rows[] = {
      {"a database credential",
       R"({"lease_id":"database/creds/app/x","lease_duration":3600,"renewable":true,
           "data":{"username":"u","password":"p"}})",
       1h, true, true},
      {"a lease that cannot be renewed",
       R"({"lease_id":"aws/x","lease_duration":60,"renewable":false,"data":{"k":"v"}})", 1min, true,
       false},
      {"kv v1: its duration is only a hint",
       R"({"lease_id":"","lease_duration":2764800,"renewable":false,"data":{"k":"v"}})", 0s, false,
       false},
      {"a certificate",
       R"({"lease_id":"","data":{"certificate":"c","serial_number":"1:2",
            "expiration":1800003600}})",
       1h, false, false},
      {"a certificate that is over", R"({"data":{"serial_number":"1:2","expiration":1700000000}})",
       1s, false, false},
      {"a certificate of the far future",
       R"({"data":{"serial_number":"1:2","expiration":9223372036854775807}})", 24h * 365 * 10,
       false, false},
      {"a GCP token", R"({"data":{"token":"t","expires_at_seconds":1800000060}})", 1min, false,
       false},
      {"a secret with a key named expiration", R"({"data":{"expiration":1800003600}})", 0s, false,
       false},
      {"a static role is refreshed, not minted",
       R"({"data":{"username":"u","password":"p","ttl":3000,"rotation_period":3600}})", 0s, false,
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Answer> answer = Read(row.body);
    REQUIRE(MessageOf(answer) == "(ok)");
    CHECK(row.want == answer->lifetime);
    CHECK(row.lease == answer->lease.has_value());
    if (answer->lease) {
      CHECK(row.want == answer->lease->lifetime);
      CHECK(row.renewable == answer->lease->renewable);
    }
    // A second read is never `unchanged`: the newly minted value must be used.
    Result<Answer> again = Read(row.body, answer->version);
    CHECK(again->unchanged == (row.want == Duration::zero()));
  }
}

TEST_CASE("vault: an empty response is not found") {
  struct Row {
    std::string name;
    int status;
    std::string body, want;
  };
  const Row rows[] = {
      {"204", 204, "", "empty response from \"secret/data/a\", warnings: []"},
      {"200 without body", 200, "", "empty response from \"secret/data/a\", warnings: []"},
      {"no data", 200, "{}", "empty response from"},
      {"null data with warnings", 200, R"({"data":null,"warnings":["one","two"]})",
       "warnings: [one two]"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<Answer> answer = Read(row.body, "", row.status);
    CHECK(CodeOf(answer) == "not_found");
    CHECK_THAT(MessageOf(answer), ContainsSubstring(row.want));
  }
}

TEST_CASE("vault: the error for a reply that is not the API's does not quote it") {
  for (const std::string body : {"<html>secret</html>", "[]", "\"secret\"", R"({"data":"secret"})",
                                 R"({"data":["secret"]})", R"({"data":{"k":"secret")"}) {
    INFO(body);
    Result<Answer> answer = Read(body);
    CHECK(CodeOf(answer) == "transient");
    CHECK_THAT(MessageOf(answer), ContainsSubstring("error requesting secret") &&
                                      ContainsSubstring("is not a Vault response"));
    CHECK(MessageOf(answer).find("\"secret\"") == std::string::npos);
  }
}

}  // namespace nodekeep::vault

#include "providers/akeyless/item.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace nodekeep::akeyless {
namespace {

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Item Make(ItemKind kind, std::string_view value, std::string name = "/app/a",
          std::int64_t version = 3) {
  Result<Json> json = ParseJson(value);
  REQUIRE(json.ok());
  Item item;
  item.kind = kind;
  item.name = std::move(name);
  item.version = version;
  item.value = *json;
  return item;
}

Projection As(std::string path, std::string property = "", std::string encoding = "") {
  Projection projection;
  projection.object = path;
  projection.path = std::move(path);
  projection.ref.path = "/app/a";
  projection.property = std::move(property);
  projection.encoding = std::move(encoding);
  return projection;
}

// The contents of the one file, or "refused: <message>".
std::string File(const Item& item, const Projection& projection) {
  Result<std::vector<RenderedFile>> files = RenderItem(projection, PackItem(item));
  if (!files.ok()) return "refused: " + files.error().message();
  REQUIRE(files->size() == 1);
  return std::string(files->front().contents.Reveal());
}

std::string Whole(ItemKind kind, std::string_view value) {
  return File(Make(kind, value), As("a"));
}

}  // namespace

TEST_CASE("akeyless item: a static value is written byte for byte") {
  struct Row {
    std::string name, json, want;
  };
  const Row rows[] = {
      {"text", R"("p<a>&ss\u2028")", "p<a>&ss\xe2\x80\xa8"},
      {"final newline stays", R"("a\n")", "a\n"},
      {"NUL inside", R"("a\u0000b")", std::string("a\0b", 3)},
      {"JSON text stays as it was typed", R"("{ \"b\": 1.50, \"a\":2 }")",
       R"({ "b": 1.50, "a":2 })"},
      {"empty", R"("")", ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(Whole(ItemKind::kStatic, row.json) == row.want);
  }
}

TEST_CASE("akeyless: a certificate is compact JSON of the parts that are present") {
  CHECK(Whole(ItemKind::kCertificate,
              R"({"private_key_pem":"-----KEY\n","certificate_pem":"-----CERT\n"})") ==
        R"({"certificate_pem":"-----CERT\n","private_key_pem":"-----KEY\n"})");
  CHECK(Whole(ItemKind::kCertificate, R"({"certificate_pem":"c"})") ==
        R"({"certificate_pem":"c"})");
}

TEST_CASE("akeyless: a rotated secret is JSON with keys sorted and two blanks a level") {
  CHECK(Whole(ItemKind::kRotated, R"({"username":"u","password":"p"})") ==
        "{\n  \"password\": \"p\",\n  \"username\": \"u\"\n}");
  CHECK(Whole(ItemKind::kRotated, R"({"b":[1,{"x":"<"}],"a":{},"c":[],"n":null,"t":true})") ==
        "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"x\": \"\\u003c\"\n    }\n  ],\n"
        "  \"c\": [],\n  \"n\": null,\n  \"t\": true\n}");
  // Upstream goes through float64 here and loses digits.
  CHECK(Whole(ItemKind::kRotated, R"({"id":12345678901234567890123})") ==
        "{\n  \"id\": 12345678901234567890123\n}");
}

TEST_CASE("akeyless: a static value that is not a string is an error with upstream's words") {
  struct Row {
    std::string json, type;
  };
  const Row rows[] = {
      {R"({"user":"hunter2"})", "map[string]interface {}"},
      {"[1]", "[]interface {}"},
      {"1.5", "float64"},
      {"12345678901234567890123", "float64"},
      {"true", "bool"},
      {"null", "<nil>"},
  };
  for (const Row& row : rows) {
    INFO(row.json);
    const std::string refusal = Whole(ItemKind::kStatic, row.json);
    CHECK(Contains(refusal, "value must be a string, got " + row.type + ": secret \"/app/a\";"));
    CHECK(Contains(refusal, "nodekeep/jsonText"));
    CHECK(Contains(refusal, "object \"a\""));
    CHECK_FALSE(Contains(refusal, "hunter2"));
  }
}

TEST_CASE("akeyless item: with nodekeep/jsonText, values other than text are written as JSON") {
  CHECK(File(Make(ItemKind::kStatic, R"({"b":1.50,"a":"x"})"), As("a", "", "json")) ==
        R"({"a":"x","b":1.50})");
  CHECK(File(Make(ItemKind::kStatic, R"("plain")"), As("a", "", "json")) == "plain");
}

TEST_CASE("akeyless item: a property is a key, or keys joined by dots") {
  struct Row {
    std::string name;
    ItemKind kind;
    std::string value, property, want;
  };
  const Row rows[] = {
      {"of JSON text", ItemKind::kStatic, R"("{\"user\":\"alice\"}")", "user", "alice"},
      {"of a JSON value", ItemKind::kStatic, R"({"user":"alice"})", "user", "alice"},
      {"number as spelled", ItemKind::kStatic, R"({"n":1.50})", "n", "1.50"},
      {"boolean", ItemKind::kStatic, R"({"n":true})", "n", "true"},
      {"object as JSON", ItemKind::kStatic, R"({"n":{"b":1,"a":2}})", "n", R"({"a":2,"b":1})"},
      {"dots go down", ItemKind::kStatic, R"({"db":{"hosts":["a","b"]}})", "db.hosts.1", "b"},
      {"a key with dots comes first", ItemKind::kStatic, R"({"tls.crt":"x","tls":{"crt":"y"}})",
       "tls.crt", "x"},
      {"empty text is a value", ItemKind::kStatic, R"({"n":""})", "n", ""},
      {"certificate", ItemKind::kCertificate, R"({"certificate_pem":"c"})", "certificate_pem", "c"},
      {"rotated", ItemKind::kRotated, R"({"username":"u"})", "username", "u"},
      {"payload of a custom rotator", ItemKind::kRotated, R"({"payload":"{\"key\":\"k\"}"})", "key",
       "k"},
      {"payload itself", ItemKind::kRotated, R"({"payload":"{\"key\":\"k\"}"})", "payload",
       R"({"key":"k"})"},
      {"target", ItemKind::kRotated, R"({"target_value":{"password":"p"}})", "password", "p"},
      {"linked host", ItemKind::kRotated, R"({"linked_hosts":{"h:1":{"password":"p"}}})",
       "linked_hosts.h:1.password", "p"},
      {"linked host by address", ItemKind::kRotated,
       R"({"linked_hosts":{"10.0.0.1:5432":{"password":"p"}}})",
       "linked_hosts.10.0.0.1:5432.password", "p"},
      {"dynamic", ItemKind::kDynamic, R"({"user":"u","ttl_in_minutes":"60"})", "user", "u"},
      {"custom producer", ItemKind::kDynamic, R"({"value":"{\"token\":\"t\"}"})", "token", "t"},
      {"dynamic, nested", ItemKind::kDynamic, R"({"secret":{"appId":"i"}})", "secret.appId", "i"},
      {"pki", ItemKind::kPki, R"({"ca_pem":"ca"})", "ca_pem", "ca"},
      {"ssh", ItemKind::kSsh, R"({"certificate":"ssh-cert"})", "certificate", "ssh-cert"},
      {"classic key", ItemKind::kClassicKey, R"({"key":"k"})", "key", "k"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(File(Make(row.kind, row.value), As("a", row.property)) == row.want);
  }
}

TEST_CASE("akeyless item: the error for a missing property does not show the value") {
  struct Row {
    std::string name, value, property, want;
    ErrorCode code;
  };
  const Row rows[] = {
      {"no such key", R"({"hunter2":"hunter2"})", "user", "has no property \"user\"",
       ErrorCode::kNotFound},
      {"null", R"({"user":null})", "user",
       "object \"a\": property \"user\" of secret \"/app/a\" is null", ErrorCode::kNotFound},
      {"a path that leads nowhere", R"({"a":"hunter2"})", "a.b", "has no property",
       ErrorCode::kNotFound},
      {"text that is not JSON", R"("hunter2")", "user", "is not a JSON object",
       ErrorCode::kInvalid},
      {"a bare number", "1", "user", "is not a JSON object", ErrorCode::kInvalid},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Result<std::vector<RenderedFile>> files =
        RenderItem(As("a", row.property), PackItem(Make(ItemKind::kStatic, row.value)));
    REQUIRE(!files.ok());
    CHECK(files.error().code() == row.code);
    CHECK(Contains(files.error().message(), row.want));
    CHECK_FALSE(Contains(files.error().message(), "hunter2"));
  }
}

TEST_CASE("akeyless item: base64 and hex are decoded, of a whole value and of a property") {
  const Item text = Make(ItemKind::kStatic, R"("AAH/\n")");
  CHECK(File(text, As("a", "", "base64")) == std::string("\x00\x01\xff", 3));
  CHECK(File(Make(ItemKind::kStatic, R"("00fF")"), As("a", "", "hex")) == std::string("\0\xff", 2));
  CHECK(File(Make(ItemKind::kStatic, R"({"k":"aGk="})"), As("a", "k", "base64")) == "hi");
  CHECK(File(Make(ItemKind::kStatic, R"("00ff\r\n")"), As("a", "", "hex")) ==
        std::string("\0\xff", 2));
  const std::string refusal = File(Make(ItemKind::kStatic, R"("hunter2!")"), As("a", "", "base64"));
  CHECK(Contains(refusal, "secret \"/app/a\": nodekeep/decode base64: illegal base64 data"));
  CHECK_FALSE(Contains(refusal, "hunter2"));
}

TEST_CASE("akeyless: object versions are fileName:secretPath and the last version") {
  Projection projection = As("secret1");
  projection.ref.path = "F1/secret1";  // as the class spells it, though the server says "/F1/..."
  Result<std::vector<RenderedFile>> files =
      RenderItem(projection, PackItem(Make(ItemKind::kStatic, R"("v")", "/F1/secret1", 12)));
  REQUIRE(files.ok());
  CHECK(files->at(0).object == "secret1:F1/secret1");
  CHECK(files->at(0).version == "12");
  CHECK(files->at(0).path == "secret1");
}

TEST_CASE("akeyless item: an item without a version gets a hash from the agent") {
  Result<std::vector<RenderedFile>> files =
      RenderItem(As("a"), PackItem(Make(ItemKind::kDynamic, R"({"user":"u"})", "/app/a", 0)));
  REQUIRE(files.ok());
  CHECK(files->at(0).version.empty());
}

TEST_CASE("akeyless folder: each item becomes a file at its path in the folder") {
  Projection projection = As("app");
  projection.ref.path = "/app/";
  std::vector<Item> items;
  items.push_back(Make(ItemKind::kStatic, R"("1")", "/app/a", 1));
  items.push_back(Make(ItemKind::kStatic, R"("2")", "/app/deep/er/b", 2));
  items.push_back(Make(ItemKind::kRotated, R"({"u":"x"})", "/app/c", 3));
  Result<std::vector<RenderedFile>> files = RenderItem(projection, PackFolder(items));
  REQUIRE(files.ok());
  REQUIRE(files->size() == 3);
  CHECK(files->at(0).path == "app/a");
  CHECK(files->at(0).object == "app/a:/app/a");
  CHECK(files->at(0).version == "1");
  CHECK(files->at(0).contents.Reveal() == "1");
  CHECK(files->at(1).path == "app/deep/er/b");
  CHECK(files->at(1).object == "app/deep/er/b:/app/deep/er/b");
  CHECK(files->at(2).contents.Reveal() == "{\n  \"u\": \"x\"\n}");
}

TEST_CASE("akeyless folder: names that would leave the volume or clash fail the mount") {
  struct Row {
    std::string name;
    std::vector<std::string> names;
    std::string want;
  };
  const Row rows[] = {
      {"climbing", {"/app/../../etc/passwd"}, "invalid"},
      {"double slash", {"/app//a"}, "invalid"},
      {"NUL", {std::string("/app/a\0b", 8)}, "invalid"},
      {"an item that is a folder too", {"/app/db", "/app/db/user"}, "one name"},
      {"an item of another folder", {"/apple/a"}, "is not in folder"},
      {"nothing to be seen", {}, "holds no item that this identity may list"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Projection projection = As("app");
    projection.ref.path = "/app/";
    std::vector<Item> items;
    for (const std::string& name : row.names) {
      items.push_back(Make(ItemKind::kStatic, R"("v")", name));
    }
    Result<std::vector<RenderedFile>> files = RenderItem(projection, PackFolder(items));
    REQUIRE(!files.ok());
    CHECK(Contains(files.error().message(), row.want));
  }
}

TEST_CASE("akeyless item: a request round-trips through its text, empty for a plain read") {
  ItemRequest all;
  all.kind = ItemKind::kPki;
  all.ignore_cache = true;
  all.leave_out = true;
  all.args = {"b=2", "a=\"1\""};
  all.host = "h";
  all.target = "t";
  all.db_name = "d";
  all.timeout_seconds = 15;
  all.ttl_seconds = 86400;
  all.key_type = "ec256";
  all.common_name = "c";
  all.alt_names = "a,b";
  all.uri_sans = "u";
  all.extended_key_usage = "e";
  all.username = "n";
  for (ItemKind kind : {ItemKind::kDetected, ItemKind::kDynamic, ItemKind::kPki, ItemKind::kSsh,
                        ItemKind::kClassicKey, ItemKind::kFolder}) {
    all.kind = kind;
    Result<ItemRequest> again = ItemRequest::Parse(all.Text());
    REQUIRE(again.ok());
    CHECK(*again == all);
  }
  CHECK(ItemRequest().Text().empty());
  CHECK(ItemRequest::Parse("")->Text().empty());
  CHECK_FALSE(ItemRequest::Parse("[]").ok());
  CHECK_FALSE(ItemRequest::Parse(R"({"kind":"x"})").ok());
}

TEST_CASE("akeyless item: text that is not a packed answer is an error, not a crash") {
  for (const char* text : {"", "{", "1", "{}", R"({"kind":"static"})", R"([1])", R"([{}])",
                           R"({"kind":"x","name":"","version":1,"value":1})"}) {
    INFO(text);
    Result<std::vector<RenderedFile>> files = RenderItem(As("a"), SecretBytes(text));
    REQUIRE(!files.ok());
    CHECK(files.error().code() == ErrorCode::kInternal);
  }
}

}  // namespace nodekeep::akeyless
